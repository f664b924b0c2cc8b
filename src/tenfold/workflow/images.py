"""The images that a run trains on, calibrates on and is evaluated on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tenfold.data.arrays import FORM, ArrayData, load_array_part
from tenfold.data.mnist import (
    MNIST_CHECKSUMS,
    LabelledImages,
    Part,
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

Data = str | Path | ArrayData
PATH = str | Path  # other data are arrays
NUM_SAMPLED = 1000


@dataclass(frozen=True, kw_only=True)
class RunImages:
    """The images of a run; `validation` is None if it does not calibrate."""

    training: LabelledImages
    validation: LabelledImages | None
    evaluated: LabelledImages
    checksums: dict[str, tuple[str, str]]

    @property
    def holds_out_writers(self) -> bool:
        """Whether whole writers of MNIST are kept from training."""
        is_mnist = self.checksums["train"] == MNIST_CHECKSUMS["train"]
        return self.validation is not None and is_mnist


def load_run_images(recipe: Recipe, data: Data | None, *, holdout: bool) -> RunImages:
    """The images of a run. A hold-out run does not open the test images.

    `data` is a folder, or arrays as `load_array_part` takes them; None is MNIST.

    Raises DataError if they cannot be read or split, or if the fonts for synthetic images are
    missing.
    """
    if recipe.scenes:
        find_training_data("fonts")  # fail before training, not while images are generated
    training, validation = _load_part(data, "train"), None
    checksums = {"train": training.checksums}
    if holdout or recipe.calibrates:
        training, validation = split_holdout(
            training, leaves_out_mislabelled=recipe.leave_out_mislabelled
        )
    elif recipe.leave_out_mislabelled:
        training = leave_out_mislabelled(training)
    if holdout:
        assert validation is not None
        evaluated = validation
    else:
        with _add_holdout_hint():
            evaluated = _load_part(data, "test")
        checksums["test"] = evaluated.checksums
    return RunImages(
        training=training, validation=validation, evaluated=evaluated, checksums=checksums
    )


def _load_part(data: Data | None, part: Part) -> LabelledImages:
    if data is None or isinstance(data, PATH):
        return load_part(None if data is None else Path(data), part)
    return load_array_part(data, part)


def name_source(data: Data | None, images: RunImages) -> dict[str, Any]:
    """The fields of a config that say where the images came from.

    Arrays of MNIST are MNIST, which every later call finds by itself.
    """
    if data is None or isinstance(data, PATH):
        return {"data_folder": None if data is None else str(Path(data).resolve())}
    is_mnist = images.checksums.items() <= MNIST_CHECKSUMS.items()
    return {"data_folder": None, "from_arrays": not is_mnist}


def reload_run_images(config: RunConfig, path: Path, data: Data | None) -> RunImages:
    """The images of the run in `path`; `data` are needed if their folder moved or they were arrays.

    Raises DataError if they cannot be read or are not the run's, or if it was trained on images
    that are held out now.
    """
    check_holdout(config, f"the run in {path}")
    folder = _choose_source(config, f"the run in {path}", data)
    with _add_data_hint(folder, data):
        images = load_run_images(config.recipe, folder, holdout=config.holdout)
    if images.checksums != config.checksums:
        raise DataError(
            f"{_describe_source(folder)}: not the data of the run in {path}: the checksums differ. "
            "If the data folder has moved, name it with --data."
        )
    return images


def reload_evaluated(
    config: RunConfig | StudyConfig, owner: str, data: Data | None
) -> LabelledImages:
    """The images that a run or study was evaluated on.

    `data` are needed if their folder has moved or they were arrays. `owner` names the run or study
    in an error. Raises DataError if the images cannot be read or differ, or if it was trained on
    images that are held out now.
    """
    if config.holdout:
        check_holdout(config, owner)
    folder = _choose_source(config, owner, data)
    part: Part = "test" if "test" in config.checksums else "train"
    checksums = config.checksums[part]
    if folder is None or isinstance(folder, PATH):
        path = None if folder is None else Path(folder)
        with _add_data_hint(folder, data):
            return load_evaluated(path, holdout=config.holdout, checksums=checksums, owner=owner)
    loaded = load_array_part(folder, part)
    if loaded.checksums != checksums:
        raise DataError(f"the arrays are not the {part} part of {owner}: the checksums differ")
    return split_holdout(loaded)[1] if config.holdout else loaded


def check_holdout(config: RunConfig | StudyConfig, owner: str) -> None:
    """Raise DataError if a run or study may have been trained on what is held out of MNIST now.

    Tenfold 0.2 trained on the first 50,000 images, some by writers who are held out now.
    """
    is_mnist = config.checksums["train"] == MNIST_CHECKSUMS["train"]
    holds_out = config.holdout or config.recipe.calibrates
    if is_mnist and holds_out and not config.holds_out_writers:
        raise DataError(
            f"{owner} was made by an earlier version, with another hold-out of MNIST, and trained "
            "on images that are held out now; train it again"
        )


def sample_training(config: RunConfig, owner: str, data: Data | None) -> npt.NDArray[np.uint8]:
    """A thousand images of a run's training data, uint8 [N, 28, 28], evenly spaced in their file.

    They are as the file has them, neither augmented nor drawn into scenes. Fewer if there are
    fewer. `owner` and `data` are as in `reload_evaluated`. Raises DataError if
    the images cannot be read or differ.
    """
    source = _choose_source(config, owner, data)
    with _add_data_hint(source, data):
        training = _load_part(source, "train")
    if training.checksums != config.checksums["train"]:
        raise DataError(
            f"{_describe_source(source)}: not the training data of {owner}: the checksums differ. "
            "If the data folder has moved, name it with --data."
        )
    if config.holdout or config.recipe.calibrates:
        training, _ = split_holdout(training)
    count = min(len(training), NUM_SAMPLED)
    return training.select(np.linspace(0, len(training) - 1, count).astype(np.int64)).images_NHW


def _choose_source(config: RunConfig | StudyConfig, owner: str, data: Data | None) -> Data | None:
    """The images that are given, by default the folder in the config.

    Raises DataError for a run on arrays, which its folder does not keep.
    """
    if data is None and isinstance(config, RunConfig) and config.from_arrays:
        raise DataError(
            f"{owner} was trained on arrays, which its folder does not keep; pass them again from "
            f"Python: data={FORM}"
        )
    return config.data_folder if data is None else data


def _describe_source(data: Data | None) -> str:
    if data is None or isinstance(data, PATH):
        return str(data or "the MNIST of tenfold-training-data")
    return "the arrays"


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
def _add_data_hint(folder: Data | None, data: Data | None) -> Iterator[None]:
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
