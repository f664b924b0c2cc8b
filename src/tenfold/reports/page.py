"""A page: one HTML file without scripts that opens offline, for runs, studies and comparisons.

In: texts, numbers, findings and figures. Out: the page as text.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import jinja2

import tenfold
from tenfold.runs.results import Finding

# How an answer stands out, besides its words.
VERDICT_CLASSES = {
    **dict.fromkeys(("fails", "worse"), "no"),
    **dict.fromkeys(("undecided", "not clearly", "one seed cannot tell"), "open"),
}


@dataclass(frozen=True, kw_only=True)
class PageFigure:
    """A figure in both themes, as PNG bytes, with its title and what it shows in words."""

    title: str
    description: str
    light: bytes
    dark: bytes

    @property
    def light_base64(self) -> str:
        """The light picture as an HTML page holds it."""
        return base64.b64encode(self.light).decode()

    @property
    def dark_base64(self) -> str:
        """The dark picture as an HTML page holds it."""
        return base64.b64encode(self.dark).decode()


@dataclass(frozen=True, kw_only=True)
class PageTable:
    """A table with a title."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def build_page(
    *,
    title: str,
    subtitle: str,
    numbers: list[tuple[str, str, str]],
    figures: list[PageFigure],
    reproduction: str,
    command: str,
    sources: str,
    is_mnist: bool,
    findings: Sequence[Finding] = (),
    tables: Sequence[PageTable] = (),
    configuration: Sequence[tuple[str, str]] = (),
) -> str:
    """The whole page; `numbers` are name, value and note, `sources` says what it was made from."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tenfold.reports", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["unbroken"] = lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%")
    return environment.get_template("page.html.j2").render(
        title=title,
        subtitle=subtitle,
        numbers=numbers,
        findings=findings,
        tables=tables,
        figures=figures,
        configuration=configuration,
        reproduction=reproduction,
        command=command,
        sources=sources,
        version=tenfold.__version__,
        verdict_classes=VERDICT_CLASSES,
        is_mnist=is_mnist,
    )
