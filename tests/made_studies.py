"""Evaluations and studies of chosen answers, for tests that need statistics and no training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from tenfold.data.mnist import MNIST_CHECKSUMS
from tenfold.evaluation.metrics import (
    count_confusions,
    list_misclassified,
    measure_accuracy,
    measure_classes,
    measure_epochs,
)
from tenfold.recipes.catalogue import (
    RECIPES,
)
from tenfold.recipes.recipe import (
    Recipe,
)
from tenfold.runs.results import Evaluation, Training
from tenfold.studies.study import Study, StudyConfig, StudyRun

CHECKSUMS: dict[str, tuple[str, str]] = {str(part): two for part, two in MNIST_CHECKSUMS.items()}
OTHER_DATA = dict.fromkeys(("train", "test"), ("1" * 64, "2" * 64))

Value = TypeVar("Value")


def present(value: Value | None) -> Value:
    """The value, which must be there."""
    assert value is not None
    return value


def build_evaluation(
    labels_N: npt.NDArray[np.uint8],
    predicted_N: npt.NDArray[np.int64],
    confidences_N: npt.NDArray[np.float64],
) -> Evaluation:
    """The evaluation of a run that gave these labels to MNIST's test images."""
    confusions_KK = count_confusions(labels_N, predicted_N)
    return Evaluation(
        part="test",
        is_mnist=True,
        **vars(measure_accuracy(predicted_N == labels_N)),
        corrected=None,
        confusions=tuple(map(tuple, confusions_KK.tolist())),
        classes=measure_classes(confusions_KK),
        misclassified=list_misclassified(labels_N, predicted_N, confidences_N),
        epochs=measure_epochs([[0.5, 0.4], [0.2, 0.1]]),
        training=Training(
            seconds=3.0,
            other_cores=None,
            num_images=1000,
            images_per_second=2000.0,
            num_parameters=500,
            weights_sha256="",
        ),
        findings=(),
        headline="",
    )


def build_study(
    labels_N: npt.NDArray[np.uint8],
    given_RN: npt.NDArray[np.int64],
    *,
    seeds: Sequence[int] | None = None,
    path: Path = Path("studies/synthetic"),
    recipe: Recipe = RECIPES["classic"],
    holdout: bool = False,
    checksums: dict[str, tuple[str, str]] | None = None,
    longer: Study | None = None,
    **of_runs: Sequence[Any],
) -> Study:
    """A study whose runs gave these labels; `of_runs` are other fields, a value for each run."""
    runs = []
    for i, given_N in enumerate(given_RN):
        wrong = np.flatnonzero(given_N != labels_N)
        fields: dict[str, Any] = {
            "seed": i if seeds is None else seeds[i],
            "mistakes": tuple((int(index), int(given_N[index]), 0.9) for index in wrong),
            "epoch_losses": (0.5, 0.25),
            "epoch_accuracies": (),
            "seconds": 10.0 + i,
            "threads": 2,
            "other_cores": 0.0,
            "num_parameters": 456_385,
            "weights_sha256": f"{i:064x}",
            "cpu": "a processor, 2 cores",
            "torch": "2.6",
            "started": "2026-11-22 12:00:00+00:00",
        }
        runs.append(StudyRun(**fields | {name: values[i] for name, values in of_runs.items()}))
    if checksums is None:
        checksums = {"train": CHECKSUMS["train"]} if holdout else CHECKSUMS
    config = StudyConfig(
        recipe=recipe,
        holdout=holdout,
        data_folder=None,
        checksums=checksums,
        num_evaluated=len(labels_N),
    )
    return Study(path, config, tuple(runs), longer)


def miss(
    labels_N: npt.NDArray[np.uint8], wrong_of_runs: Sequence[Sequence[int]]
) -> npt.NDArray[np.int64]:
    """The labels that runs give which take these images, and no others, for the next digit."""
    given_RN = np.tile(labels_N.astype(np.int64), (len(wrong_of_runs), 1))
    for given_N, wrong in zip(given_RN, wrong_of_runs, strict=True):
        given_N[list(wrong)] = (given_N[list(wrong)] + 1) % 10
    return given_RN
