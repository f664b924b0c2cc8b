"""The confusion matrix, second of the exercise's figures."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.patches import Rectangle

from tenfold.reports.figures.images import shorten_name
from tenfold.reports.figures.style import LIGHT, Theme, draw_title, drawing, save_png
from tenfold.runs.results import Evaluation


def draw_confusions(evaluation: Evaluation, theme: Theme = LIGHT) -> bytes:
    """Draw the confusion matrix as a PNG: true labels in rows, predicted labels in columns.

    The colour scale covers only the mistakes: beside the diagonal, a hundred times as large,
    they would all look alike.
    """
    with drawing(7.4, 6.6, theme) as figure:
        _draw_cells(figure.add_subplot(), evaluation, theme)
        return save_png(figure)


def _draw_cells(axes: Axes, evaluation: Evaluation, theme: Theme) -> None:
    confusions_KK = np.array(evaluation.confusions)
    size = len(confusions_KK)
    mistakes_KK = confusions_KK * (1 - np.eye(size, dtype=int))
    most = max(1, int(mistakes_KK.max()))
    scale = LinearSegmentedColormap.from_list("errors", theme.errors)
    rates = {digit.label: digit.error_rate for digit in evaluation.classes}
    largest_rate = max(rates.values())
    for row in range(size):
        for column in range(size):
            count = int(confusions_KK[row, column])
            if row == column:
                fill, ink, weight = theme.right, theme.ink, "normal"
            elif count:
                fill = to_hex(scale((count - 1) / max(1, most - 1)))
                ink, weight = _readable_on(fill), "bold" if count == most else "normal"
            else:
                fill, ink, weight = theme.paper, theme.quiet, "normal"
            corner = (column - 0.5, row - 0.5)
            axes.add_patch(Rectangle(corner, 1, 1, facecolor=fill, edgecolor=theme.faint))
            text = axes.text(column, row, f"{count:,}" if count else "·", ha="center", va="center")
            # It fits its cell, and measuring it is slow.
            text.set(color=ink, fontsize=10.5, fontweight=weight, in_layout=False)
        if row in rates:
            text = axes.text(size - 0.3, row, f"{100 * rates[row]:.1f} %", va="center", fontsize=10)
            text.set_fontweight("bold" if rates[row] == largest_rate > 0 else "normal")
    axes.text(size - 0.3, -0.75, "errors", va="center", fontsize=9.5, color=theme.quiet)
    axes.set_xlim(-0.5, size + 0.55)
    axes.set_ylim(size - 0.5, -1.0)
    axes.set_aspect("equal")
    axes.set_xticks(range(size))
    axes.set_yticks(range(size))
    axes.tick_params(length=0, labelsize=11, labelcolor=theme.ink)
    if evaluation.class_names:
        names = [shorten_name(name) for name in evaluation.class_names]
        style: dict[str, Any] = {"fontsize": 9.5, "parse_math": False}
        axes.set_xticklabels(names, rotation=40, ha="right", rotation_mode="anchor", **style)
        axes.set_yticklabels(names, **style)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted label", x=0.45)
    axes.set_ylabel("true label")
    subtitle = "counts; only mistakes are coloured, by frequency"
    draw_title(axes, "Confusion matrix", subtitle, theme)


def _readable_on(fill: str) -> str:
    red, green, blue = to_rgb(fill)
    return "#14181d" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "#ffffff"
