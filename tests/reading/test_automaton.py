"""Sets of texts: what they accept, their intersections, and how large they may be."""

import itertools

import numpy as np
import pytest

from tenfold.reading.automaton import (
    MAX_STATES,
    TooManyStatesError,
    build_automaton,
    build_text,
    build_texts_around,
)

TEXTS = ["".join(text) for num in range(5) for text in itertools.product("12.-", repeat=num)]


def test_texts_around_have_these_digits_and_a_few_signs_beside_each() -> None:
    around = build_texts_around("12", max_signs=1)
    for text in TEXTS:
        has_digits = text.replace(".", "").replace("-", "") == "12"
        is_sparse = not any(pair in text for pair in ("..", ".-", "-.", "--"))
        assert around.accepts(text) == (has_digits and is_sparse)


def test_a_text_may_have_endings() -> None:
    automaton = build_text("1-", endings=".-", max_endings=1)
    assert [text for text in TEXTS if automaton.accepts(text)] == ["1-", "1-.", "1--"]
    assert build_text("").accepts("")
    assert not build_text("1").accepts("")


def test_an_intersection_accepts_what_both_accept() -> None:
    one, other = (
        build_texts_around("12", max_signs=2),
        build_text("1.2", endings="-", max_endings=2),
    )
    both = one.intersect(other)
    for text in TEXTS:
        assert both.accepts(text) == (one.accepts(text) and other.accepts(text))
    assert not build_text("1").intersect(build_text("2")).accepts("1")


def test_no_move_leads_where_no_text_ends() -> None:
    def step(state: int, k: int) -> int | None:
        return state + 1 if k < 2 and state < 5 else None

    automaton = build_automaton(0, step, lambda state: state == 3)
    states = {0}
    for _ in range(10):
        states |= {int(state) for each in states for state in automaton.next_QK[each]} - {-1}
    assert states == {0, 1, 2, 3}
    assert np.flatnonzero(automaton.is_final_Q).tolist() == [3]
    assert (automaton.next_QK[:, 2:] == -1).all()


def test_an_automaton_that_is_too_large_is_refused() -> None:
    with pytest.raises(TooManyStatesError):
        build_automaton(0, lambda state, k: state + 1, lambda state: state > MAX_STATES)
