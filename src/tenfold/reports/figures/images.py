"""Digit images: galleries (one is the exercise's third figure) and contact sheets."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from tenfold.reports.figures.style import LIGHT, Theme, drawing, save_png
from tenfold.runs.results import Evaluation, Mistake

GREY: dict[str, Any] = {"cmap": "gray", "vmin": 0, "vmax": 255, "interpolation": "nearest"}
GALLERY_COLUMNS, GALLERY_ROWS = 8, 5
CELL_HEIGHT, CAPTION, MARGIN = 1.48, 0.27, 0.04  # of the gallery, in cells
NAME_LINE = 0.16  # height of a second line of text, in cells
MAX_NAME = 14  # characters of a class name in a figure
SHEET_COLUMNS = 20
LEFT = 0.016  # margin of the headings, as a share of the width
TITLE_CHARACTERS, SUBTITLE_CHARACTERS = 68, 112  # per line
TITLE_INCHES = 0.27  # line height


def draw_misclassified(
    images_NHW: npt.NDArray[np.uint8], evaluation: Evaluation, theme: Theme = LIGHT
) -> bytes:
    """Draw misclassified images, most confident first, as a PNG.

    `images_NHW` are all evaluated images, uint8 [N, 28, 28].
    """
    mistakes = evaluation.misclassified
    shown = [
        (image.index, *_describe_mistake(image, evaluation))
        for image in mistakes[: GALLERY_COLUMNS * GALLERY_ROWS]
    ]
    subtitle = f"none of {evaluation.num_images:,} images"
    if shown:
        subtitle = (
            f"{len(shown)} of {len(mistakes):,} mistakes, most confident first: "
            "true label → predicted label, confidence"
        )
    return draw_gallery(
        images_NHW,
        shown,
        title=title_misclassified(evaluation),
        subtitle=subtitle,
        theme=theme,
        has_names=bool(evaluation.class_names),
    )


def title_misclassified(evaluation: Evaluation) -> str:
    """The title of the gallery; images other than MNIST's need not show digits."""
    return f"Misclassified {'digits' if evaluation.noun == 'digit' else 'images'}"


def shorten_name(name: str) -> str:
    """The name of a class as short as a caption is."""
    return name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"


def _describe_mistake(mistake: Mistake, evaluation: Evaluation) -> tuple[str, str]:
    """The texts above and below an image; names need lines of their own."""
    confidence = _describe_confidence(mistake.confidence)
    if not evaluation.class_names:
        return f"{mistake.label} → {mistake.predicted}", confidence
    label, predicted = (
        shorten_name(evaluation.name_label(one)) for one in (mistake.label, mistake.predicted)
    )
    return label, f"→ {predicted}\n{confidence}"


def _describe_confidence(confidence: float) -> str:
    percentage = min(99.99, 100 * confidence)  # never claim certainty
    return f"{percentage:.2f} %" if percentage > 99.9 else f"{percentage:.1f} %"


