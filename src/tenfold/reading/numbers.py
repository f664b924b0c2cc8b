"""The number that a text is: amounts with decimals, thousands separators, a sign, an ending."""

import re
from decimal import Decimal

_SIGN = r"(?P<minus>[+-]?)\$?"
_END = r"(?:[.,]?-|/-|%|[.,])?"  # as in 12.-, 25000/- and 15%, or the end of a sentence
# Thousands, and hundred thousands as in India; the same separator throughout.
_GROUPED = r"[1-9]\d{0,2}(?:(?P<separator>[.,])\d{3})(?:(?P=separator)\d{3})*"
_INDIAN = r"[1-9]\d?(?P<separator>[.,])(?:\d{2}(?P=separator))+\d{3}"
_PLAIN = re.compile(rf"{_SIGN}(?P<whole>\d+)(?:(?P<decimal>[.,])(?P<part>\d+))?{_END}")
_SEPARATED = [
    re.compile(
        rf"{_SIGN}(?P<whole>{whole})(?:(?P<decimal>(?!(?P=separator))[.,])(?P<part>\d+))?{_END}"
    )
    for whole in (_GROUPED, _INDIAN)
]


def parse_number(text: str, decimal: str = ".") -> Decimal | None:
    """The value of a text that is one number, else None.

    A point or comma before three digits, as in 1,234, may part thousands or decimals: it parts
    decimals if it is the sign `decimal`. Others are clear by themselves, as in 1,234.00 or 12,50.
    """
    plain = _PLAIN.fullmatch(text)
    if plain is not None and (plain["decimal"] == decimal or not _SEPARATED[0].fullmatch(text)):
        return _build(plain, plain["whole"])
    for pattern in _SEPARATED:
        found = pattern.fullmatch(text)
        if found is not None:
            return _build(found, found["whole"].replace(found["separator"], ""))
    return None


def _build(found: re.Match[str], whole: str) -> Decimal:
    part = found["part"]
    minus = "-" * (found["minus"] == "-")
    return Decimal(f"{minus}{whole}" + (f".{part}" if part else ""))


def to_number(value: Decimal | None) -> int | float | None:
    """A value as JSON has it: whole numbers exactly, others as floating point."""
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)
