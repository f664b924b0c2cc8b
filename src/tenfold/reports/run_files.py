"""The figures and the report of a run, as files."""

from pathlib import Path

from tenfold.data.mnist import LabelledImages
from tenfold.reports.figures.confusion import draw_confusions
from tenfold.reports.figures.images import draw_misclassified
from tenfold.reports.figures.loss import draw_losses
from tenfold.reports.figures.style import DARK, LIGHT
from tenfold.reports.page import PageFigure
from tenfold.reports.run_report import build_report
from tenfold.runs.config import RunConfig
from tenfold.runs.folder import FIGURES, REPORT
from tenfold.runs.results import Evaluation
from tenfold.system.files import write_file


def write_run_report(
    path: Path,
    config: RunConfig,
    evaluation: Evaluation,
    evaluated: LabelledImages,
    losses: list[list[float]],
) -> None:
    """Write the figures and the report to the folder of a run."""
    images_NHW = evaluated.images_NHW
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
            light=draw_misclassified(images_NHW, evaluation, LIGHT),
            dark=draw_misclassified(images_NHW, evaluation, DARK),
        ),
    }
    for name, figure in figures.items():
        write_file(path / FIGURES[name], figure.light)
    write_file(path / REPORT, build_report(config, evaluation, list(figures.values())))
