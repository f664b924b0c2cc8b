"""Names beside the points of a picture, where they cover nothing."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.transforms import Bbox, IdentityTransform

GAPS = (6, 9, 14, 20, 28, 38, 50, 64, 80)  # points from a marker's centre to its name
ANGLES = np.radians([0, 180, 90, 270, *range(15, 360, 15)])  # the plain ones first
MARKER = 8  # points, with the space around it
SPACE = 3  # points beside a name
NEAR = 60  # points
LINE_FROM = 12  # points: names further away get a line
ATTEMPTS = 50

Point = npt.NDArray[np.float64]  # x and y in pixels of the figure


@dataclass(frozen=True)
class Label:
    """The name of a point at data coordinates; `bar` is a vertical bar through it, if any."""

    name: str
    x: float
    y: float
    bar: tuple[float, float] | None
    colour: str
    is_bold: bool


@dataclass(frozen=True)
class Place:
    """Where a name is written, and boxes of a pixel along the line to it, if it is far away."""

    box: Bbox
    line: list[Bbox]


def place_labels(axes: Axes, labels: Sequence[Label], font_size: float) -> None:
    """Write each name at the nearest place where it covers no marker, bar, line or other name.

    The most crowded points come first; a name that finds no place then comes before all others.
    The figure must have been laid out, at the resolution at which it is saved. Raises ValueError
    if some name never finds a place.
    """
    figure = cast(Figure, axes.get_figure(root=True))
    renderer: Any = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    pixels = figure.dpi / 72  # of a point
    texts = [build_text(figure, label, font_size) for label in labels]
    sizes = [text.get_window_extent(renderer) for text in texts]
    centres = [axes.transData.transform((label.x, label.y)) for label in labels]
    markers = [*find_markers(axes, labels, centres, pixels)]

    def count_near(i: int) -> int:
        return sum(bool(np.hypot(*(centres[i] - one)) < NEAR * pixels) for one in centres)

    order = sorted(range(len(labels)), key=count_near, reverse=True)
    for _ in range(ATTEMPTS):
        taken, places = [*markers], {}
        for i in order:
            place = find_place(centres[i], sizes[i], axes.get_window_extent(), taken, pixels)
            if place is None:
                order = [i, *(other for other in order if other != i)]
                break
            places[i] = place
            taken += [place.box.padded(SPACE * pixels, 0), *place.line]
        else:
            for i, place in places.items():
                write(figure, texts[i], place)
            return
    raise ValueError(f"no place for the name {labels[i].name!r}; the picture needs more room")


def build_text(figure: Figure, label: Label, font_size: float) -> Text:
    """A name, at the figure's corner, in pixels."""
    place: dict[str, Any] = {"transform": IdentityTransform(), "va": "bottom"}
    weight = "bold" if label.is_bold else "normal"
    text = figure.text(0, 0, label.name, fontsize=font_size, fontweight=weight, **place)
    text.set_color(label.colour)
    text.set_in_layout(False)
    return text


def find_place(
    centre: Point, size: Bbox, inside: Bbox, taken: Sequence[Bbox], pixels: float
) -> Place | None:
    """The nearest free place for a name around a marker; None if there is none."""
    own = surround(centre, pixels)
    for box, gap in list_places(centre, size, pixels):
        if contains(inside, box) and not overlap(box, taken):
            line = [*follow_line(centre, box)] if gap >= LINE_FROM else []
            ahead = [point for point in line if not own.overlaps(point)]
            if not any(overlap(point, taken) for point in ahead):
                return Place(box, ahead)
    return None


def find_markers(
    axes: Axes, labels: Sequence[Label], centres: Sequence[Point], pixels: float
) -> Iterator[Bbox]:
    """What the markers and bars cover."""
    for label, centre in zip(labels, centres, strict=True):
        yield surround(centre, pixels)
        if label.bar is not None:
            ends = [axes.transData.transform((label.x, end))[1] for end in label.bar]
            yield Bbox.from_extents(centre[0] - pixels, min(ends), centre[0] + pixels, max(ends))


def surround(centre: Point, pixels: float) -> Bbox:
    """What a marker covers, with the space around it."""
    x, y = centre
    half = MARKER * pixels / 2
    return Bbox.from_extents(x - half, y - half, x + half, y + half)


def list_places(centre: Point, size: Bbox, pixels: float) -> Iterator[tuple[Bbox, float]]:
    """Boxes for a name around a marker, the nearest first, with their distance in points."""
    for gap, angle in itertools.product(GAPS, ANGLES):
        right, up = np.cos(angle), np.sin(angle)
        x = centre[0] + right * gap * pixels - size.width * (1 - right) / 2
        y = centre[1] + up * gap * pixels - size.height * (1 - up) / 2
        yield Bbox.from_bounds(x, y, size.width, size.height), gap


def follow_line(centre: Point, box: Bbox) -> Iterator[Bbox]:
    """Boxes of a pixel along the line from a marker to the nearest point of its name."""
    end = np.clip(centre, box.min, box.max)
    for share in np.linspace(0, 1, 25)[:-1]:
        x, y = centre + share * (end - centre)
        yield Bbox.from_bounds(x, y, 1, 1)


def overlap(box: Bbox, others: Iterable[Bbox]) -> bool:
    """Whether a box overlaps any of the others."""
    return any(box.overlaps(other) for other in others)


def contains(outer: Bbox, inner: Bbox) -> bool:
    """Whether a box lies within another one."""
    sides = (inner.x0 - outer.x0, inner.y0 - outer.y0, outer.x1 - inner.x1, outer.y1 - inner.y1)
    return min(map(float, sides)) >= 0


def write(figure: Figure, text: Text, place: Place) -> None:
    """Move a name to its place, and draw the line that leads to it."""
    text.set_position((place.box.x0, place.box.y0))
    if place.line:
        xs, ys = [point.x0 for point in place.line], [point.y0 for point in place.line]
        line = Line2D(xs, ys, transform=IdentityTransform(), color=text.get_color(), lw=0.5)
        line.set_in_layout(False)
        figure.add_artist(line)
