"""The training loss of every batch, first of the exercise's figures."""

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.ticker import MaxNLocator

from tenfold.reports.figures.style import (
    LIGHT,
    Theme,
    draw_grid,
    draw_title,
    drawing,
    save_png,
    set_log_ticks,
)

SMOOTHING_SHARE = 0.08  # window of the moving average, as a share of an epoch's batches
MAX_NAMED_EPOCHS = 10


def draw_losses(losses: list[list[float]], theme: Theme = LIGHT) -> bytes:
    """Draw the loss of every batch and its moving average, one curve per epoch, as a PNG.

    The loss axis is logarithmic: the first batches have a hundred times the loss of the last.
    """
    with drawing(8.2, 4.8, theme) as figure:
        axes = figure.add_subplot()
        shades = mpl.colormaps[theme.epochs](np.linspace(*theme.epochs_range, len(losses)))
        window = 2 * round(SMOOTHING_SHARE * len(losses[0]) / 2) + 1
        named = {round(i) for i in np.linspace(0, len(losses) - 1, MAX_NAMED_EPOCHS)}
        smoothed = [smooth(np.asarray(epoch), window) for epoch in losses]
        for epoch, (raw, curve, shade) in enumerate(zip(losses, smoothed, shades, strict=True)):
            batches = np.arange(1, len(raw) + 1)
            axes.plot(batches, raw, color=shade, alpha=0.22, linewidth=0.7, zorder=1)
            label = f"epoch {epoch + 1}" if epoch in named else None
            axes.plot(batches, curve, color=shade, linewidth=2, zorder=2 + epoch, label=label)
        lowest = min(float(curve.min()) for curve in smoothed)
        highest = max(max(raw) for raw in losses)
        axes.set_ylim(max(lowest / 4, 1e-6), highest * 1.25)
        axes.set_xlim(0, max(len(raw) for raw in losses) + 1)
        set_log_ticks(axes)
        axes.yaxis.set_major_formatter("{x:g}")
        draw_grid(axes, "y")
        axes.set_xlabel("batch")
        axes.set_ylabel("cross-entropy loss")
        ncols = 2 if len(named) > 5 else 1
        axes.legend(loc="upper right", ncols=ncols, frameon=False, labelcolor=theme.ink)
        averaged = f"bold: moving average over {window} batches"
        subtitle = f"faint: each batch; {averaged}; logarithmic axis"
        draw_title(axes, "Training loss per batch", subtitle, theme)
        return save_png(figure)


def draw_compared_losses(
    losses_of_runs: dict[str, list[list[float]]], subtitle: str, theme: Theme = LIGHT
) -> bytes:
    """Draw the moving average of each run's losses, a curve per run by its name, as a PNG.

    The axis is epochs, as runs may have batches of other sizes.
    """
    with drawing(8.2, 4.8, theme) as figure:
        axes = figure.add_subplot()
        shades = mpl.colormaps[theme.epochs](np.linspace(*theme.epochs_range, len(losses_of_runs)))
        for (name, losses), shade in zip(losses_of_runs.items(), shades, strict=True):
            window = 2 * round(SMOOTHING_SHARE * len(losses[0]) / 2) + 1
            curve = smooth(np.concatenate([*map(np.asarray, losses)]), window)
            ends = np.concatenate(
                [epoch + np.arange(1, len(one) + 1) / len(one) for epoch, one in enumerate(losses)]
            )
            # A logarithmic axis cannot show the zero that a loss may be rounded to.
            axes.plot(ends, curve.clip(min=1e-6), color=shade, linewidth=1.6, label=name)
        axes.set_xlim(left=0)
        set_log_ticks(axes)
        axes.yaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        draw_grid(axes, "y")
        axes.set_xlabel("epoch")
        axes.set_ylabel("cross-entropy loss")
        axes.legend(loc="upper right", frameon=False, labelcolor=theme.ink)
        draw_title(axes, "Training loss", subtitle, theme)
        return save_png(figure)


def smooth(values: npt.NDArray[np.floating], window: int) -> npt.NDArray[np.floating]:
    """The moving average of [N] values over an odd window, as a first-order Savitzky-Golay filter.

    The ends are a line fitted to the first and the last window, clipped to its values: a mean would
    show a loss that falls steeply at the start as too low.
    """
    width = 2 * min(window // 2, (len(values) - 1) // 2) + 1
    half = width // 2
    smoothed = values.astype(float)
    smoothed[half : len(values) - half] = np.convolve(values, np.ones(width) / width, mode="valid")
    if half:
        at = np.arange(width)
        for edge, kept in ((np.s_[:width], np.s_[:half]), (np.s_[-width:], np.s_[-half:])):
            line = np.polyval(np.polyfit(at, values[edge], 1), at)
            smoothed[edge][kept] = line.clip(values[edge].min(), values[edge].max())[kept]
    return smoothed
