"""Train and evaluate as one call each: what `import tenfold` offers and the command line calls.

Torch and matplotlib are imported when a call needs them, not before.
"""

import datetime
import importlib.util
import math
import numbers
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenfold.data.mnist import LabelledImages, Part, load_part, split_holdout
from tenfold.errors import DataError, MissingExtraError, RecipeError, RunError
from tenfold.machine import describe_machine, list_versions
from tenfold.recipes import Recipe, find_recipe
from tenfold.run import (
    CONFIG,
    EVALUATION,
    FIGURES,
    LOSSES,
    REPORT,
    STATE,
    WEIGHTS,
    Run,
    RunConfig,
    append_losses,
    create_run_folder,
    hash_file,
    load_run,
    reporting_disk_errors,
    write_file,
    write_json,
)

if TYPE_CHECKING:
    from torch import nn

MAX_SEED = 2**32 - 1
MAX_THREADS = 1024
TRAIN_PACKAGES = ("torch", "safetensors", "matplotlib", "jinja2")


@dataclass(frozen=True, kw_only=True)
class TrainingProgress:
    """How far training is: steps done and in all, the epoch (from 1), its mean loss so far."""

    step: int
    num_steps: int
    epoch: int
    num_epochs: int
    mean_loss: float
    images_per_second: float
    seconds_left: float


def train(
    recipe: str | Recipe = "classic",
    *,
    seed: int = 0,
    holdout: bool = False,
    data: str | Path | None = None,
    out: str | Path | None = None,
    threads: int | None = None,
    on_progress: Callable[[TrainingProgress], None] | None = None,
    **changes: Any,  # noqa: ANN401 - checked against the recipe's fields
) -> Run:
    """Train a recipe, evaluate it, and return the run, kept as a folder.

    `recipe` is a name or a Recipe; `changes` are fields of it to change, such as epochs=10.
    `holdout` trains on the first five sixths of the training images and evaluates on the rest; the
    test images are not opened. `data` is a folder of IDX files or of image folders, the embedded
    MNIST if None. `out` is the run's folder, by default a new one in ./runs. `threads` are the most
    that a step uses, by default PyTorch's own choice up to 8.

    Raises RecipeError, DataError or RunError for what cannot be used; a run that fails or is
    interrupted stays in its folder as unfinished.
    """
    require_train_extra()
    recipe = find_recipe(recipe) if isinstance(recipe, str) else recipe
    recipe = recipe.replace(**changes)
    seed = _check_whole("--seed", seed, 0, MAX_SEED)
    if threads is not None:
        threads = _check_whole("--threads", threads, 1, MAX_THREADS)
    data_folder = None if data is None else Path(data)
    training_images = load_part(data_folder, "train")
    if holdout:
        training_images, evaluated = split_holdout(training_images)
    else:
        evaluated = load_part(data_folder, "test")

    import torch

    from tenfold.evaluation.predictions import predict
    from tenfold.models.perceptron import build_perceptron
    from tenfold.training.threads import choose_num_threads
    from tenfold.training.weights import dump_weights

    threads_before = torch.get_num_threads()
    num_threads = choose_num_threads(threads)
    checksums = {"train": training_images.checksums}
    if not holdout:
        checksums["test"] = evaluated.checksums
    config = RunConfig(
        recipe=recipe,
        seed=seed,
        holdout=holdout,
        data_folder=None if data_folder is None else str(data_folder.resolve()),
        checksums=checksums,
        threads=num_threads,
        device="cpu",
        versions=list_versions(),
        machine=describe_machine(),
        started=datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
    )
    path = create_run_folder(None if out is None else Path(out), recipe.name, seed)
    write_json(path / STATE, {"state": "running"})
    write_json(path / CONFIG, config.to_json())
    torch.set_num_threads(num_threads)
    try:
        start = time.perf_counter()
        model = build_perceptron(recipe.model, seed)
        losses = _train(model, config, training_images, path, on_progress)
        seconds = time.perf_counter() - start
        weights = dump_weights(model, recipe, seed)
        write_file(path / WEIGHTS, weights)
        training = {
            "seconds": seconds,
            "num_images": len(training_images),
            "images_per_second": len(training_images) * recipe.epochs / seconds,
            "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
            "weights_sha256": hash_file(path / WEIGHTS),
        }
        predictions = predict(model, evaluated.images_NHW)
        _write_evaluation(path, config, evaluated, predictions, losses, training)
    except BaseException as error:
        error.add_note(f"the unfinished run stays in {path}")
        raise
    finally:
        torch.set_num_threads(threads_before)
    state = {
        "state": "complete",
        "config_sha256": hash_file(path / CONFIG),
        "weights_sha256": training["weights_sha256"],
        "training": training,
    }
    write_json(path / STATE, state)
    return Run(path, config, state)


