"""Write the results of studies and comparisons: numbers, figures and reports."""

import dataclasses
import functools
import shlex
from collections.abc import Callable
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
from tenfold.reports.figures.style import DARK, LIGHT, Theme
from tenfold.reports.page import PageFigure
from tenfold.reports.study_report import build_comparison_report, build_study_report
from tenfold.studies.claims import find_claims
from tenfold.studies.comparison import Comparison
from tenfold.studies.statistics import summarize
from tenfold.studies.study import REPORT, SUMMARY, Study
from tenfold.system.files import make_folder, reporting_disk_errors, write_file, write_json

COMPARISON = "comparison.json"
Drawings = list[tuple[str, str, str, Callable[[Theme], bytes]]]  # name, title, description, draw


def write_study_report(study: Study, evaluated: LabelledImages) -> None:
    """Write summary.json, the figures and the report of a study into its folder."""
    is_mnist = study.is_mnist
    summary = summarize(study, evaluated.labels_N, is_mnist=is_mnist)
    summary = dataclasses.replace(summary, findings=find_claims(summary, is_mnist=is_mnist))
    images_NHW = evaluated.images_NHW
    drawings: Drawings = [
        (
            "accuracy_by_seed",
            "Accuracy of each seed",
            "The accuracy of each seed, their mean and its confidence intervals.",
            lambda theme: draw_seeds(summary, theme),
        ),
        (
            "epochs",
            "Loss and accuracy by epoch",
            "Mean and standard deviation of training loss and accuracy after each epoch.",
            lambda theme: draw_epochs(summary, theme),
        ),
        (
            "digits",
            "Error rate of each digit",
            "The error rate of each digit for each seed, their mean and its confidence interval.",
            lambda theme: draw_digits(summary, theme),
        ),
        (
            "hardest_images",
            "The hardest images",
            "The images that most seeds misclassify, with the number of seeds and their answers.",
            lambda theme: draw_hardest(images_NHW, summary, theme),
        ),
    ]
    figures = _write_figures(study.path, drawings)
    write_json(study.path / SUMMARY, summary)
    page = build_study_report(study, summary, figures, is_mnist=is_mnist)
    write_file(study.report, page)


def _write_figures(path: Path, drawings: Drawings) -> list[PageFigure]:
    """Draw figures in both themes and write the light ones."""
    figures = []
    for name, title, description, draw in drawings:
        figure = PageFigure(
            title=title, description=description, light=draw(LIGHT), dark=draw(DARK)
        )
        write_file(path / "figures" / f"{name}.png", figure.light)
        figures.append(figure)
    return figures


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
    drawings: Drawings = []
    for number, pair in enumerate(comparison.differences, start=2):
        for which in ("mended", "not_mended", "new"):
            draw = functools.partial(draw_changed_images, evaluated.images_NHW, pair, which)
            title = title_changed_images(pair, which)
            drawings.append((f"{which}_{number}", title, f"{title}.", draw))
    with reporting_disk_errors(path):
        make_folder(path)
    figures = _write_figures(path, drawings)
    write_json(path / COMPARISON, comparison)
    command = shlex.join(
        [
            *("tenfold", "compare", *(str(study.path) for study in studies)),
            *(() if data is None else ("--data", str(data))),
            *("--out", str(path)),
        ]
    )
    page = build_comparison_report(comparison, figures, command, is_mnist=studies[0].is_mnist)
    write_file(path / REPORT, page)
