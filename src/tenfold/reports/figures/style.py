"""The style of all figures: light and dark themes, titles, and PNG output."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

DOTS_PER_INCH = 160
COMPRESSION = 3  # half the time of the default 6, for files a tenth larger
MARGIN_INCHES = 0.1


@dataclass(frozen=True, kw_only=True)
class Theme:
    """Colours of a figure; `errors` is a scale from few to many."""

    paper: str
    ink: str
    quiet: str
    faint: str
    accent: str
    right: str
    errors: tuple[str, str]
    epochs: str  # a colour map, and the range of it that is visible on the paper
    epochs_range: tuple[float, float]


LIGHT = Theme(
    paper="#ffffff",
    ink="#1c2128",
    quiet="#6a737d",
    faint="#e4e7eb",
    accent="#0b6b5d",
    right="#e9eef4",
    errors=("#fff1e6", "#c2410c"),
    epochs="viridis_r",
    epochs_range=(0.2, 0.97),
)
DARK = Theme(
    paper="#15191f",
    ink="#e6e9ee",
    quiet="#98a2ad",
    faint="#2b323b",
    accent="#5cc8b4",
    right="#232b35",
    errors=("#3b2417", "#fb8b4b"),
    epochs="viridis",
    epochs_range=(0.35, 1.0),
)


@contextmanager
def drawing(width: float, height: float, theme: Theme) -> Iterator[Figure]:
    """A new figure, `width` by `height` inches, in the colours of a theme."""
    colours: dict[Any, Any] = {
        "figure.facecolor": theme.paper,
        "axes.facecolor": theme.paper,
        "axes.edgecolor": theme.quiet,
        "axes.labelcolor": theme.ink,
        "text.color": theme.ink,
        "xtick.color": theme.quiet,
        "ytick.color": theme.quiet,
        "grid.color": theme.faint,
        "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(colours):
        figure = Figure(figsize=(width, height))
        figure.set_layout_engine("constrained", w_pad=MARGIN_INCHES, h_pad=MARGIN_INCHES)
        yield figure


def draw_title(axes: Axes, title: str, subtitle: str, theme: Theme) -> None:
    """Draw a bold title at the left edge and a grey subtitle under it."""
    axes.set_title(title, loc="left", fontsize=13, fontweight="bold", pad=24)
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
    axes.annotate(subtitle, (0, 1), xytext=(0, 8), fontsize=9.5, color=theme.quiet, **place)


def draw_grid(axes: Axes, axis: Literal["x", "y"]) -> None:
    """Draw grid lines from the ticks of an axis, behind the data."""
    axes.grid(visible=True, axis=axis, linewidth=0.7)
    axes.set_axisbelow(True)


def set_log_ticks(axes: Axes) -> None:
    """Make the y axis logarithmic, with ticks at 1, 2 and 5 times powers of ten."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_minor_formatter(NullFormatter())


def save_png(figure: Figure) -> bytes:
    """The bytes of the figure as a PNG file, without metadata, so that they are reproducible."""
    buffer = io.BytesIO()
    # `savefig` would draw everything twice, the first time for the layout.
    figure.set_dpi(DOTS_PER_INCH)
    canvas: Any = FigureCanvasAgg(figure)  # untyped
    options = {"compress_level": COMPRESSION}
    canvas.print_png(buffer, metadata={"Software": None}, pil_kwargs=options)
    return buffer.getvalue()
