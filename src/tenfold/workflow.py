"""Train, evaluate and export as one call each: what `import tenfold` offers and `cli` calls.

Torch and matplotlib are imported when a call needs them, not before.
"""

import datetime
import importlib.util
import numbers
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenfold.configs import SequenceConfig
from tenfold.data.mnist import (
    LabelledImages,
    leave_out_mislabelled,
    load_evaluated,
    load_part,
    split_holdout,
)
from tenfold.errors import DataError, MissingExtraError, RecipeError, RunError
from tenfold.machine import OtherPrograms, describe_machine, list_versions
from tenfold.recipes import Recipe, find_recipe
from tenfold.run import (
    CALIBRATION,
    CONFIG,
    EVALUATION,
    FIGURES,
    REPORT,
    STATE,
    WEIGHTS,
    DrawingProgress,
    OnProgress,
    Run,
    RunConfig,
    create_run_folder,
    hash_file,
    load_run,
    write_file,
    write_json,
)
from tenfold.studies.study import StudyConfig

MAX_SEED = 2**32 - 1
MAX_THREADS = 1024
TRAIN_PACKAGES = (
    "torch",
    "safetensors",
    "matplotlib",
    "jinja2",
    "scipy",
    "onnx",
    "onnxscript",
)


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
    on_progress: OnProgress | None = None,
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
    validation = None
    if holdout or recipe.calibrates:
        training_images, validation = split_holdout(training_images)
    evaluated = validation if holdout else None
    if evaluated is None:
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
        if recipe.scenes:
            training_images = _draw_scenes(training_images, recipe, seed, on_progress)
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
        if validation is not None:
            _calibrate(path, config, model, validation)
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


def _draw_scenes(
    images: LabelledImages, recipe: Recipe, seed: int, on_progress: OnProgress | None
) -> LabelledImages:
    """A recipe's scenes of digits and other marks, or of lines, made of labelled images."""
    from tenfold.scenes.building import SceneSource, StripSource, build_many

    source: SceneSource | StripSource = SceneSource(images.images_NHW, images.labels_N, seed)
    if isinstance(recipe.model, SequenceConfig):
        source = StripSource.for_strips(images.images_NHW, images.labels_N, seed, recipe.scenes)
    num_scenes = recipe.scenes
    start = time.perf_counter()

    def report(num_drawn: int) -> None:
        if on_progress is not None:
            left = (time.perf_counter() - start) * (num_scenes / num_drawn - 1)
            on_progress(
                DrawingProgress(num_drawn=num_drawn, num_scenes=num_scenes, seconds_left=left)
            )

    images_NHW, labels_N = build_many(source, num_scenes, on_progress=report)
    return LabelledImages(images_NHW=images_NHW, labels_N=labels_N, checksums=images.checksums)


def evaluate(run: str | Path | Run, *, data: str | Path | None = None) -> Run:
    """Evaluate a finished run again: its evaluation, figures and report are replaced.

    So is its calibration, if it has one: that depends on the whole of reading, not on it alone.

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
    if run.is_calibrated:
        folder = config.data_folder if data is None else data
        training_images = load_part(None if folder is None else Path(folder), "train")
        if training_images.checksums != tuple(config.checksums["train"]):
            raise DataError(f"{folder}: expected the run's training images, found others")
        _calibrate(run.path, config, model, split_holdout(training_images)[1])
    return load_run(run.path)


def _calibrate(
    path: Path,
    config: RunConfig,
    model: Any,  # noqa: ANN401 - its module needs torch
    validation: LabelledImages,
) -> None:
    from tenfold.evaluation.calibration import calibrate

    write_json(path / CALIBRATION, calibrate(model, config.recipe, validation, config.seed))


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The file, how many images it was compared on, and by how much probabilities differed."""

    path: Path
    num_bytes: int
    num_compared: int
    largest_difference: float
    is_calibrated: bool


def export_run(
    run: str | Path | Run,
    out: str | Path | None = None,
    *,
    calibration: str | Path | Run | None = None,
    data: str | Path | None = None,
) -> Exported:
    """Write a run's model as one ONNX file, by default `model.onnx` in the run's folder.

    `calibration` is a hold-out run of the same recipe, whose temperature and thresholds the file
    gets; a hold-out run has its own, and so has one of a recipe that calibrates. Without one the
    file says that it is not calibrated. `data` is where the run's data lie now, if that has
    changed: the file is compared with the run's model on the images that the run was evaluated on.

    Raises RunError if a folder holds no finished run, the two runs do not belong together, or the
    file answers otherwise than the model; DataError if the data cannot be read.
    """
    require_train_extra()
    run = load_run(run.path if isinstance(run, Run) else Path(run))
    found = _find_calibration(run, calibration)
    evaluated = load_evaluated_again(run.config, f"the run {run.path}", data)

    from tenfold.export import LARGEST_DIFFERENCE, build_metadata, compare, dump_onnx
    from tenfold.models.build import build_classifier
    from tenfold.training.weights import load_weights

    model = build_classifier(run.config.recipe, run.config.seed)
    load_weights(model, run.weights_path)
    exported = dump_onnx(model, build_metadata(run, found))
    path = run.path / "model.onnx" if out is None else Path(out)
    difference = compare(model, exported, evaluated.images_NHW, str(path))
    if difference > LARGEST_DIFFERENCE:
        raise RunError(
            f"{run.path}: expected an exported model whose probabilities are the run's within "
            f"{LARGEST_DIFFERENCE:g}, found {difference:g}"
        )
    write_file(path, exported)
    return Exported(
        path=path,
        num_bytes=len(exported),
        num_compared=len(evaluated),
        largest_difference=difference,
        is_calibrated=found is not None,
    )


def _find_calibration(run: Run, calibration: str | Path | Run | None) -> dict[str, Any] | None:
    """The run's own calibration, or what a hold-out run of the same recipe found."""
    if calibration is None:
        return run.calibration if run.is_calibrated else None
    other = load_run(calibration.path if isinstance(calibration, Run) else Path(calibration))
    if not other.is_calibrated:
        raise RunError(f"{other.path}: expected a hold-out run for the calibration, found another")
    if other.config.recipe != run.config.recipe:
        raise RunError(
            f"{other.path}: expected a hold-out run of the recipe of {run.path}, found one of "
            f"another recipe: {other.config.recipe.name}"
        )
    if other.config.checksums["train"] != run.config.checksums["train"]:
        raise RunError(
            f"{other.path}: expected a hold-out run of the data of {run.path}, found one of others"
        )
    return other.calibration


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
