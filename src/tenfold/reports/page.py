"""The page of a report: one HTML file without scripts that opens offline."""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jinja2

import tenfold
from tenfold.reports.figures.style import DARK, LIGHT
from tenfold.runs.results import Finding

# The CSS class of an answer; others have none.
VERDICT_CLASSES = {
    **dict.fromkeys(("fails", "worse"), "no"),
    **dict.fromkeys(("undecided", "not significantly different", "unclear with one seed"), "open"),
}


@dataclass(frozen=True, kw_only=True)
class PageFigure:
    """A figure in both themes, as PNG bytes, with its title and alternative text."""

    title: str
    description: str
    light: bytes
    dark: bytes
    note: str = ""

    @classmethod
    def draw(
        cls,
        title: str,
        description: str,
        draw: Callable[..., bytes],
        *content: object,
        note: str = "",
    ) -> "PageFigure":
        """A figure drawn by `draw(*content, theme)`, with a note below it."""
        light, dark = draw(*content, LIGHT), draw(*content, DARK)
        return cls(title=title, description=description, light=light, dark=dark, note=note)


@dataclass(frozen=True, kw_only=True)
class PageTable:
    """A table with a title, and a note below it."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Page:
    """The content of a page.

    `numbers` are name, value and note; `sources` names the files with the page's numbers.
    """

    title: str
    subtitle: str
    numbers: Sequence[tuple[str, str, str]] = ()
    findings: Sequence[Finding] = ()
    tables: Sequence[PageTable] = ()
    figures: Sequence[PageFigure] = ()
    configuration: Sequence[tuple[str, str]] = ()
    reproduction: str
    command: str
    sources: str
    is_mnist: bool

    def to_html(self) -> str:
        """Render the page."""
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("tenfold.reports", ""),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
        )
        environment.filters["unbroken"] = lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%")
        environment.filters["base64"] = lambda data: base64.b64encode(data).decode()
        others = {"version": tenfold.__version__, "verdict_classes": VERDICT_CLASSES}
        return environment.get_template("page.html.j2").render(**vars(self), **others)