def draw_gallery(
    images_NHW: npt.NDArray[np.uint8],
    shown: list[tuple[int, str, str]],
    *,
    title: str,
    subtitle: str,
    theme: Theme,
    has_names: bool = False,
) -> bytes:
    """Draw images in rows of eight as a PNG; `shown` has index, text above and text below.

    `has_names` makes room for names of classes, with a second line below.
    """
    more = NAME_LINE * has_names
    cell_height = CELL_HEIGHT + more
    num_rows = max(1, -(-len(shown) // GALLERY_COLUMNS))
    with drawing(8.2, 0.75 + (1.51 + more) * num_rows, theme) as figure:
        _draw_heading(figure, title, subtitle, theme)
        # One plot with cells one unit wide: the layout of forty plots takes a second.
        axes = figure.add_subplot()
        for i, (index, above, below) in enumerate(shown):
            row, column = divmod(i, GALLERY_COLUMNS)
            left, top = column + MARGIN, row * cell_height + CAPTION
            right, bottom = left + 1 - 2 * MARGIN, top + 1 - 2 * MARGIN
            axes.imshow(images_NHW[index], extent=(left, right, bottom, top), **GREY)
            middle = column + 0.5
            # Texts fit their cells, and measuring them is slow.
            around: dict[str, Any] = {"ha": "center", "in_layout": False, "parse_math": False}
            size = 8.5 if has_names else 11.5
            axes.text(middle, top - 0.05, above, va="bottom", fontsize=size, **around)
            around |= {"fontsize": 8.5, "color": theme.quiet}
            axes.text(middle, bottom + 0.05, below, va="top", **around)
        axes.set_xlim(0, GALLERY_COLUMNS)
        axes.set_ylim(num_rows * cell_height, 0)
        axes.set_aspect("equal")
        axes.set_axis_off()
        return save_png(figure)


def draw_contact_sheet(
    images_NHW: npt.NDArray[np.uint8],
    labels_N: npt.NDArray[np.uint8],
    title: str,
    theme: Theme = LIGHT,
    class_names: Sequence[str] = (),
) -> bytes:
    """Draw the first images of each label, a row per label, as a PNG."""
    labels = np.unique(labels_N)
    names = [shorten_name(class_names[label]) if class_names else str(label) for label in labels]
    sheet_RCHW = np.zeros((len(labels), SHEET_COLUMNS, 30, 30), dtype=np.uint8)
    for row, label in enumerate(labels):
        images = images_NHW[labels_N == label][:SHEET_COLUMNS]
        sheet_RCHW[row, : len(images), 1:-1, 1:-1] = images
    with drawing(8.2, 0.9 + 0.41 * len(labels), theme) as figure:
        _draw_heading(figure, title, "the first images of each label", theme)
        axes = figure.add_subplot()
        axes.imshow(sheet_RCHW.swapaxes(1, 2).reshape(len(labels) * 30, -1), **GREY)
        axes.set_yticks(np.arange(len(labels)) * 30 + 15, names)
        axes.set_xticks([])
        axes.tick_params(length=0, labelsize=11, labelcolor=theme.ink)
        axes.spines[:].set_visible(False)
        return save_png(figure)


def draw_rows(
    images_RCHW: npt.NDArray[np.uint8], title: str, subtitle: str, theme: Theme = LIGHT
) -> bytes:
    """Draw images, uint8 [rows, columns, 28, 28], as a PNG; the first column is set apart."""
    num_rows, num_columns, height, width = images_RCHW.shape
    bottom = num_rows * (height + 2) / height
    with drawing(8.2, 1.05 + 7.6 * num_rows / num_columns, theme) as figure:
        _draw_heading(figure, title, subtitle, theme)
        axes = figure.add_subplot()
        for column in range(num_columns):
            left = 1.06 * column + (0.25 if column else 0)
            stacked = np.pad(images_RCHW[:, column], ((0, 0), (1, 1), (0, 0)))
            extent = (left, left + 1, bottom, 0)
            axes.imshow(stacked.reshape(-1, width), extent=extent, **GREY)
        axes.set_xlim(0, 1.06 * num_columns + 0.25)
        axes.set_ylim(bottom, 0)
        axes.set_aspect("equal")
        axes.set_axis_off()
        return save_png(figure)


def _draw_heading(figure: Figure, title: str, subtitle: str, theme: Theme) -> None:
    titles = textwrap.wrap(title, TITLE_CHARACTERS)
    lines = textwrap.wrap(subtitle, SUBTITLE_CHARACTERS)
    room = "\n" * len(lines)  # for the subtitle
    bold: dict[str, Any] = {"fontsize": 13, "fontweight": "bold", "linespacing": 1.5}
    figure.suptitle("\n".join(titles) + room, x=LEFT, ha="left", **bold)
    top = 1 - (0.11 + TITLE_INCHES * len(titles)) / figure.get_figheight()
    small: dict[str, Any] = {"fontsize": 9.5, "color": theme.quiet, "linespacing": 1.4}
    figure.text(LEFT, top, "\n".join(lines), va="top", **small)
