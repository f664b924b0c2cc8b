"""Train and evaluate as one call each: what `import tenfold` offers and the command line calls.

Torch and matplotlib are imported when a call needs them, not before.
"""

import datetime
import importlib.util
import numbers
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tenfold.data.mnist import (
    LabelledImages,
    leave_out_mislabelled,
    load_evaluated,
    load_part,
    split_holdout,
)
from tenfold.errors import DataError, MissingExtraError, RecipeError
from tenfold.machine import OtherPrograms, describe_machine, list_versions
from tenfold.recipes import Recipe, find_recipe
from tenfold.run import (
    CONFIG,
    EVALUATION,
    FIGURES,
    REPORT,
    STATE,
    WEIGHTS,
    Run,
    RunConfig,
    TrainingProgress,
    create_run_folder,
    hash_file,
    load_run,
    write_file,
    write_json,
)
from tenfold.studies.study import StudyConfig

MAX_SEED = 2**32 - 1
MAX_THREADS = 1024
TRAIN_PACKAGES = ("torch", "safetensors", "matplotlib", "jinja2", "scipy")


def train(
    recipe: str | Recipe = "classic",
    *,
    seed: int = 0,
    holdout: bool = False,
    data: str | Path | None = None,
    out: str | Path | None = None,
    threads: int | None = None,
    by_epoch: bool = False,
    report: bool = True,
    members_from: str | Path | None = None,
    on_progress: Callable[[TrainingProgress], None] | None = None,
    **changes: Any,  # noqa: ANN401 - checked against the recipe's fields
) -> Run:
    """Train a recipe, evaluate it, and return the run, kept as a folder.

    `recipe` is a name or a Recipe; `changes` are fields of it to change, such as epochs=10.
    `holdout` trains on the first five sixths of the training images and evaluates on the rest; the
    test images are not opened. `data` is a folder of IDX files or of image folders, the embedded
    MNIST if None. `out` is the run's folder, by default a new one in ./runs. `threads` are the most
    that a step uses, by default PyTorch's own choice up to 8. `by_epoch` also measures the accuracy
    after every epoch; without `report` no figures and no report are made, which `evaluate` can do
    later. `members_from` is a folder with runs of an ensemble's members, named by their seeds, as a
    study of the single recipe leaves it: members that are there are not trained again.

    Raises RecipeError, DataError or RunError for what cannot be used; a run that fails or is
    interrupted stays in its folder as unfinished.
    """
    require_train_extra()
    recipe = find_recipe(recipe) if isinstance(recipe, str) else recipe
    recipe = recipe.replace(**changes)
    seed = check_whole("--seed", seed, 0, MAX_SEED)
    if threads is not None:
        threads = check_whole("--threads", threads, 1, MAX_THREADS)
    data_folder = None if data is None else Path(data)
    training_images = load_part(data_folder, "train")
    if holdout:
        training_images, evaluated = split_holdout(training_images)
    else:
        evaluated = load_part(data_folder, "test")
    if recipe.leave_out_mislabelled:
        training_images = leave_out_mislabelled(training_images)

    import torch

    from tenfold.evaluation.predictions import predict
    from tenfold.models.build import build_classifier
    from tenfold.training.recording import train_and_record
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
        others = OtherPrograms()
        start = time.perf_counter()
        model = build_classifier(recipe, seed)
        watch = None
        if by_epoch and recipe.members == 1:

            def watch() -> float:
                predicted_N = predict(model, evaluated.images_NHW).labels_N
                return float((predicted_N == evaluated.labels_N).mean())

        trained = train_and_record(
            model,
            config,
            training_images,
            path,
            on_progress=on_progress,
            watch=watch,
            members_from=None if members_from is None else Path(members_from),
        )
        seconds = time.perf_counter() - start - trained.watching_seconds + trained.reused_seconds
        # Of members that were trained before, nobody knows beside what.
        other_cores = None if trained.reused_seconds else others.measure_cores()
        weights = dump_weights(model, recipe, seed)
        write_file(path / WEIGHTS, weights)
        training: dict[str, Any] = {
            "seconds": seconds,
            "other_cores": other_cores,
            "num_images": len(training_images),
            "images_per_second": len(training_images) * len(trained.losses) / seconds,
            "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
            "weights_sha256": hash_file(path / WEIGHTS),
        }
        if trained.accuracies:
            training["epoch_accuracies"] = trained.accuracies
        predictions = predict(model, evaluated.images_NHW)
        _write_evaluation(
            path, config, evaluated, predictions, trained.losses, training, report=report
        )
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

    Raises RunError if the folder holds no finished run, DataError if the data cannot be read or are
    not the run's.
    """
    require_train_extra()
    run = load_run(run.path if isinstance(run, Run) else Path(run))
    config = run.config
    evaluated = load_evaluated_again(config, f"the run {run.path}", data)

    from tenfold.evaluation.predictions import predict
    from tenfold.models.build import build_classifier
    from tenfold.training.weights import load_weights

    model = build_classifier(config.recipe, config.seed)
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


def load_evaluated_again(
    config: RunConfig | StudyConfig, owner: str, data: str | Path | None
) -> LabelledImages:
    """The images that a run or study evaluated, from `data` if they lie elsewhere now."""
    folder = config.data_folder if data is None else data
    try:
        return load_evaluated(
            None if folder is None else Path(folder),
            holdout=config.holdout,
            checksums=config.checksums["train" if config.holdout else "test"],
            owner=owner,
        )
    except DataError as error:
        if data is None and folder is not None:
            error.add_note("if the data have moved, say where they are with --data")
        raise


def require_train_extra() -> None:
    """Raise MissingExtraError if Tenfold was installed without what training needs."""
    missing = [name for name in TRAIN_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"expected the packages of the extra 'train', found no {', '.join(missing)}. "
            "Install them: pip install '.[train]' (see the README for PyTorch's CPU build)"
        )


def check_whole(flag: str, value: object, low: int, high: int) -> int:
    """The value as an int. Raises RecipeError if it is no whole number from `low` to `high`."""
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_whole or not low <= int(value) <= high:  # type: ignore[call-overload]
        raise RecipeError(f"{flag}: expected a whole number from {low} to {high}, found {value}")
    return int(value)  # type: ignore[call-overload,no-any-return]


def _write_evaluation(
    path: Path,
    config: RunConfig,
    evaluated: LabelledImages,
    predictions: Any,  # noqa: ANN401 - its module needs torch
    losses: list[list[float]],
    training: dict[str, Any],
    *,
    report: bool = True,
) -> None:
    """Write evaluation.json and, for a report, the figures and the page."""
    from tenfold.evaluation.evaluation import build_evaluation

    evaluation = build_evaluation(config, evaluated, predictions, losses, training)
    write_json(path / EVALUATION, evaluation)
    if not report:
        return
    from tenfold.evaluation.page import PageFigure
    from tenfold.evaluation.report import build_report
    from tenfold.figures.confusion import draw_confusions
    from tenfold.figures.images import draw_misclassified
    from tenfold.figures.loss import draw_losses
    from tenfold.figures.style import DARK, LIGHT

    figures = {
        "loss_per_batch": PageFigure(
            title="Training loss per batch",
            description="The training loss against the batch, one curve for each epoch.",
            light=draw_losses(losses, LIGHT),
            dark=draw_losses(losses, DARK),
        ),
        "confusion_matrix": PageFigure(
            title="Confusion matrix",
            description="How many images of each true label got each label.",
            light=draw_confusions(evaluation, LIGHT),
            dark=draw_confusions(evaluation, DARK),
        ),
        "misclassified": PageFigure(
            title="Misclassified digits",
            description="Misclassified images with true label, given label and confidence.",
            light=draw_misclassified(evaluated.images_NHW, evaluation, LIGHT),
            dark=draw_misclassified(evaluated.images_NHW, evaluation, DARK),
        ),
    }
    for name, figure in figures.items():
        write_file(path / FIGURES[name], figure.light)
    page = build_report(config, evaluation, list(figures.values()))
    write_file(path / REPORT, page)
