"""Write the results of studies and comparisons: numbers, figures and reports."""

import dataclasses
import shlex
from functools import partial
from pathlib import Path

from tenfold.data.mnist import LabelledImages
from tenfold.reports.figures.study import (
    draw_changed_images,
    draw_digits,
    draw_epochs,
    draw_hardest,
    draw_seeds,
    title_changed_images,
)
from tenfold.reports.page import PageFigure
from tenfold.reports.study_report import build_comparison_report, build_study_report
from tenfold.studies.claims import find_claims
from tenfold.studies.comparison import Comparison
from tenfold.studies.statistics import summarize
from tenfold.studies.study import REPORT, SUMMARY, Study
from tenfold.system.files import make_folder, reporting_disk_errors, write_file, write_json

COMPARISON = "comparison.json"


def write_study_report(study: Study, evaluated: LabelledImages) -> None:
    """Write summary.json, the figures and the report of a study into its folder."""
    is_mnist = study.is_mnist
    summary = summarize(study, evaluated.labels_N, is_mnist=is_mnist)
    summary = dataclasses.replace(summary, findings=find_claims(summary, is_mnist=is_mnist))
    figures = {
        "accuracy_by_seed": PageFigure.draw(
            "Accuracy of each seed",
            "The accuracy of each seed, their mean and its confidence intervals.",
            draw_seeds,
            summary,
        ),
        "epochs": PageFigure.draw(
            "Loss and accuracy by epoch",
            "Mean and standard deviation of training loss and accuracy after each epoch.",
            draw_epochs,
            summary,
        ),
        "digits": PageFigure.draw(
            f"Error rate of each {study.noun}",
            f"The error rate of each {study.noun} for each seed, their mean and its confidence "
            "interval.",
            partial(draw_digits, noun=study.noun, class_names=study.config.class_names),
            summary,
        ),
        "hardest_images": PageFigure.draw(
            "The hardest images",
            "The images that most seeds misclassify, with the number of seeds and their answers.",
            draw_hardest,
            evaluated.images_NHW,
            summary,
        ),
    }
    write_figures(study.path, figures)
    write_json(study.path / SUMMARY, summary)
    page = build_study_report(study, summary, [*figures.values()], is_mnist=is_mnist)
    write_file(study.report, page)


def write_figures(path: Path, figures: dict[str, PageFigure]) -> None:
    """Write the light figures, by name, to a folder's `figures`."""
    for name, figure in figures.items():
        write_file(path / "figures" / f"{name}.png", figure.light)


def write_comparison_report(
    path: Path,
    studies: list[Study],
    comparison: Comparison,
    evaluated: LabelledImages,
    data: str | Path | None,
) -> None:
    """Write comparison.json, the figures and the report.

    `data` is the folder of the data if it was given, for the command in the report.
    """
    figures = {}
    for number, pair in enumerate(comparison.differences, start=2):
        for which in ("mended", "not_mended", "new"):
            title = title_changed_images(pair, which)
            figures[f"{which}_{number}"] = PageFigure.draw(
                title, f"{title}.", draw_changed_images, evaluated.images_NHW, pair, which
            )
    with reporting_disk_errors(path):
        make_folder(path)
    write_figures(path, figures)
    write_json(path / COMPARISON, comparison)
    words = ["tenfold", "compare", *(str(study.path) for study in studies)]
    words += [] if data is None else ["--data", str(data)]
    command = shlex.join([*words, "--out", str(path)])
    is_mnist = studies[0].is_mnist
    page = build_comparison_report(comparison, [*figures.values()], command, is_mnist=is_mnist)
    write_file(path / REPORT, page)
