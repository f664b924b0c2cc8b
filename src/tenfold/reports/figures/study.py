"""The figures of studies and comparisons."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tenfold.data.label_errors import CONTESTED
from tenfold.reports.figures.images import draw_gallery, shorten_name
from tenfold.reports.figures.style import (
    LIGHT,
    Theme,
    draw_grid,
    draw_title,
    drawing,
    save_png,
    set_log_ticks,
)
from tenfold.studies.comparison import ChangedImage, ComparedPair
from tenfold.studies.summary import EpochEstimate, Summary

JITTER = 0.16  # spreads the dots of a column so that equal ones can be seen
NUM_SHOWN = 40
MAX_HARDEST = 160

Panel = Literal["loss", "accuracy"]


def draw_seeds(summary: Summary, theme: Theme = LIGHT) -> bytes:
    """Draw the accuracy of each seed, their mean and its two intervals, as a PNG."""
    accuracy, shares = summary.accuracy, np.array(summary.accuracies)
    with drawing(8.2, 2.6, theme) as figure:
        axes = figure.add_subplot()
        rows = np.linspace(-1, 1, len(shares)) if len(shares) > 1 else np.zeros(1)
        axes.scatter(100 * shares, 1 + 0.28 * rows, s=26, color=theme.accent, alpha=0.75, zorder=3)
        names = {1.0: "runs"}
        for place, name, interval in (
            (0.36, "other seeds", accuracy.interval),
            (0.0, "other images", accuracy.images_interval),
        ):
            if interval is None:
                continue
            ends = [100 * end for end in interval]
            axes.plot(ends, [place, place], color=theme.ink, linewidth=2.2, zorder=3)
            axes.plot(100 * accuracy.mean, place, "o", color=theme.ink, markersize=5, zorder=4)
            names[place] = f"mean, {name}"
        axes.set_ylim(-0.3, 1.5)
        axes.set_yticks([*names], [*names.values()])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.05)
        axes.xaxis.set_major_formatter("{x:.2f} %")
        axes.xaxis.set_major_locator(MaxNLocator(7))
        draw_grid(axes, "x")
        subtitle = "a dot for each run; the mean and its 95 % intervals"
        draw_title(axes, "Accuracy of each seed", subtitle, theme)
        return save_png(figure)


def draw_epochs(summary: Summary, theme: Theme = LIGHT) -> bytes:
    """Draw the training loss and, if measured, the error rate by epoch, as a PNG.

    Mean and standard deviation over seeds.
    """
    bands = [(summary.epochs, theme.accent)]
    if summary.longer:
        bands.insert(0, (summary.longer.epochs, theme.quiet))
    panels: list[Panel] = ["loss"]
    if any(epoch.accuracy for epochs, _ in bands for epoch in epochs):
        panels.append("accuracy")
    with drawing(8.2, 4.2, theme) as figure:
        columns = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, key in zip(columns, panels, strict=True):
            for epochs, colour in bands:
                _draw_band(axes, epochs, key, colour)
            axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
            axes.set_xlabel("epoch")
            draw_grid(axes, "y")
            if summary.longer and axes.lines:
                axes.legend(frameon=False, labelcolor=theme.ink)
            if any((np.asarray(line.get_ydata()) > 0).any() for line in axes.lines):
                set_log_ticks(axes)
            axes.yaxis.set_major_formatter("{x:g}" if key == "loss" else "{x:g} %")
        draw_title(columns[0], "Training loss", "mean over seeds, band: ± deviation", theme)
        for right in columns[1:]:
            draw_title(right, "Misclassified", f"of the {summary.part} images", theme)
        return save_png(figure)


def _draw_band(axes: Axes, epochs: Sequence[EpochEstimate], key: Panel, colour: str) -> None:
    estimates = {epoch.epoch: getattr(epoch, key) for epoch in epochs}
    measured = {epoch: estimate for epoch, estimate in estimates.items() if estimate}
    if not measured:
        return
    numbers = [*measured]
    mean = np.array([estimate.mean for estimate in measured.values()])
    deviation = np.array([estimate.standard_deviation or 0.0 for estimate in measured.values()])
    if key == "accuracy":
        mean, deviation = 100 * (1 - mean), 100 * deviation
    low = np.maximum(mean - deviation, mean / 10)  # a logarithmic axis cannot show zero
    axes.fill_between(numbers, low, mean + deviation, color=colour, alpha=0.2, lw=0)
    style = "o-" if len(numbers) <= 12 else "-"
    label = f"{len(epochs)} epochs"
    axes.plot(numbers, mean, style, color=colour, markersize=4, label=label)


def draw_digits(
    summary: Summary,
    theme: Theme = LIGHT,
    *,
    noun: str = "digit",
    class_names: Sequence[str] = (),
) -> bytes:
    """Draw the error rate of each digit in each run, with their mean and interval, as a PNG.

    Classes that are no digits have another noun, and may have names.
    """
    digits = summary.digits
    with drawing(8.2, 4.6, theme) as figure:
        axes = figure.add_subplot()
        for k, digit in enumerate(digits):
            rates = 100 * np.array(digit.error_rates)
            places = k + JITTER * np.linspace(-1, 1, len(rates)) if len(rates) > 1 else [k]
            axes.scatter(places, rates, s=14, color=theme.accent, alpha=0.55, zorder=3)
            mean = 100 * digit.error_rate.mean
            low, high = (100 * end for end in digit.error_rate.images_interval)
            axes.plot([k + 0.3] * 2, [low, high], color=theme.ink, linewidth=2, zorder=3)
            axes.plot(k + 0.3, mean, "o", color=theme.ink, markersize=5, zorder=4)
            text = f"{digit.num_hardest} of {len(summary.seeds)}"
            place: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "fontsize": 9}
            colour = theme.ink if digit.num_hardest else theme.quiet
            axes.annotate(text, (k, 0), xytext=(0, -32), color=colour, **place)
        names = [
            shorten_name(class_names[digit.label]) if class_names else str(digit.label)
            for digit in digits
        ]
        axes.set_xticks(range(len(digits)), names, parse_math=False)
        axes.set_xlabel(f"{noun}, and in how many seeds it has the highest error rate", labelpad=26)
        size = 7 if class_names else 12
        axes.tick_params(axis="x", length=0, labelsize=size, labelcolor=theme.ink)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter("{x:g} %")
        draw_grid(axes, "y")
        subtitle = "dots: seeds; bar: mean and its 95 % interval for other images of the same kind"
        draw_title(axes, f"Error rate of each {noun}", subtitle, theme)
        return save_png(figure)


def draw_hardest(
    images_NHW: npt.NDArray[np.uint8], summary: Summary, theme: Theme = LIGHT
) -> bytes:
    """Draw the images that most seeds misclassify, with counts and answers, as a PNG."""
    hardest, num_seeds = summary.hardest_images, len(summary.seeds)
    num_missed_by_most = sum(2 * image.num_wrong > num_seeds for image in hardest)
    contested = CONTESTED if summary.contested else frozenset()
    shown = []
    for image in hardest[: min(MAX_HARDEST, max(NUM_SHOWN, num_missed_by_most))]:
        above = f"{image.label}: {image.num_wrong}/{num_seeds}" + "*" * (image.index in contested)
        shown.append((image.index, above, _list_answers(image.answers)))
    subtitle = "none misclassified"
    if shown:
        subtitle = (
            f"{len(shown)} of {len(hardest):,} that some seed misclassifies, hardest first: "
            "label, seeds that misclassify it; most frequent answers"
        )
        subtitle += "; * disputed label" * bool(contested)
    title = "The hardest images"
    return draw_gallery(images_NHW, shown, title=title, subtitle=subtitle, theme=theme)


def _list_answers(answers: dict[str, int]) -> str:
    """The most frequent answers, as many as a caption holds."""
    listed = [f"{answer} ×{count}" for answer, count in answers.items()]
    return "  ".join(listed[:2]) + " …" * (len(listed) > 2)


def title_changed_images(pair: ComparedPair, which: str) -> str:
    """The title for the images of a comparison that are "mended", "not_mended" or "new"."""
    return {
        "mended": f"Mistakes of {pair.first} that {pair.other} fixes",
        "not_mended": f"Mistakes of {pair.first} that {pair.other} repeats",
        "new": f"New mistakes of {pair.other}",
    }[which]


def draw_changed_images(
    images_NHW: npt.NDArray[np.uint8], pair: ComparedPair, which: str, theme: Theme = LIGHT
) -> bytes:
    """Draw the images that are "mended", "not_mended" or "new" as a PNG."""
    listed: tuple[ChangedImage, ...] = getattr(pair.images, which)
    shown = []
    for image in listed[:NUM_SHOWN]:
        above = f"{image.label}: {image.answer_of_first} → {image.answer_of_other}"
        below = f"{100 * image.missed_by_first:.0f} → {100 * image.missed_by_other:.0f} %"
        shown.append((image.index, above, below))
    subtitle = "none"
    if shown:
        subtitle = (
            f"{len(shown)} of {len(listed):,}: label, most frequent answers before and after; "
            "share of seeds that misclassify it"
        )
    title = title_changed_images(pair, which)
    return draw_gallery(images_NHW, shown, title=title, subtitle=subtitle, theme=theme)
