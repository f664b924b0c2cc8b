import pytest

from tenfold.evaluation.text import format_change, format_interval, format_percent, join_words


def test_numbers_are_formatted() -> None:
    assert format_percent(0.97816) == "97.82 %"
    assert format_percent(1.0, 0) == "100 %"
    assert format_interval((0.975, 0.981), 1) == "97.5 to 98.1 %"
    assert [format_change(change, 1) for change in (0.26, -0.26, -0.04)] == ["+0.3", "-0.3", "0.0"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")],
)
def test_words_are_joined(words: list[str], expected: str) -> None:
    assert join_words(words) == expected
