"""Folders of finished runs with given mistakes, made without training."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import tenfold
from made_studies import build_evaluation, miss
from runs.made_runs import CONFIG_OF_A_RUN, write_run
from tenfold.data.mnist import LabelledImages
from tenfold.runs.folder import CONFIG, EVALUATION, load_run, read_state, write_complete_state
from tenfold.runs.folder import CompleteState as Complete
from tenfold.runs.losses import LOSSES, format_losses
from tenfold.system.files import write_json

OTHER_TRAINING = ("1" * 64, "2" * 64)


def make_run(
    folder: Path, images: LabelledImages, wrong: Sequence[int], **others: Any
) -> tenfold.Run:
    """A run that misclassifies these of the images; `others` are fields of its config."""
    write_run(folder)
    state = read_state(folder)
    assert isinstance(state, Complete)
    checksums = {"train": OTHER_TRAINING, "test": images.checksums}
    config = dataclasses.replace(CONFIG_OF_A_RUN, **{"checksums": checksums, **others})
    write_json(folder / CONFIG, config)
    write_complete_state(folder, state.training)
    predicted_N = miss(images.labels_N, [wrong])[0]
    evaluation = build_evaluation(images.labels_N, predicted_N, np.full(len(images), 0.9))
    part: Any = "validation" if config.holdout else "test"
    write_json(
        folder / EVALUATION,
        dataclasses.replace(evaluation, part=part, is_mnist=False, training=state.training),
    )
    (folder / LOSSES).write_text(format_losses([[2.0, 1.0, 0.5], [0.4, 0.3, 0.0]]))
    return load_run(folder)
