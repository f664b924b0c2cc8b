"""Patterns: their grammar, the named ones, and what is wrong with a pattern that is none."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tenfold.reading.automaton import CHARACTERS
from tenfold.reading.pattern import PatternError, list_names, parse_pattern


def accepts(pattern: str, text: str) -> bool:
    return parse_pattern(pattern).automaton.accepts(text)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("##", "12 00", "1 123 1. ."),
        ("#{2,3}", "12 123", "1 1234"),
        (" # { 2 } . # ", "12.3", "123 1.3"),
        ("[1-35]#?", "1 2 3 5 19", "4 0 123"),
        ("[.,-]#", ".1 ,1 -1", "1 +1"),
        ("(12|24)%", "12% 24%", "12 14% 1224%"),
        ("(1|23){2}", "11 123 231 2323", "1 23 111"),
        ("#(.#)?", "1 1.2", "1. 12"),
        ("$#|#:#", "$1 1:2", "1 $1:2"),
        ("#{0,2}-", "- 1- 12-", "123-"),
    ],
)
def test_a_pattern_accepts_what_it_says(pattern: str, good: str, bad: str) -> None:
    assert all(accepts(pattern, text) for text in good.split())
    assert not any(accepts(pattern, text) for text in ["", *bad.split()])


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "date",
            "03/07/2026 3.7.26 31-12-1999 7/28/2026 2026-07-28 29/02/24 30.11.2026",
            "32/07/2026 31/04/2026 30/02/2026 3/7 13/13/2026 2026/07/28 3.7-26 2026-13-01 0/1/26",
        ),
        ("time", "9:30 09:30 23.59 12:30:15", "24:00 9:60 930 9:3"),
        (
            "amount",
            "5 12.50 1,234.50 1.234,50 1,23,456.78 25000/- 12.- -5 $5.00 1,234",
            "12.5.0 1,2345 01,234 5%",
        ),
        ("number", "5 -5 +0.125 12,5", "1,234.5 5. .5 --5"),
        ("percent", "15 15% -2.5%", "1500% %"),
        ("phone", "0612845937 +49-30-123456 555.0199", "12 1--2345678 -5550199"),
        ("year", "1999 2026", "1499 2126 26"),
        # Published examples: of the ISBN Users' Manual, GS1, and card companies' test numbers.
        ("isbn", "0306406152 0-306-40615-2 9780306406157 978-0-306-40615-7", "0306406153"),
        ("ean", "4006381333931 73513537 96385074", "4006381333932 73513538 400638133393"),
        (
            "card",
            "4111111111111111 5555555555554444 378282246310005 6011111111111117",
            "4111111111111112 1111111111111111 0",
        ),
    ],
)
def test_named_patterns(name: str, good: str, bad: str) -> None:
    assert [text for text in good.split() if not accepts(name, text)] == []
    assert [text for text in bad.split() if accepts(name, text)] == []


def test_a_named_pattern_may_be_part_of_another() -> None:
    assert set(list_names()) >= {"date", "isbn", "card"}
    assert accepts("time-time", "9:30-10:15")
    assert accepts("(year|date)", "2026")
    assert not accepts("time-time", "9:30-")


def test_without_signs_the_digits_of_what_fits_are_left() -> None:
    digits = parse_pattern("date").digits_automaton
    assert digits.accepts("03072026")
    assert digits.accepts("3726")
    assert not digits.accepts("99999999")
    assert not digits.accepts("03/07/2026")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("#a", "character 2: no pattern is named 'a'; named ones are amount, card, date"),
        ("#é", "character 2: no pattern is named 'é'"),
        ("##)", "character 3: a ) without its ("),
        ("(#", "character 3: expected a )"),
        ("#[12", "character 2: expected characters and a ]"),
        ("#[]", "character 2: expected characters and a ]"),
        ("[3-1]", "character 1: 3-1 is not a range of digits"),
        ("[.-,]", "character 1: .-, is not a range of digits"),
        ("[x]", "character 1: 'x' is neither a digit nor one of .,-+/:$%"),
        ("#{2", "character 2: expected {2} or {2,4}"),
        ("#{a}", "character 2: expected {2} or {2,4}"),
        ("#{4,2}", "character 2: repeats must be from 1 to 60"),
        ("#{61}", "character 2: repeats must be from 1 to 60"),
        ("#{0}", "character 2: repeats must be from 1 to 60"),
        ("#*", "character 2: '*' is not part of a pattern"),
        ("?", "character 1: '?' is not part of a pattern"),
        ("#??", "character 3: '?' is not part of a pattern"),
        ("1²", "character 2: '²' is not part of a pattern"),
        ("(" * 400 + "#", "character 21: more than 20 brackets in each other"),
        ("((#{60}){60}){60}", "allows too much; make it simpler"),
        ("", "no text with a digit fits it"),
        ("[.,]-", "no text with a digit fits it"),
        ("#" * 501, "a pattern may have 500 characters, not 501"),
    ],
)
def test_an_error_names_the_place(pattern: str, message: str) -> None:
    with pytest.raises(PatternError, match=re.escape(message)):
        parse_pattern(pattern)


def test_a_pattern_from_a_stranger_takes_little_time() -> None:
    started = time.process_time()
    with pytest.raises(PatternError, match="allows too much"):
        parse_pattern("((#?.?){20}){20}")
    assert time.process_time() - started < 10  # without the limit it is half a minute


@st.composite
def patterns(draw: st.DrawFn, depth: int = 2) -> tuple[str, str]:
    """A pattern, and the same as a regular expression of Python."""
    kinds = ["sign", "digit", "set", "group"] if depth else ["sign", "digit", "set"]
    ours, theirs = "", ""
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(kinds))
        if kind == "sign":
            one = draw(st.sampled_from("12.-$"))
            parts = one, re.escape(one)
        elif kind == "digit":
            parts = "#", "[0-9]"
        elif kind == "set":
            inside = "".join(draw(st.lists(st.sampled_from(["1-2", ".", "0", "$"]), min_size=1)))
            parts = f"[{inside}]", f"[{inside}]"
        else:
            inner = draw(st.lists(patterns(depth=depth - 1), min_size=1, max_size=2))
            parts = (
                f"({'|'.join(one for one, _ in inner)})",
                f"({'|'.join(one for _, one in inner)})",
            )
        often = draw(st.sampled_from(["", "?", "{2}", "{0,2}", "{1,3}"]))
        ours, theirs = ours + parts[0] + often, theirs + parts[1] + often
    return ours, theirs


@settings(max_examples=25)
@given(patterns(), st.lists(st.text("012.-$", max_size=6), max_size=20))
def test_a_pattern_is_the_regular_expression_that_it_looks_like(
    both: tuple[str, str], texts: list[str]
) -> None:
    ours, theirs = both
    try:
        pattern = parse_pattern(ours)
    except PatternError as error:  # such as one without digits
        if "allows too much" in str(error):
            return
        assert not any(re.fullmatch(theirs, str(digit)) for digit in range(3))
        return
    for text in texts:
        fits = re.fullmatch(theirs, text) is not None
        assert pattern.automaton.accepts(text) == fits
        if fits:
            digits = "".join(one for one in text if one in CHARACTERS[:10])
            assert pattern.digits_automaton.accepts(digits)
