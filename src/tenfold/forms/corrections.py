"""Correct values that somebody enters: what they mean in the table, and which are refused."""

import re
from collections.abc import Sequence

from tenfold.reading.automaton import CHARACTERS
from tenfold.reading.pattern import parse_pattern

SIGNS = "".join(sign for sign in CHARACTERS if not sign.isdigit())

# What people enter for a box that is ticked, for one that is not, and for an empty field.
EMPTY_WORDS = ("-", "\u2013", "\u2014", "\u2212", "\u2010", "\u2011", "empty", "blank")
TICK_WORDS = dict.fromkeys(
    ("yes", "y", "x", "true", "1", "ticked", "\u2713", "\u2714", "\u00d7"), "yes"
)
TICK_WORDS |= dict.fromkeys(("no", "n", "false", "0", *EMPTY_WORDS), "no")


def normalise(given: str, kind: str, _: str, labels: Sequence[str]) -> str:
    """A correct value as it stands in the table, whatever usual word was entered for it."""
    word = given.lower()
    if kind == "tick":
        return TICK_WORDS.get(word, given)
    return "" if word in EMPTY_WORDS and given not in labels else given


def find_fault(given: str, kind: str, expect: str, labels: Sequence[str]) -> str | None:
    """Why a value cannot be that of a field; None if it can."""
    value = normalise(given, kind, expect, labels)
    if kind == "tick":
        return None if value in ("yes", "no") else "must be yes or no"
    if not value:
        return None
    if kind == "bubbles" and not re.fullmatch("|".join(map(re.escape, labels)) + "|", value):
        spelled = "".join(sorted(labels, key=len, reverse=True))
        if not all(character in spelled for character in value):
            return f"must be of {', '.join(labels)}"
    if kind == "digits" and expect and not parse_pattern(expect).fits(value):
        unknown = sorted(set("".join(value.split())) - set(CHARACTERS))
        if unknown and any(character.isdecimal() for character in value):
            return f"has {' '.join(unknown)}; only digits and the signs {' '.join(SIGNS)} fit"
        return f"is not of the format {expect}"
    if kind == "digits" and not any(character.isdigit() for character in value):
        return "has no digit"
    return None
