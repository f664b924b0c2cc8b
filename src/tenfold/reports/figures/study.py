"""The figures of studies and comparisons."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from tenfold.data.label_errors import CONTESTED
from tenfold.reports.figures.images import draw_gallery
from tenfold.reports.figures.style import LIGHT, Theme, draw_grid, draw_title, drawing, save_png
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
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2f} %"))
        axes.xaxis.set_major_locator(MaxNLocator(7))
        draw_grid(axes, "x")
        draw_title(
            axes,
            "Accuracy of each seed",
            "a dot for each run; the mean and its 95 % intervals",
            theme,
        )
        return save_png(figure)


def draw_epochs(summary: Summary, theme: Theme = LIGHT) -> bytes:
    """Draw the training loss and, if measured, the error rate by epoch, as a PNG.

    Mean and standard deviation over seeds.
    """
    longer = summary.longer
    panels: list[Panel] = ["loss", "accuracy"]
    measured = [*summary.epochs, *(longer.epochs if longer else ())]
    if not any(one.accuracy for one in measured):
        panels = panels[:1]
    with drawing(8.2, 4.2, theme) as figure:
        columns = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, key in zip(columns, panels, strict=True):
            if longer:
                label = f"{longer.num_epochs} epochs"
                _draw_band(axes, longer.epochs, key, theme.quiet, label)
            label = f"{len(summary.epochs)} epochs"
            _draw_band(axes, summary.epochs, key, theme.accent, label)
            axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
            axes.set_xlabel("epoch")
            draw_grid(axes, "y")
            if longer and axes.lines:
                axes.legend(frameon=False, labelcolor=theme.ink)
            if any((np.asarray(line.get_ydata()) > 0).any() for line in axes.lines):
                axes.set_yscale("log")
                axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                axes.yaxis.set_minor_formatter(NullFormatter())
            unit = "" if key == "loss" else " %"
            axes.yaxis.set_major_formatter(
                FuncFormatter(lambda value, _, unit=unit: f"{value:g}{unit}")
            )
        draw_title(columns[0], "Training loss", "mean over seeds, band: ± deviation", theme)
        for right in columns[1:]:
            draw_title(right, "Misclassified", f"of the {summary.part} images", theme)
        return save_png(figure)


def _draw_band(
    axes: Axes, epochs: Sequence[EpochEstimate], key: Panel, colour: str, label: str
) -> None:
    estimates = {one.epoch: one.loss if key == "loss" else one.accuracy for one in epochs}
    measured = {epoch: estimate for epoch, estimate in estimates.items() if estimate}
    if not measured:
        return
    numbers = [*measured]
    mean = np.array([one.mean for one in measured.values()])
    deviation = np.array([one.standard_deviation or 0.0 for one in measured.values()])
    if key == "accuracy":
        mean, deviation = 100 * (1 - mean), 100 * deviation
    low = np.maximum(mean - deviation, mean / 10)  # a logarithmic axis cannot show zero
    axes.fill_between(numbers, low, mean + deviation, color=colour, alpha=0.2, lw=0)
    few = len(numbers) <= 12
    axes.plot(numbers, mean, "o-" if few else "-", color=colour, markersize=4, label=label)


def draw_digits(summary: Summary, theme: Theme = LIGHT) -> bytes:
    """Draw the error rate of each digit in each run, with their mean and interval, as a PNG."""
    digits = summary.digits
    num_seeds = len(summary.seeds)
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
            axes.annotate(
                f"{digit.num_hardest} of {num_seeds}",
                (k, 0),
                xytext=(0, -32),
                textcoords="offset points",
                ha="center",
                fontsize=9,
                color=theme.ink if digit.num_hardest else theme.quiet,
            )
        axes.set_xticks(range(len(digits)), [str(one.label) for one in digits])
        axes.set_xlabel("digit, and in how many seeds it has the highest error rate", labelpad=26)
        axes.tick_params(axis="x", length=0, labelsize=12, labelcolor=theme.ink)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
        draw_grid(axes, "y")
        draw_title(
            axes,
            "Error rate of each digit",
            "dots: seeds; bar: mean and its 95 % interval for other images of the same kind",
            theme,
        )
        return save_png(figure)


def draw_hardest(
    images_NHW: npt.NDArray[np.uint8], summary: Summary, theme: Theme = LIGHT
) -> bytes:
    """Draw the images that most seeds misclassify, with counts and answers, as a PNG."""
    hardest, num_seeds = summary.hardest_images, len(summary.seeds)
    num_missed_by_most = sum(2 * one.num_wrong > num_seeds for one in hardest)
    shown = hardest[: min(MAX_HARDEST, max(NUM_SHOWN, num_missed_by_most))]
    contested = CONTESTED if summary.contested else frozenset()
    return draw_gallery(
        images_NHW,
        [
            (
                one.index,
                f"{one.label}: {one.num_wrong}/{num_seeds}" + "*" * (one.index in contested),
                _list_answers(one.answers),
            )
            for one in shown
        ],
        title="The hardest images",
        subtitle="none misclassified"
        if not shown
        else (
            f"{len(shown)} of {len(hardest):,} that some seed misclassifies, hardest first: "
            "label, seeds that misclassify it; most frequent answers"
            + "; * disputed label"
            * bool(contested)
        ),
        theme=theme,
    )


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
    shown = listed[:NUM_SHOWN]
    return draw_gallery(
        images_NHW,
        [
            (
                one.index,
                f"{one.label}: {one.answer_of_first} → {one.answer_of_other}",
                f"{100 * one.missed_by_first:.0f} → {100 * one.missed_by_other:.0f} %",
            )
            for one in shown
        ],
        title=title_changed_images(pair, which),
        subtitle=(
            f"{len(shown)} of {len(listed):,}: label, most frequent answers before and after; "
            "share of seeds that misclassify it"
            if shown
            else "none"
        ),
        theme=theme,
    )
