"""The number that a text is."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.reading.numbers import parse_number, to_number


@pytest.mark.parametrize(
    ("text", "with_point", "with_comma"),
    [
        ("407", "407", "407"),
        ("0612845937", "612845937", "612845937"),
        ("-5", "-5", "-5"),
        ("+5", "5", "5"),
        ("12.50", "12.50", "12.50"),
        ("12,5", "12.5", "12.5"),
        # Three digits after the only sign: it depends on the decimal sign.
        ("1,234", "1234", "1.234"),
        ("1.234", "1.234", "1234"),
        # Thousands are not parted behind a zero, or behind four digits.
        ("0,125", "0.125", "0.125"),
        ("1234.567", "1234.567", "1234.567"),
        ("1,234.5", "1234.5", "1234.5"),
        ("1.234,50", "1234.50", "1234.50"),
        ("1,234,567", "1234567", "1234567"),
        ("1,23,456.78", "123456.78", "123456.78"),
        ("12.-", "12", "12"),
        ("12,-", "12", "12"),
        ("25,000/-", "25000", "25.000"),
        ("$5.00", "5.00", "5.00"),
        ("-$5", "-5", "-5"),
        ("15%", "15", "15"),
        ("12.", "12", "12"),
    ],
)
def test_a_text_that_is_one_number_has_its_value(
    text: str, with_point: str, with_comma: str
) -> None:
    assert parse_number(text, ".") == Decimal(with_point)
    assert parse_number(text, ",") == Decimal(with_comma)


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", "12 345", "5\n6", "03/07/2026", "1/2", "12:30", "1.2.3", "1,234,56"),
        *("1.234.567.8", "12-34", "1,2345,678", "--5", "5%%", ".5"),
    ],
)
def test_other_texts_have_none(text: str) -> None:
    assert parse_number(text) is None
    assert parse_number(text, ",") is None


@given(st.decimals(-(10**9), 10**9, places=2), st.sampled_from([".", ","]))
def test_an_amount_with_thousands_and_two_decimals_is_clear_by_itself(
    value: Decimal, decimal: str
) -> None:
    for text in (f"{value:,.2f}", f"{value:,.2f}".translate(str.maketrans(".,", ",."))):
        assert parse_number(text, decimal) == value


def test_json_has_whole_numbers_exactly() -> None:
    assert to_number(None) is None
    large = to_number(Decimal(12345678901234567890))
    assert (large, type(large)) == (12345678901234567890, int)
    assert (to_number(Decimal("12.50")), to_number(Decimal("12.00"))) == (12.5, 12)
