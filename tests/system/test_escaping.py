"""Escaping untrusted text."""

import os
import sys
import unicodedata

import pytest

from tenfold.system.escaping import escape

NAME = "Capture à 10\u202f00\u3000数字 \U0001f468\u200d\U0001f469"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\r\n\t\0\a\x7f\x85\x9b", r"\r\n\t\x00\x07\x7f\x85\x9b"),
        ("\u2028\u2029\u061c\u200e\u202e\u2066", r"\u2028\u2029\u061c\u200e\u202e\u2066"),
        (os.fsdecode(b"\x80\xff"), r"\x80\xff"),
        ("\ud800", r"\ud800"),
        # Ordinary names: accents, other scripts, wide spaces, a joined emoji.
        ("été 10.00.png", "été 10.00.png"),
        (NAME, NAME),
    ],
)
def test_control_characters_are_escaped_and_names_are_kept(text: str, expected: str) -> None:
    assert escape(text) == expected


def test_no_control_character_of_unicode_is_left() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    left = set(escape(every))
    assert {"Cc", "Cs", "Zl", "Zp"}.isdisjoint(map(unicodedata.category, left))
    turning = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    assert turning.isdisjoint(map(unicodedata.bidirectional, left))
