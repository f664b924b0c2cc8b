"""The comparison of runs as tables, findings and a page with figures."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tenfold.data.mnist import LabelledImages
from tenfold.evaluation.text import PART_NAMES, format_interval, format_percent, join_words
from tenfold.reports.figures.images import draw_gallery, shorten_name
from tenfold.reports.figures.loss import draw_compared_losses
from tenfold.reports.figures.style import LIGHT, Theme
from tenfold.reports.page import Page, PageFigure, PageTable
from tenfold.reports.study_files import COMPARISON, write_figures
from tenfold.reports.study_report import describe_difference, tabulate
from tenfold.runs.folder import REPORT, Run
from tenfold.runs.results import Finding
from tenfold.studies.comparison import Comparison
from tenfold.studies.run_comparison import (
    ComparedRun,
    ComparedRunPair,
    DisagreedImage,
    RunComparison,
)
from tenfold.system.files import make_folder, reporting_disk_errors, write_file, write_json

SIGNIFICANT = 0.05
NUM_SHOWN = 40


def lay_out(comparison: Comparison | RunComparison) -> tuple[list[PageTable], list[Finding]]:
    """The tables and the findings of a comparison of studies or of runs."""
    if isinstance(comparison, Comparison):
        columns, rows = tabulate(comparison)
        findings = [*map(describe_difference, comparison.differences)]
        return [PageTable(title="Studies", columns=columns, rows=rows)], findings
    columns = ["", *(run.name for run in comparison.runs)]
    measured = [_list_column(run) for run in comparison.runs]
    rows = [[name, *(column[name] for column in measured)] for name in measured[0]]
    tables = [PageTable(title="Runs", columns=columns, rows=rows)]
    if comparison.settings:
        rows = [
            [name.replace("_", " "), *map(_format_setting, values)]
            for name, values in comparison.settings.items()
        ]
        tables.append(PageTable(title="What differs", columns=columns, rows=rows))
    return tables, [_describe_pair(pair, comparison) for pair in comparison.differences]


def _list_column(run: ComparedRun) -> dict[str, str]:
    accuracy = run.accuracy
    column = {
        "accuracy": format_percent(accuracy.accuracy),
        "95 % CI": format_interval(accuracy.accuracy_interval),
    }
    if run.corrected_accuracy is not None:
        column["on corrected labels"] = format_percent(run.corrected_accuracy)
    return column | {
        "mistakes": f"{accuracy.num_images - accuracy.num_correct:,}",
        "training (s)": f"{run.seconds:.1f}",
        "other load (cores)": "unknown" if run.other_cores is None else f"{run.other_cores:.2f}",
        "parameters": f"{run.num_parameters:,}",
        "multiply-adds": (
            "unknown" if run.num_multiply_adds is None else f"{run.num_multiply_adds:,}"
        ),
    }


def _format_setting(value: Any) -> str:  # noqa: ANN401 - any JSON
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)


def _describe_pair(pair: ComparedRunPair, comparison: RunComparison) -> Finding:
    first, other = len(pair.only_first_right), len(pair.only_other_right)
    points = 100 * pair.difference
    answer = "not significantly different"
    if pair.p_value < SIGNIFICANT:
        answer = "better" if points > 0 else "worse"
    images = f"{comparison.num_images:,} {PART_NAMES[comparison.part]} images"
    position = f"{abs(points):.2f} points {'above' if points > 0 else 'below'}"
    if not pair.difference:
        position = "level with"
    sentence = (
        f"{pair.other} is {position} {pair.first} on {images}: only {pair.other} gets {other:,} of "
        f"them right, only {pair.first} {first:,}, and both get {pair.num_both_wrong:,} wrong "
        f"(McNemar's exact test: p = {pair.p_value:.2g}). The test compares these two trained "
        "networks, not their recipes: one run of each says nothing about other seeds. Compare "
        "studies for that."
    )
    return Finding(
        name="difference",
        question=f"How does the network of {pair.other} compare with that of {pair.first}?",
        answer=answer,
        sentence=sentence,
    )


def _title_disagreed(pair: ComparedRunPair) -> str:
    return f"Images that only {pair.first} or only {pair.other} gets right"


def draw_disagreed_images(
    images_NHW: npt.NDArray[np.uint8],
    pair: ComparedRunPair,
    class_names: Sequence[str],
    theme: Theme = LIGHT,
) -> bytes:
    """Draw images that just one of two runs classifies as labelled, as a PNG.

    `class_names` are those of the labels, empty for digits.
    """
    halves = (pair.only_other_right, pair.only_first_right)
    # Half of the places for each; what one leaves, the other may take.
    left = max(0, NUM_SHOWN // 2 - min(map(len, halves)))
    listed = [image for half in halves for image in half[: NUM_SHOWN // 2 + left]]
    shown = [(image.index, *_describe_disagreed(image, class_names)) for image in listed]
    subtitle = "none"
    if shown:
        texts = "label, answer of the first → of the other"
        if class_names:
            texts = "label, wrong answer, the first → the other"
        subtitle = f"{len(shown)} of {sum(map(len, halves)):,}: {texts}"
    title = _title_disagreed(pair)
    return draw_gallery(
        images_NHW,
        shown,
        title=title,
        subtitle=subtitle,
        theme=theme,
        has_names=bool(class_names),
    )


def _describe_disagreed(image: DisagreedImage, class_names: Sequence[str]) -> tuple[str, str]:
    """The texts above and below an image; names need lines of their own."""
    is_first_right = image.answer_of_first == image.label
    order = "right → wrong" if is_first_right else "wrong → right"
    if not class_names:
        return f"{image.label}: {image.answer_of_first} → {image.answer_of_other}", order
    wrong = image.answer_of_other if is_first_right else image.answer_of_first
    label, answer = (shorten_name(class_names[one]) for one in (image.label, wrong))
    return label, f"{answer}\n{order}"


def write_run_comparison(
    path: Path,
    runs: list[Run],
    comparison: RunComparison,
    evaluated: LabelledImages,
    data: str | Path | None,
) -> None:
    """Write comparison.json, the figures and the report.

    `data` is the folder of the data if it was given, for the command in the report.
    """
    names = [run.name for run in comparison.runs]
    class_names = runs[0].config.class_names
    losses = {name: run.read_losses() for name, run in zip(names, runs, strict=True)}
    averaged = "moving averages; logarithmic axis"
    if len({run.config.recipe.augmentation for run in runs}) > 1:
        averaged += "; on augmented images the loss is higher"
    figures = {
        "losses": PageFigure.draw(
            "Training loss",
            "The training loss by epoch, one curve for each run.",
            draw_compared_losses,
            losses,
            averaged,
        )
    }
    for number, pair in enumerate(comparison.differences, start=2):
        title = _title_disagreed(pair)
        figures[f"disagreed_{number}"] = PageFigure.draw(
            title, f"{title}.", draw_disagreed_images, evaluated.images_NHW, pair, class_names
        )
    with reporting_disk_errors(path):
        make_folder(path)
    write_figures(path, figures)
    write_json(path / COMPARISON, comparison)
    words = ["tenfold", "compare", *(str(run.path) for run in runs)]
    words += [] if data is None else ["--data", str(data)]
    command = shlex.join([*words, "--out", str(path)])
    is_mnist = runs[0].evaluation.is_mnist
    page = _build_page(comparison, [*figures.values()], command, is_mnist=is_mnist)
    write_file(path / REPORT, page)


def _build_page(
    comparison: RunComparison, figures: list[PageFigure], command: str, *, is_mnist: bool
) -> str:
    tables, findings = lay_out(comparison)
    return Page(
        title=join_words([run.name for run in comparison.runs]) + " compared",
        subtitle=f"On the same {comparison.num_images:,} {PART_NAMES[comparison.part]} images",
        findings=findings,
        tables=tables,
        figures=figures,
        reproduction="The command reads the folders of the runs and trains nothing.",
        command=command,
        sources=" from the runs. comparison.json holds every number on this page.",
        is_mnist=is_mnist,
    ).to_html()
