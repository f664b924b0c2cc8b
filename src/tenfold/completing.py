"""One run from where it is to its end: trained, evaluated, calibrated, and said to be complete.

In: a run's config, its images, and the checkpoint where there is one. Out: the run's folder. Torch
and matplotlib are imported when a call needs them.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenfold.configs import SequenceConfig
from tenfold.data.mnist import LabelledImages, leave_out_mislabelled, load_part, split_holdout
from tenfold.disk import hash_file, write_file, write_json
from tenfold.machine import OtherPrograms
from tenfold.recipes import Recipe
from tenfold.run import (
    CALIBRATION,
    COMPLETE,
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
    StageProgress,
    tidy_complete_run,
)
from tenfold.training.threads import setting_threads

if TYPE_CHECKING:
    from torch import nn

    from tenfold.training.checkpoints import Checkpoint
    from tenfold.training.processes import Processes


@dataclass(frozen=True, kw_only=True)
class RunImages:
    """What a run trains on, what it calibrates on, if anything, and what it is evaluated on."""

    training: LabelledImages
    validation: LabelledImages | None
    evaluated: LabelledImages
    checksums: dict[str, tuple[str, str]]


def load_run_images(recipe: Recipe, data_folder: Path | None, *, holdout: bool) -> RunImages:
    """The images of a run; of a hold-out run the test images are not opened.

    Raises DataError if they cannot be read.
    """
    training, validation = load_part(data_folder, "train"), None
    checksums = {"train": training.checksums}
    if holdout or recipe.calibrates:
        training, validation = split_holdout(training)
    if holdout:
        assert validation is not None
        evaluated = validation
    else:
        evaluated = load_part(data_folder, "test")
        checksums["test"] = evaluated.checksums
    if recipe.leave_out_mislabelled:
        training = leave_out_mislabelled(training)
    return RunImages(
        training=training, validation=validation, evaluated=evaluated, checksums=checksums
    )


@dataclass(frozen=True, kw_only=True)
class UnfinishedRun:
    """A run on its way: its folder and config, its images, and how far it is.

    `resumed_with` says what differed when it was resumed, if anything did. `threads` are those that
    it has now, which may be others than it began with.
    """

    path: Path
    config: RunConfig
    images: RunImages
    processes: "Processes"
    threads: int
    checkpoint: "Checkpoint | None" = None
    resumed_with: list[str] = field(default_factory=list)


def complete_run(run: UnfinishedRun, on_progress: OnProgress | None) -> Run:
    """Train what is left of a run, evaluate it, and write all that belongs in its folder.

    Among several processes the first one writes; the others help to train and get the run from it.
    """
    with setting_threads(run.threads):
        state = _complete(run, on_progress)
    return Run(run.path, run.config, json.loads(run.processes.tell(json.dumps(state).encode())))


def _complete(run: UnfinishedRun, on_progress: OnProgress | None) -> dict[str, Any]:
    """Do it, and return the run's state: in the first process that of a complete one."""
    from tenfold.evaluation.predictions import predict
    from tenfold.models.build import build_classifier
    from tenfold.training.recording import Recorder
    from tenfold.training.weights import dump_weights

    path, config, recipe = run.path, run.config, run.config.recipe
    evaluated = run.images.evaluated
    others = OtherPrograms()
    start = time.perf_counter()
    training_images = run.images.training
    if recipe.scenes:
        training_images = _draw_scenes(training_images, recipe, config.seed, on_progress)
        if run.checkpoint is not None:
            start = time.perf_counter()  # its seconds have those of the first drawing
    model = build_classifier(recipe, config.seed).to(run.processes.device)
    recorder = Recorder(
        model,
        config,
        training_images,
        path,
        start=start,
        checkpoint=run.checkpoint,
        processes=run.processes,
        on_progress=on_progress,
        watch=_build_watch(model, evaluated) if config.by_epoch and recipe.members == 1 else None,
    )
    trained = recorder.train()
    if not run.processes.is_first:
        return {}
    # Of members that were trained before, and of what an earlier process did, nobody knows beside
    # what.
    is_in_pieces = bool(trained.reused_seconds) or run.checkpoint is not None
    other_cores = None if is_in_pieces else others.measure_cores()
    model.to("cpu")
    write_file(path / WEIGHTS, dump_weights(model, recipe, config.seed))
    training: dict[str, Any] = {
        "seconds": trained.seconds,
        "other_cores": other_cores,
        "num_images": len(training_images),
        "images_per_second": len(training_images) * len(trained.losses) / trained.seconds,
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "weights_sha256": hash_file(path / WEIGHTS),
    }
    if config.by_epoch and trained.accuracies:
        training["epoch_accuracies"] = trained.accuracies
    if run.resumed_with:
        training["resumed_with"] = run.resumed_with
    if on_progress is not None:
        on_progress(StageProgress(stage="evaluating"))
    predictions = predict(model, evaluated.images_NHW)
    write_evaluation(
        path, config, evaluated, predictions, trained.losses, training, report=config.report
    )
    if run.images.validation is not None:
        if on_progress is not None:
            on_progress(StageProgress(stage="calibrating"))
        write_calibration(path, config, model, run.images.validation)
    state = {
        "state": COMPLETE,
        "config_sha256": hash_file(path / CONFIG),
        "weights_sha256": training["weights_sha256"],
        "training": training,
    }
    write_json(path / STATE, state)
    tidy_complete_run(path)
    return state


def _build_watch(model: "nn.Module", evaluated: LabelledImages) -> Callable[[], float]:
    """A function that measures the model's accuracy as it is when it is called."""
    from tenfold.evaluation.predictions import predict

    def watch() -> float:
        predicted_N = predict(model, evaluated.images_NHW).labels_N
        return float((predicted_N == evaluated.labels_N).mean())

    return watch


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


def write_calibration(
    path: Path,
    config: RunConfig,
    model: Any,  # noqa: ANN401 - its module needs torch
    validation: LabelledImages,
) -> None:
    """Find a model's temperature and thresholds on the validation images, and write them."""
    from tenfold.evaluation.calibration import calibrate

    write_json(path / CALIBRATION, calibrate(model, config.recipe, validation, config.seed))


def write_evaluation(
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
