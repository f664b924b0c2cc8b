"""One run from where it is to its end: trained, evaluated, calibrated, and said to be complete.

In: a run's config, its images, and the checkpoint where there is one. Out: the run's folder. Torch
and matplotlib are imported when a call needs them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tenfold.data.mnist import LabelledImages, leave_out_mislabelled, load_part, split_holdout
from tenfold.data.training_data import find_training_data
from tenfold.recipes.configs import SequenceConfig
from tenfold.recipes.recipe import Recipe
from tenfold.runs.results import Training
from tenfold.runs.run import (
    CALIBRATION,
    EVALUATION,
    FIGURES,
    REPORT,
    WEIGHTS,
    DrawingProgress,
    OnProgress,
    Run,
    RunConfig,
    StageProgress,
    read_state,
    tidy_complete_run,
    write_complete,
)
from tenfold.system.files import hash_file, write_file, write_json
from tenfold.system.machine import CpuLoadMonitor
from tenfold.training.threads import setting_threads

if TYPE_CHECKING:
    from torch import nn

    from tenfold.training.checkpoint import Checkpoint


@dataclass(frozen=True, kw_only=True)
class RunImages:
    """What a run trains on, what it calibrates on, if anything, and what it is evaluated on."""

    training: LabelledImages
    validation: LabelledImages | None
    evaluated: LabelledImages
    checksums: dict[str, tuple[str, str]]


def load_run_images(recipe: Recipe, data_folder: Path | None, *, holdout: bool) -> RunImages:
    """The images of a run; of a hold-out run the test images are not opened.

    Raises DataError if they cannot be read, or if a recipe with scenes lacks the fonts for them.
    """
    if recipe.scenes:
        find_training_data("fonts")  # before training, not after the first images are drawn
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


def complete_run(
    path: Path,
    config: RunConfig,
    images: RunImages,
    *,
    threads: int,
    device: str,
    checkpoint: "Checkpoint | None" = None,
    on_progress: OnProgress | None = None,
) -> Run:
    """Train what is left of a run, evaluate and calibrate it, and write its state last.

    `path` is the run's folder, which has its config. `threads` and `device` are those to train
    with now, which may be others than the run began with. `checkpoint` is where it goes on.
    """
    from tenfold.models.predict import predict

    with setting_threads(threads):
        model, losses, training = _train(
            path, config, images, device=device, checkpoint=checkpoint, on_progress=on_progress
        )
        _report_stage(on_progress, "evaluating")
        predictions = predict(model, images.evaluated.images_NHW)
        write_evaluation(
            path, config, images.evaluated, predictions, losses, training, report=config.report
        )
        if images.validation is not None:
            _report_stage(on_progress, "calibrating")
            write_calibration(path, config, model, images.validation)
        state = write_complete(path, training)
    tidy_complete_run(path)
    return Run(path, config, state)


def _report_stage(
    on_progress: OnProgress | None, stage: Literal["evaluating", "calibrating"]
) -> None:
    if on_progress is not None:
        on_progress(StageProgress(stage=stage))


def _train(
    path: Path,
    config: RunConfig,
    images: RunImages,
    *,
    device: str,
    checkpoint: "Checkpoint | None",
    on_progress: OnProgress | None,
) -> tuple["nn.Module", list[list[float]], Training]:
    """Train a model and write its weights; return it, its losses, and what is kept of training."""
    from tenfold.models.build import build_model
    from tenfold.training.trainer import Trainer
    from tenfold.training.weights import dump_weights

    recipe, training_images = config.recipe, images.training
    monitor, start = CpuLoadMonitor(), time.perf_counter()
    if recipe.scenes:
        training_images = _draw_scenes(training_images, recipe, config.seed, on_progress)
        if checkpoint is not None:
            start = time.perf_counter()  # its seconds have those of the first drawing
    model = build_model(recipe.model, config.seed).to(device)
    trainer = Trainer(
        path,
        config,
        model,
        training_images,
        start=start,
        checkpoint=checkpoint,
        measure_accuracy=_build_measure(model, images.evaluated) if config.by_epoch else None,
        on_progress=on_progress,
    )
    trained = trainer.train()
    # What other programs took while an earlier process trained is unknown.
    other_cores = monitor.measure_cores() if checkpoint is None else None
    model.to("cpu")
    write_file(path / WEIGHTS, dump_weights(model, recipe, config.seed))
    training = Training(
        seconds=trained.seconds,
        other_cores=other_cores,
        num_images=len(training_images),
        images_per_second=len(training_images) * len(trained.losses) / trained.seconds,
        num_parameters=sum(parameter.numel() for parameter in model.parameters()),
        weights_sha256=hash_file(path / WEIGHTS),
        epoch_accuracies=tuple(trained.accuracies if config.by_epoch else ()),
        resumed_with=tuple(read_state(path).get("resumed_with", ())),
    )
    return model, trained.losses, training


def _build_measure(model: "nn.Module", evaluated: LabelledImages) -> Callable[[], float]:
    """A function that measures the model's accuracy as it is when it is called."""
    from tenfold.models.predict import predict

    def measure_accuracy() -> float:
        predicted_N = predict(model, evaluated.images_NHW).labels_N
        return float((predicted_N == evaluated.labels_N).mean())

    return measure_accuracy


def _draw_scenes(
    images: LabelledImages, recipe: Recipe, seed: int, on_progress: OnProgress | None
) -> LabelledImages:
    """A recipe's scenes of digits and other marks, or of lines, made of labelled images."""
    from tenfold.synthetic.generate import DigitSource, LineSource, generate_images

    source: DigitSource | LineSource = DigitSource(images.images_NHW, images.labels_N, seed)
    if isinstance(recipe.model, SequenceConfig):
        source = LineSource.for_num_lines(images.images_NHW, images.labels_N, seed, recipe.scenes)
    num_scenes = recipe.scenes
    start = time.perf_counter()

    def report(num_drawn: int) -> None:
        if on_progress is not None:
            left = (time.perf_counter() - start) * (num_scenes / num_drawn - 1)
            on_progress(
                DrawingProgress(num_drawn=num_drawn, num_scenes=num_scenes, seconds_left=left)
            )

    images_NHW, labels_N = generate_images(source, num_scenes, on_progress=report)
    return LabelledImages(images_NHW=images_NHW, labels_N=labels_N, checksums=images.checksums)


def write_calibration(
    path: Path,
    config: RunConfig,
    model: Any,  # noqa: ANN401 - its module needs torch
    validation: LabelledImages,
) -> None:
    """Find a model's temperature and thresholds on the validation images, and write them."""
    from tenfold.workflow.calibrate import calibrate

    write_json(path / CALIBRATION, calibrate(model, config.recipe, validation, config.seed))


def write_evaluation(
    path: Path,
    config: RunConfig,
    evaluated: LabelledImages,
    predictions: Any,  # noqa: ANN401 - its module needs torch
    losses: list[list[float]],
    training: Training,
    *,
    report: bool = True,
) -> None:
    """Write evaluation.json and, for a report, the figures and the page."""
    from tenfold.evaluation.evaluation import build_evaluation

    evaluation = build_evaluation(config, evaluated, predictions, losses, training)
    write_json(path / EVALUATION, evaluation)
    if not report:
        return
    from tenfold.reports.figures.confusion import draw_confusions
    from tenfold.reports.figures.images import draw_misclassified
    from tenfold.reports.figures.loss import draw_losses
    from tenfold.reports.figures.style import DARK, LIGHT
    from tenfold.reports.page import PageFigure
    from tenfold.reports.run_report import build_report

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
