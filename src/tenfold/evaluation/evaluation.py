"""The evaluation of a run: every number that figures, findings and report show.

In: labels, predictions and losses. Out: the content of a run's evaluation.json.
"""

import dataclasses

from tenfold.data.mnist import MNIST_CHECKSUMS, LabelledImages
from tenfold.evaluation.findings import PART_NAMES, find, find_blank, percent
from tenfold.evaluation.metrics import (
    count_confusions,
    list_misclassified,
    measure_accuracy,
    measure_classes,
    measure_corrected,
    measure_epochs,
)
from tenfold.models.predict import Predictions
from tenfold.runs.config import RunConfig
from tenfold.runs.results import Evaluation, Training


def build_evaluation(
    config: RunConfig,
    evaluated: LabelledImages,
    predictions: Predictions,
    losses: list[list[float]],
    training: Training,
) -> Evaluation:
    """Every number of a run, with the findings that follow from them.

    `evaluated` are the test images, or the validation images of a hold-out run; `losses` are the
    training losses, a list for each epoch; `training` says how training went.
    """
    labels_N, predicted_N = evaluated.labels_N, predictions.labels_N
    known: dict[str, tuple[str, str]] = {str(name): pair for name, pair in MNIST_CHECKSUMS.items()}
    is_mnist = all(checksums == known.get(name) for name, checksums in config.checksums.items())
    confusions_KK = count_confusions(labels_N, predicted_N)
    accuracy = measure_accuracy(predicted_N == labels_N)
    is_corrected = is_mnist and not config.holdout
    evaluation = Evaluation(
        part="validation" if config.holdout else "test",
        is_mnist=is_mnist,
        **vars(accuracy),
        corrected=measure_corrected(labels_N, predicted_N) if is_corrected else None,
        confusions=tuple(map(tuple, confusions_KK.tolist())),
        classes=measure_classes(confusions_KK),
        misclassified=list_misclassified(labels_N, predicted_N, predictions.confidences_N),
        epochs=measure_epochs(losses),
        training=training,
        findings=(),
        headline="",
    )
    headline = (
        f"{percent(accuracy.accuracy)} of {accuracy.num_images:,} {PART_NAMES[evaluation.part]} "
        f"images, trained in {training.seconds:.1f} s"
    )
    findings = find_blank(evaluated.images_NHW) + find(evaluation)
    return dataclasses.replace(evaluation, findings=findings, headline=headline)