def evaluate(run: str | Path | Run, *, data: str | Path | None = None) -> Run:
    """Evaluate a finished run again: its evaluation, figures and report are replaced.

    `data` is where the run's data lie now, if that has changed; their checksums must be the run's.

    Raises RunError if the folder holds no finished run or the data are not the run's, DataError if
    the data cannot be read.
    """
    require_train_extra()
    run = load_run(run.path if isinstance(run, Run) else Path(run))
    config = run.config
    folder = config.data_folder if data is None else data
    part: Part = "train" if config.holdout else "test"
    try:
        evaluated = load_part(None if folder is None else Path(folder), part)
    except DataError as error:
        if data is None and folder is not None:
            error.add_note("if the data have moved, say where they are with --data")
        raise
    if config.holdout:
        _, evaluated = split_holdout(evaluated)
    if evaluated.checksums != config.checksums[part]:
        for name, expected, found in zip(
            ("images", "labels"), config.checksums[part], evaluated.checksums, strict=True
        ):
            if expected != found:
                raise RunError(
                    f"{folder or 'the embedded MNIST'}: expected the {part} {name} of the run "
                    f"{run.path} (SHA-256 {expected}), found others ({found})"
                )

    from tenfold.evaluation.predictions import predict
    from tenfold.models.perceptron import build_perceptron
    from tenfold.training.weights import load_weights

    model = build_perceptron(config.recipe.model, config.seed)
    load_weights(model, run.weights_path)
    predictions = predict(model, evaluated.images_NHW)
    _write_evaluation(
        run.path,
        config,
        evaluated,
        predictions,
        run.read_losses(),
        run.state["training"],
    )
    return load_run(run.path)


def require_train_extra() -> None:
    """Raise MissingExtraError if Tenfold was installed without what training needs."""
    missing = [name for name in TRAIN_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"expected the packages of the extra 'train', found no {', '.join(missing)}. "
            "Install them: pip install '.[train]' (see the README for PyTorch's CPU build)"
        )


def _check_whole(flag: str, value: object, low: int, high: int) -> int:
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_whole or not low <= int(value) <= high:  # type: ignore[call-overload]
        raise RecipeError(f"{flag}: expected a whole number from {low} to {high}, found {value}")
    return int(value)  # type: ignore[call-overload,no-any-return]


def _train(
    model: "nn.Module",
    config: RunConfig,
    images: LabelledImages,
    path: Path,
    on_progress: Callable[[TrainingProgress], None] | None,
) -> list[list[float]]:
    """Train, writing the losses as they come; return them, a list for each epoch."""
    from tenfold.data.batches import count_batches
    from tenfold.training.loop import train_model

    recipe = config.recipe
    num_batches = count_batches(len(images), recipe.batch_size)
    losses: list[list[float]] = [[] for _ in range(recipe.epochs)]
    start = time.perf_counter()
    with reporting_disk_errors(path / LOSSES):
        file = (path / LOSSES).open("x")
    with file:
        for new in train_model(model, recipe, images.images_NHW, images.labels_N, seed=config.seed):
            if not all(map(math.isfinite, new.losses)):
                raise RunError(
                    f"{path}: training diverged in epoch {new.epoch + 1}: expected finite losses, "
                    f"found {next(x for x in new.losses if not math.isfinite(x))}. "
                    "Try a smaller --learning-rate."
                )
            with reporting_disk_errors(path / LOSSES):
                append_losses(file, new.epoch, new.first_batch, new.losses)
            losses[new.epoch] += new.losses
            if on_progress is not None:
                done = len(losses[new.epoch])
                step, num_steps = new.epoch * num_batches + done, recipe.epochs * num_batches
                images_done = new.epoch * len(images) + min(done * recipe.batch_size, len(images))
                seconds = time.perf_counter() - start
                on_progress(
                    TrainingProgress(
                        step=step,
                        num_steps=num_steps,
                        epoch=new.epoch + 1,
                        num_epochs=recipe.epochs,
                        mean_loss=sum(losses[new.epoch]) / done,
                        images_per_second=images_done / seconds,
                        seconds_left=seconds * (num_steps / step - 1),
                    )
                )
    return losses


def _write_evaluation(
    path: Path,
    config: RunConfig,
    evaluated: LabelledImages,
    predictions: Any,  # noqa: ANN401 - its module needs torch
    losses: list[list[float]],
    training: dict[str, Any],
) -> None:
    """Write evaluation.json, the figures and the report."""
    from tenfold.evaluation.evaluation import build_evaluation
    from tenfold.evaluation.report import ReportFigure, build_report
    from tenfold.figures.confusion import draw_confusions
    from tenfold.figures.images import draw_misclassified
    from tenfold.figures.loss import draw_losses
    from tenfold.figures.style import DARK, LIGHT

    evaluation = build_evaluation(config, evaluated, predictions, losses, training)
    figures = {
        "loss_per_batch": ReportFigure(
            title="Training loss per batch",
            description="The training loss against the batch, one curve for each epoch.",
            light=draw_losses(losses, LIGHT),
            dark=draw_losses(losses, DARK),
        ),
        "confusion_matrix": ReportFigure(
            title="Confusion matrix",
            description="How many images of each true label got each label.",
            light=draw_confusions(evaluation, LIGHT),
            dark=draw_confusions(evaluation, DARK),
        ),
        "misclassified": ReportFigure(
            title="Misclassified digits",
            description="Misclassified images with true label, given label and confidence.",
            light=draw_misclassified(evaluated.images_NHW, evaluation, LIGHT),
            dark=draw_misclassified(evaluated.images_NHW, evaluation, DARK),
        ),
    }
    write_json(path / EVALUATION, evaluation)
    for name, figure in figures.items():
        write_file(path / FIGURES[name], figure.light)
    report = build_report(config, evaluation, list(figures.values()))
    write_file(path / REPORT, report)
