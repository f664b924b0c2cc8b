"""Finite automata: sets of texts, such as those that fit a pattern, for decoding to keep to.

Array names carry their axes: Q states, K characters.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

# What a text consists of. Other signs that the line reader knows are not part of it.
TEXT_SIGNS = ".,-+/:$%"
CHARACTERS = "0123456789" + TEXT_SIGNS
MAX_STATES = 2000

S = TypeVar("S", bound=Hashable)


class TooManyStatesError(ValueError):
    """An automaton would have more than MAX_STATES states."""


@dataclass(frozen=True, eq=False)
class Automaton:
    """A deterministic finite automaton over CHARACTERS; state 0 is the first.

    `next_QK` is the state that follows, or -1; `is_final_Q` says where a text may end.
    """

    next_QK: npt.NDArray[np.int64]
    is_final_Q: npt.NDArray[np.bool_]

    def accepts(self, text: Iterable[str]) -> bool:
        """Whether a text is in the set."""
        state = 0
        for character in text:
            state = int(self.next_QK[state, CHARACTERS.index(character)])
            if state < 0:
                return False
        return bool(self.is_final_Q[state])

    def intersect(self, other: "Automaton") -> "Automaton":
        """The texts that are in both sets."""

        def step(state: tuple[int, int], k: int) -> tuple[int, int] | None:
            ours, theirs = int(self.next_QK[state[0], k]), int(other.next_QK[state[1], k])
            return None if ours < 0 or theirs < 0 else (ours, theirs)

        return build_automaton(
            (0, 0), step, lambda state: self.is_final_Q[state[0]] and other.is_final_Q[state[1]]
        )


def build_automaton(
    start: S, step: Callable[[S, int], S | None], is_final: Callable[[S], bool]
) -> Automaton:
    """The automaton of all states that can be reached and from which a text can end.

    `step` gives the state after a character, by its index, or None. Raises TooManyStatesError.
    """
    numbers, states, rows = {start: 0}, [start], []
    for state in states:  # grows meanwhile
        row = [-1] * len(CHARACTERS)
        for k in range(len(CHARACTERS)):
            following = step(state, k)
            if following is None:
                continue
            if following not in numbers:
                if len(states) >= MAX_STATES:
                    raise TooManyStatesError
                numbers[following] = len(states)
                states.append(following)
            row[k] = numbers[following]
        rows.append(row)
    next_QK = np.array(rows)
    is_final_Q = np.array([is_final(state) for state in states])
    leads_on_Q = is_final_Q
    while True:
        more_Q = is_final_Q | ((next_QK >= 0) & leads_on_Q[next_QK]).any(axis=1)
        if (more_Q == leads_on_Q).all():
            break
        leads_on_Q = more_Q
    next_QK[~leads_on_Q[next_QK] & (next_QK >= 0)] = -1
    return Automaton(next_QK, is_final_Q)


def build_texts_around(digits: str, max_signs: int) -> Automaton:
    """All texts with these digits, and up to `max_signs` signs before, between and after them."""

    def step(state: tuple[int, int], k: int) -> tuple[int, int] | None:
        num, num_signs = state
        if k >= 10:
            return (num, num_signs + 1) if num_signs < max_signs else None
        return (num + 1, 0) if num < len(digits) and CHARACTERS[k] == digits[num] else None

    return build_automaton((0, 0), step, lambda state: state[0] == len(digits))


def build_text(text: str, *, endings: str = "", max_endings: int = 0) -> Automaton:
    """One text, followed by up to `max_endings` of the signs `endings`."""

    def step(num: int, k: int) -> int | None:
        is_next = text[num : num + 1] == CHARACTERS[k]
        may_end = len(text) <= num < len(text) + max_endings and CHARACTERS[k] in endings
        return num + 1 if is_next or may_end else None

    return build_automaton(0, step, lambda num: num >= len(text))
