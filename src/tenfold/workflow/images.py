"""The images that a run trains on, calibrates on and is evaluated on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tenfold.data.handwriting import find_new_writers
from tenfold.data.mnist import (
    MNIST_CHECKSUMS,
    LabelledImages,
    leave_out_mislabelled,
    load_evaluated,
    load_part,
    split_holdout,
)
from tenfold.data.training_data import find_training_data
from tenfold.errors import DataError
from tenfold.recipes.recipe import Recipe
from tenfold.runs.config import RunConfig
from tenfold.runs.progress import DrawingProgress, OnProgress
from tenfold.studies.study import StudyConfig


@dataclass(frozen=True, kw_only=True)
class RunImages:
    """The images of a run; `validation` is None if it does not calibrate."""

    training: LabelledImages
    validation: LabelledImages | None
    evaluated: LabelledImages
    checksums: dict[str, tuple[str, str]]


def load_run_images(recipe: Recipe, data: str | Path | None, *, holdout: bool) -> RunImages:
    """The images of a run. A hold-out run does not open the test images.

    Of MNIST, a run calibrates on digits by writers that it was not trained on, as users are.

    Raises DataError if they cannot be read, or if the fonts for synthetic images are missing.
    """
    if recipe.scenes:
        find_training_data("fonts")  # fail before training, not while images are generated
    folder = None if data is None else Path(data)
    training, validation = load_part(folder, "train"), None
    checksums = {"train": training.checksums}
    if holdout or recipe.calibrates:
        training, validation = split_holdout(training)
    if holdout:
        assert validation is not None
        evaluated = validation
    else:
        with _add_holdout_hint():
            evaluated = load_part(folder, "test")
        checksums["test"] = evaluated.checksums
    if (
        validation is not None
        and recipe.calibrates
        and training.checksums == MNIST_CHECKSUMS["train"]
    ):
        is_new_N = find_new_writers()[-len(validation) :]
        validation = validation.select(np.flatnonzero(is_new_N))
    if recipe.leave_out_mislabelled:
        training = leave_out_mislabelled(training)
    return RunImages(
        training=training, validation=validation, evaluated=evaluated, checksums=checksums
    )


def reload_run_images(config: RunConfig, path: Path, data: str | Path | None) -> RunImages:
    """The images of the run in `path`; `data` is their folder, needed if it has moved.

    Raises DataError if they cannot be read or are not the run's.
    """
    folder = config.data_folder if data is None else data
    with _add_data_hint(folder, data):
        images = load_run_images(config.recipe, folder, holdout=config.holdout)
    if images.checksums != config.checksums:
        raise DataError(
            f"{folder or 'the MNIST of tenfold-training-data'}: not the data of the run in {path}: "
            "the checksums differ. If the data folder has moved, name it with --data."
        )
    return images


def reload_evaluated(
    config: RunConfig | StudyConfig, owner: str, data: str | Path | None
) -> LabelledImages:
    """The images that a run or study was evaluated on.

    `data` is their folder, needed if it has moved. `owner` names the run or study in an error.
    Raises DataError if the images cannot be read or differ.
    """
    folder = config.data_folder if data is None else data
    with _add_data_hint(folder, data):
        return load_evaluated(
            None if folder is None else Path(folder),
            holdout=config.holdout,
            checksums=config.checksums["train" if config.holdout else "test"],
            owner=owner,
        )


@contextmanager
def _add_holdout_hint() -> Iterator[None]:
    """Add to an error of the test images that a hold-out run needs none."""
    try:
        yield
    except DataError as error:
        error.add_note(
            "train with --holdout, which measures on a sixth of the training images instead"
        )
        raise


@contextmanager
def _add_data_hint(folder: str | Path | None, data: str | Path | None) -> Iterator[None]:
    """Add to an error in the folder that a config names that --data can name another."""
    try:
        yield
    except DataError as error:
        if data is None and folder is not None:
            error.add_note("if the data folder has moved, name it with --data")
        raise


def generate_images(
    images: LabelledImages, recipe: Recipe, seed: int, on_progress: OnProgress | None
) -> LabelledImages:
    """A recipe's synthetic training images, of digits and distractors."""
    from tenfold.synthetic.generate import DigitSource, generate_images

    source = DigitSource(images.images_NHW, images.labels_N, seed)
    total, start = recipe.scenes, time.perf_counter()

    def report(num_drawn: int) -> None:
        if on_progress is not None:
            left = (time.perf_counter() - start) * (total / num_drawn - 1)
            on_progress(DrawingProgress(num_drawn=num_drawn, num_scenes=total, seconds_left=left))

    images_NHW, labels_N = generate_images(source, total, on_progress=report)
    return replace(images, images_NHW=images_NHW, labels_N=labels_N)
