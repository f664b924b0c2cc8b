"""How an image is to be read."""

from dataclasses import dataclass
from typing import Literal, TypedDict

from tenfold.errors import ReadingError
from tenfold.reading.pattern import Pattern, parse_pattern

DecimalSign = Literal[".", ","]


class ReadingOptions(TypedDict, total=False):
    """The options of `Reader.read`, which says what they mean."""

    single: bool
    expect: str | None
    signs: bool
    decimal: DecimalSign


@dataclass(frozen=True)
class Settings:
    """The options, checked; `pattern` is the parsed one that is expected."""

    single: bool = False
    pattern: Pattern | None = None
    signs: bool = True
    decimal: DecimalSign = "."

    def accepts(self, text: str) -> bool:
        """Whether a line's text is what is expected. If no signs are read, its digits tell."""
        if self.pattern is None:
            return True
        automaton = self.pattern.automaton if self.signs else self.pattern.digits_automaton
        return automaton.accepts(text.replace(" ", ""))


def build_settings(
    *,
    single: bool = False,
    expect: str | None = None,
    signs: bool = True,
    decimal: DecimalSign = ".",
) -> Settings:
    """Check the options. Raises PatternError or ReadingError."""
    if decimal not in (".", ","):
        raise ReadingError(f"the decimal sign must be . or , and not {decimal!r}")
    return Settings(single, None if expect is None else parse_pattern(expect), signs, decimal)
