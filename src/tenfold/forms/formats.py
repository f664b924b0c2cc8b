"""Formats of what is written in a field, such as `######` or `date`, for checking texts.

They are those that `Reader.read` takes as `expect`.
"""

import re
from functools import lru_cache

from tenfold.errors import FormError

MAX_FORMAT = 500
NAMED = {
    "date": r"\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d\d)|\d{4}-\d{1,2}-\d{1,2}",
    "time": r"\d{1,2}[:.]\d\d([:.]\d\d)?",
    "amount": r"[+-]?\$?\d{1,3}([.,]?\d{3})*([.,]\d\d)?([.,/]?-)?|[+-]?\$?\d{1,9}([.,]\d\d)?",
    "number": r"[+-]?\d{1,15}([.,]\d{1,9})?",
    "percent": r"[+-]?\d{1,3}([.,]\d{1,3})?%?",
    "phone": r"\+?\d([-/.]?\d){5,14}",
    "year": r"(1[5-9]|20)\d\d",
}
# Pieces of a pattern: a class of characters, a repeat, or a single character.
PIECE = re.compile(r"\[[0-9.,+/:$%-]+\]|\{\d{1,2}(,\d{1,2})?\}|[#?()|]|[0-9.,+/:$%-]|\s+")


@lru_cache(maxsize=256)
def parse_format(text: str) -> re.Pattern[str]:
    """The regular expression of a format. Raises FormError if it is none."""
    expression = NAMED.get(text.strip())
    if expression is None:
        pieces, at = [], 0
        for found in PIECE.finditer(text):
            if found.start() != at:
                break
            at = found.end()
            piece = found[0]
            if piece == "#":
                pieces.append(r"\d")
            elif piece[0] in "[{?()|":
                pieces.append(piece)
            elif not piece.isspace():
                pieces.append(re.escape(piece))
        if at != len(text) or not 0 < len(text) <= MAX_FORMAT:
            raise FormError(f"expect {text!r} is no format; try '######', '#{{4,6}}' or 'date'")
        expression = "".join(pieces)
    try:
        return re.compile(expression, re.ASCII)
    except (re.error, OverflowError) as error:
        raise FormError(f"expect {text!r} is no format: {error}") from error


def fits(text: str, expect: str) -> bool:
    """Whether a text, apart from spaces, has a format."""
    return parse_format(expect).fullmatch("".join(text.split())) is not None
