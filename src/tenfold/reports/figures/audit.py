"""The figures of an audit."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tenfold.auditing.corruptions import CORRUPTIONS, corrupt
from tenfold.auditing.results import Audit
from tenfold.reports.figures.images import GREY
from tenfold.reports.figures.style import LIGHT, Theme, draw_grid, draw_title, drawing, save_png

NUM_EXAMPLES = 16
FEWEST_SHOWN = 0.01  # percent: an image in the 10,000 of a test set


def draw_corruption_errors(audit: Audit, theme: Theme = LIGHT) -> bytes:
    """Draw the error rate of each corruption, the worst on top, as a PNG."""
    ordered = sorted(audit.corruptions, key=lambda each: each.error_rate)
    clean = 100 * (1 - audit.accuracy.accuracy)
    with drawing(8.2, 5.2, theme) as figure:
        axes = figure.add_subplot()
        rates = [100 * each.error_rate for each in ordered]
        axes.barh(range(len(ordered)), rates, height=0.62, color=theme.accent)
        for row, (each, rate) in enumerate(zip(ordered, rates, strict=True)):
            times = "" if each.relative is None else f"  ({each.relative:.1f}×)"
            text = f"{rate:.2f} %{times}"
            place: dict[str, Any] = {"xytext": (5, 0), "textcoords": "offset points"}
            axes.annotate(text, (rate, row), va="center", fontsize=9, color=theme.ink, **place)
        axes.axvline(clean, color=theme.ink, linewidth=1.2, linestyle=(0, (3, 2)))
        axes.set_yticks(range(len(ordered)), [each.name.replace("_", " ") for each in ordered])
        axes.tick_params(axis="y", length=0, labelcolor=theme.ink)
        axes.spines["left"].set_visible(False)
        axes.set_xlim(0, 1.25 * max(*rates, clean, 1))
        axes.xaxis.set_major_formatter("{x:g} %")
        draw_grid(axes, "x")
        subtitle = f"dashed: {clean:.2f} % on clean images; in brackets, how many times that"
        draw_title(axes, "Errors on corrupted images", subtitle, theme)
        return save_png(figure)


def draw_examples(images_NHW: npt.NDArray[np.uint8], seed: int, theme: Theme = LIGHT) -> bytes:
    """Draw the first images, clean and with each corruption, as a PNG."""
    first_NHW = images_NHW[:NUM_EXAMPLES]
    rows = {"clean": first_NHW}
    rows |= {name.replace("_", " "): corrupt(name, first_NHW, seed) for name in CORRUPTIONS}
    framed_RNHW = np.pad(np.stack([*rows.values()]), ((0, 0), (0, 0), (1, 1), (1, 1)))
    cell_px = framed_RNHW.shape[2]
    sheet = framed_RNHW.swapaxes(1, 2).reshape(len(rows) * cell_px, -1)
    with drawing(8.2, 0.8 + 0.41 * len(rows), theme) as figure:
        axes = figure.add_subplot()
        axes.imshow(sheet, **GREY)
        axes.set_yticks((np.arange(len(rows)) + 0.5) * cell_px, [*rows])
        axes.set_xticks([])
        axes.tick_params(length=0, labelcolor=theme.ink)
        axes.spines[:].set_visible(False)
        draw_title(axes, "The corruptions", "the first images, clean and corrupted", theme)
        return save_png(figure)


def draw_reliability(audit: Audit, theme: Theme = LIGHT) -> bytes:
    """Draw the errors that the probabilities promise against those made, as a PNG.

    Both axes show 1 minus a share, on a logarithmic scale: nearly all confidences are near 1.
    """
    bins = audit.calibration.bins
    promised = [100 * (1 - each.confidence) for each in bins]
    found = [100 * (1 - each.accuracy) for each in bins]
    lowest, highest = FEWEST_SHOWN, min(100.0, 2 * max(*promised, *found, 1.0))
    with drawing(8.2, 5.0, theme) as figure:
        axes = figure.add_subplot()
        axes.plot([lowest, highest], [lowest, highest], color=theme.quiet, linewidth=1)
        across, up = np.clip([promised, found], lowest, highest)
        axes.scatter(across, up, s=40, color=theme.accent, zorder=3, clip_on=False)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(lowest, highest)
        axes.set_ylim(lowest, highest)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g} %")
        draw_grid(axes, "y")
        axes.set_xlabel("errors that the confidences promise")
        axes.set_ylabel("errors made")
        subtitle = (
            f"{len(bins)} bins of equally many images; above the line: too confident; "
            "at an edge: that or fewer"
        )
        draw_title(axes, "Reliability", subtitle, theme)
        return save_png(figure)


def draw_risk(audit: Audit, theme: Theme = LIGHT) -> bytes:
    """Draw the risk against the coverage, as a PNG."""
    selective = audit.selective
    with drawing(8.2, 3.6, theme) as figure:
        axes = figure.add_subplot()
        coverages, risks = 100 * np.array(selective.coverages), 100 * np.array(selective.risks)
        axes.plot(coverages, risks, color=theme.accent, linewidth=2)
        axes.axhline(0.1, color=theme.ink, linewidth=1.2, linestyle=(0, (3, 2)))
        rising = coverages[risks > 0]  # the rest of the curve is at 0
        axes.set_xlim(max(0, 10 * ((rising.min() if len(rising) else 60) // 10) - 10), 100)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter("{x:g} %")
        axes.yaxis.set_major_formatter("{x:g} %")
        draw_grid(axes, "y")
        axes.set_xlabel("images read, most confident first")
        axes.set_ylabel("errors among them")
        share = 100 * selective.coverage_at_low_risk
        subtitle = f"dashed: 0.1 % errors, at which {share:.1f} % of the images can be read"
        draw_title(axes, "Risk against coverage", subtitle, theme)
        return save_png(figure)
