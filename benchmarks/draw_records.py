"""Draw the records as two pictures, and write them as tables into docs/benchmarks.md.

`python benchmarks/draw_records.py` reads what records.py reads, so it is run again after a study,
bench_peers.py or bench_throughput.py has other numbers.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from contestants import CLASSIC_PEERS
from labels import Label, place_labels
from records import RECORDS, ROOT, STUDIES, Record, Records, build_tables, load_records
from tenfold.reports.figures.style import (
    DOTS_PER_INCH,
    LIGHT,
    draw_grid,
    draw_title,
    drawing,
    save_png,
)

BEGIN, END = "<!-- records, written by benchmarks/draw_records.py -->", "<!-- end of records -->"
WIDTH, HEIGHT = 4.5, 5.6  # inches: on a phone of 390 pixels, a point is a pixel and more
FONT_SIZE = 9.5
MARKER_SIZE = 5.5
TICKS_PERCENT = (95, 96, 97, 98, 98.5, 99, 99.3, 99.5, 99.6, 99.7, 99.8, 99.85, 99.9)

Points = list[tuple[Record, float]]  # with the place on the horizontal axis


@dataclass(frozen=True)
class Style:
    """How the records of a kind are drawn, and what the legend says of them."""

    text: str
    marker: str
    colour: str
    face: str


STYLES = {
    "ours": Style("Tenfold", "o", LIGHT.accent, face=LIGHT.accent),
    "peer": Style("peers, measured here", "o", LIGHT.ink, face=LIGHT.paper),
    "claim": Style("others' own figures", "D", LIGHT.quiet, face=LIGHT.faint),
}


def draw_seconds(records: Records) -> bytes:
    """Draw accuracy against training seconds, as a PNG."""
    shown = [*records.ours, *records.peers, *records.claims]
    points = [(one, one.seconds) for one in shown if one.seconds is not None]
    return draw(points, "Accuracy and training time", "seconds of training")


def draw_parameters(records: Records) -> bytes:
    """Draw accuracy against the number of parameters, as a PNG.

    Peers that train our perceptron are left out, and so are claims of peers that were measured.
    """
    peers = [one for one in records.peers if one.name not in CLASSIC_PEERS]
    measured = {one.name for one in peers}
    claims = [one for one in records.claims if one.name not in measured]
    shown = [*records.ours, *peers, *claims]
    points = [(one, float(one.num_parameters)) for one in shown if one.num_parameters is not None]
    return draw(points, "Accuracy and size", "parameters")


def draw(points: Points, title: str, text: str) -> bytes:
    """Draw records at their places on the horizontal axis; upwards is a lower error rate."""
    with drawing(WIDTH, HEIGHT, LIGHT) as figure:
        figure.set_dpi(DOTS_PER_INCH)
        axes = figure.add_subplot()
        labels = [draw_point(axes, one, place) for one, place in points]
        set_axes(axes, points, text)
        draw_title(axes, title, "10,000 test images; bar: ± deviation of runs", LIGHT)
        kinds = [kind for kind in STYLES if any(one.kind == kind for one, _ in points)]
        options: dict[str, Any] = {"ncols": len(kinds), "frameon": False, "handletextpad": 0.1}
        figure.legend(
            handles=[build_handle(STYLES[kind]) for kind in kinds],
            loc="outside lower center",
            columnspacing=1,
            **options,
        )
        figure.draw_without_rendering()  # lays the axes out
        place_labels(axes, labels, FONT_SIZE)
        return save_png(figure)


def draw_point(axes: Axes, one: Record, place: float) -> Label:
    """Draw a record's marker, with a bar for its deviation."""
    style = STYLES[one.kind]
    error = 100 - one.accuracy
    bar = None
    if one.deviation is not None:
        bar = (error - one.deviation, error + one.deviation)
        axes.plot([place, place], bar, color=style.colour, linewidth=1, zorder=2)
    options: dict[str, Any] = {"color": style.colour, "mfc": style.face, "ms": MARKER_SIZE}
    on_top = 4 if one.kind == "ours" else 3
    axes.plot(place, error, marker=style.marker, zorder=on_top, **options)
    name = one.label or one.name
    return Label(name, place, error, bar, style.colour, is_bold=one.kind == "ours")


def build_handle(style: Style) -> Line2D:
    """A marker with its text for the legend."""
    options: dict[str, Any] = {"color": style.colour, "mfc": style.face, "ms": MARKER_SIZE}
    return Line2D([], [], linestyle="", marker=style.marker, label=style.text, **options)


def set_axes(axes: Axes, points: Points, text: str) -> None:
    """Make both axes logarithmic, the vertical one of error rates, with accuracies at its ticks."""
    errors = [100 - one.accuracy for one, _ in points]
    places = [place for _, place in points]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(min(places) / 2.2, 2.2 * max(places))
    axes.set_ylim(1.3 * max(errors), min(errors) / 1.3)
    axes.xaxis.set_major_locator(LogLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(FixedLocator([100 - tick for tick in TICKS_PERCENT]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda error, _: f"{100 - error:.6g} %"))
    axes.set_xlabel(text)
    draw_grid(axes, "y")


def update_page(page: str, records: Records) -> str:
    """A page with the present tables between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"the page has no place for the records, from {BEGIN} to {END}")
    return f"{before}{BEGIN}\n\n{build_tables(records)}\n\n{END}{after}"


def main() -> None:
    """Read the records, draw the pictures and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=Path, default=RECORDS, help="a folder of JSON files")
    parser.add_argument("--studies", type=Path, default=STUDIES, help="a folder of studies")
    parser.add_argument(
        "--docs", type=Path, default=ROOT / "docs", help="a folder with benchmarks.md"
    )
    arguments = parser.parse_args()
    records = load_records(arguments.records, arguments.studies)
    (arguments.docs / "records-seconds.png").write_bytes(draw_seconds(records))
    (arguments.docs / "records-parameters.png").write_bytes(draw_parameters(records))
    page = arguments.docs / "benchmarks.md"
    page.write_text(update_page(page.read_text(), records))


if __name__ == "__main__":
    main()
