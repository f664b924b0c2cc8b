"""The figures and the report of a run, as files."""

from pathlib import Path

from tenfold.data.mnist import LabelledImages
from tenfold.reports.figures.confusion import draw_confusions
from tenfold.reports.figures.images import draw_misclassified, title_misclassified
from tenfold.reports.figures.loss import draw_losses
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
    figures = {
        "loss_per_batch": PageFigure.draw(
            "Training loss per batch",
            "The training loss against the batch, one curve for each epoch.",
            draw_losses,
            losses,
        ),
        "confusion_matrix": PageFigure.draw(
            "Confusion matrix",
            "How many images of each true label got each label.",
            draw_confusions,
            evaluation,
        ),
        "misclassified": PageFigure.draw(
            title_misclassified(evaluation),
            "Misclassified images with true label, given label and confidence.",
            draw_misclassified,
            evaluated.images_NHW,
            evaluation,
        ),
    }
    for name, figure in figures.items():
        write_file(path / FIGURES[name], figure.light)
    write_file(path / REPORT, build_report(config, evaluation, list(figures.values())))
