"""Formats of texts."""

import pytest

from tenfold.errors import FormError
from tenfold.forms.formats import fits, parse_format


@pytest.mark.parametrize(
    ("text", "expect", "expected"),
    [
        ("123456", "######", True),
        ("12 34 56", "######", True),
        ("12345", "######", False),
        ("1234", "#{4,6}", True),
        ("05", "[1-9]#", False),
        ("12.50", "##.##", True),
        ("12x50", "##.##", False),
        ("03/07/2026", "date", True),
        ("1.234,50", "amount", True),
        ("12", "(12|24)", True),
        ("13", "(12|24)", False),
    ],
)
def test_texts_fit_or_do_not(text: str, expect: str, expected: bool) -> None:
    assert fits(text, expect) is expected


@pytest.mark.parametrize("expect", ["", "abc", "#{4,", "((#)", "#{6,2}", "#" * 501])
def test_what_is_no_format_is_refused(expect: str) -> None:
    with pytest.raises(FormError, match="expect"):
        parse_format(expect)
