"""Patterns of what is expected on a line, such as `######` or `date`.

    #            a digit
    [1-9] [.,]   one of these characters
    . , - + / : $ % and digits stand for themselves
    ?            what is before it may be missing
    {2} {2,4}    what is before it is repeated
    (12|24)      one of these
    date         a named pattern; see NAMED

Spaces count for nothing, in a pattern as on paper.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

from tenfold.errors import ReadingError
from tenfold.reading.automaton import CHARACTERS, Automaton, TooManyStatesError, build_automaton

MAX_PATTERN, MAX_REPEATS, MAX_DEPTH = 500, 60, 20  # characters of a pattern; repeats; brackets
# So that a pattern from a stranger takes a second at most.
MAX_NFA_STATES, MAX_VISITS = 5000, 4_000_000
NUM_DIGITS = 10

_DAY_MONTH = "((0?[1-9]|[12]#){0}(0?[1-9]|1[0-2])|30{0}(0?[13-9]|1[0-2])|31{0}(0?[13578]|1[02]))"
_MONTH_DAY = "((0?[1-9]|1[0-2]){0}(0?[1-9]|[12]#)|(0?[13-9]|1[0-2]){0}30|(0?[13578]|1[02]){0}31)"
_YEAR = "((1[5-9]|20)##|##)"
NAMED = {
    # Day, month and year, also as in the United States, and year-month-day.
    "date": "|".join(
        [f"{_DAY_MONTH.format(sign)}{sign}{_YEAR}" for sign in "/.-"]
        + [f"{_MONTH_DAY.format('/')}/{_YEAR}"]
        + ["(1[5-9]|20)##-" + _MONTH_DAY.format("-")]
    ),
    "time": "([01]?#|2[0-3])[:.][0-5]#([:.][0-5]#)?",
    # Thousands also grouped as in India; an end such as ".-" or "/-".
    "amount": "[+-]?$?"
    + "(#{1,9}|" + "|".join(f"[1-9]#?(#?|{s}##|{s}##{s}##)({s}###){{1,3}}" for s in ",.") + ")"
    + "([.,]##)?([.,/]?-)?",
    "number": "[+-]?#{1,15}([.,]#{1,9})?",
    "percent": "[+-]?#{1,3}([.,]#{1,3})?%?",
    "phone": "+?#([-/.]?#){5,14}",
    "year": "(1[5-9]|20)##",
}  # fmt: skip
# With a check digit: the weights of the digits, whose sum is a multiple of the modulus.
_CHECKED = {
    "isbn": (((10, 9, 8, 7, 6, 5, 4, 3, 2, 1), 11), ((1, 3) * 6 + (1,), 10)),
    "ean": (((3, 1) * 4, 10), ((1, 3) * 6 + (1,), 10)),
}


class PatternError(ReadingError):
    """A pattern that cannot be used."""


@dataclass(frozen=True)
class Pattern:
    """A parsed pattern."""

    text: str
    nfa: "_Nfa"

    def fits(self, text: str) -> bool:
        """Whether a text, apart from spaces, fits."""
        characters = "".join(text.split())
        return set(characters) <= set(CHARACTERS) and self.automaton.accepts(characters)

    @cached_property
    def automaton(self) -> Automaton:
        """The texts that fit."""
        return self.nfa.determinise(self.text, skips_signs=False)

    @cached_property
    def digits_automaton(self) -> Automaton:
        """The digits of the texts that fit, without the signs."""
        return self.nfa.determinise(self.text, skips_signs=True)


@lru_cache(maxsize=256)
def parse_pattern(text: str) -> Pattern:
    """Parse a pattern. Raises PatternError if it is none, or if no digit can fit it."""
    if len(text) > MAX_PATTERN:
        raise PatternError(f"a pattern may have {MAX_PATTERN} characters, not {len(text)}")
    parser = _Parser(text)
    nfa = _Nfa()
    start, end = parser.parse(nfa)
    nfa.start, nfa.end = start, end
    pattern = Pattern(text, nfa)
    # Both are built here, so that a pattern that is too large raises here.
    automaton, _ = pattern.automaton, pattern.digits_automaton
    if (automaton.next_QK[:, :NUM_DIGITS] < 0).all():
        raise PatternError(f"pattern {text!r}: no text with a digit fits it")
    return pattern


class _Nfa:
    """A nondeterministic automaton: moves by a character's index, and moves without one."""

    def __init__(self) -> None:
        self.moves: list[dict[int, list[int]]] = []
        self.empty_moves: list[list[int]] = []
        self.start = self.end = 0

    def add_state(self) -> int:
        if len(self.moves) >= MAX_NFA_STATES:
            raise TooManyStatesError
        self.moves.append({})
        self.empty_moves.append([])
        return len(self.moves) - 1

    def add_move(self, start: int, end: int, characters: str) -> None:
        for character in characters:
            self.moves[start].setdefault(CHARACTERS.index(character), []).append(end)

    def determinise(self, text: str, *, skips_signs: bool) -> Automaton:
        num_visits = 0

        @cache  # the characters of a set lead to the same states
        def close(states: frozenset[int]) -> frozenset[int]:
            nonlocal num_visits
            found, waiting = set(states), list(states)
            while waiting:
                state = waiting.pop()
                following = list(self.empty_moves[state])
                if skips_signs:
                    following += [
                        each
                        for k, ends in self.moves[state].items()
                        if k >= NUM_DIGITS
                        for each in ends
                    ]
                waiting += [each for each in following if each not in found]
                found.update(following)
            num_visits += len(found)
            return frozenset(found)

        def step(states: frozenset[int], k: int) -> frozenset[int] | None:
            nonlocal num_visits
            if skips_signs and k >= NUM_DIGITS:
                return None
            num_visits += len(states)
            if num_visits > MAX_VISITS:
                raise TooManyStatesError
            following = {end for state in states for end in self.moves[state].get(k, ())}
            return close(frozenset(following)) if following else None

        try:
            return build_automaton(
                close(frozenset({self.start})), step, lambda states: self.end in states
            )
        except TooManyStatesError as error:
            raise PatternError(f"pattern {text!r} allows too much; make it simpler") from error


Fragment = tuple[int, int]  # first and last state


class _Parser:
    """A recursive descent parser that builds the automaton of a pattern."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0

    def parse(self, nfa: _Nfa) -> Fragment:
        try:
            fragment = self._alternatives(nfa)
        except TooManyStatesError as error:
            raise self._error("allows too much; make it simpler") from error
        if self.at < len(self.text):
            raise self._error("a ) without its (")
        return fragment

    def _error(self, reason: str) -> PatternError:
        return PatternError(f"pattern {self.text!r}, character {self.at + 1}: {reason}")

    def _peek(self) -> str:
        while self.text[self.at : self.at + 1] == " ":
            self.at += 1
        return self.text[self.at : self.at + 1]

    def _alternatives(self, nfa: _Nfa) -> Fragment:
        start, end = nfa.add_state(), nfa.add_state()
        while True:
            first, last = self._sequence(nfa)
            nfa.empty_moves[start].append(first)
            nfa.empty_moves[last].append(end)
            if self._peek() != "|":
                return start, end
            self.at += 1

    def _sequence(self, nfa: _Nfa) -> Fragment:
        start = end = nfa.add_state()
        while self._peek() not in ("", "|", ")"):
            begin = self.at
            first, last = self._atom(nfa)
            after = self.at
            least, most = self._repeats()
            resume = self.at
            fragments = [(first, last)]
            for _ in range(most - 1):
                self.at = begin
                fragments.append(self._atom(nfa))
                assert self.at == after
            self.at = resume
            skips = [end] if least == 0 else []
            for number, (one, other) in enumerate(fragments[:most], 1):
                nfa.empty_moves[end].append(one)
                end = other
                if least <= number < most:
                    skips.append(end)
            done = nfa.add_state()
            for state in [*skips, end]:
                nfa.empty_moves[state].append(done)
            end = done
        return start, end

    def _repeats(self) -> tuple[int, int]:
        """How often the atom before may come, at least and at most."""
        if self._peek() == "?":
            self.at += 1
            return 0, 1
        if self._peek() != "{":
            return 1, 1
        closing = self.text.find("}", self.at)
        least, comma, most = self.text[self.at + 1 : max(closing, 0)].partition(",")
        least, most = least.strip(), most.strip() if comma else least.strip()
        if closing < 0 or not (least.isdecimal() and most.isdecimal()):
            raise self._error("expected {2} or {2,4}")
        if not 0 <= int(least) <= int(most) <= MAX_REPEATS or int(most) == 0:
            raise self._error(f"repeats must be from 1 to {MAX_REPEATS}, the smaller first")
        self.at = closing + 1
        return int(least), int(most)

    def _atom(self, nfa: _Nfa) -> Fragment:
        character = self._peek()
        if character == "(":
            if self.depth == MAX_DEPTH:
                raise self._error(f"more than {MAX_DEPTH} brackets in each other")
            self.at, self.depth = self.at + 1, self.depth + 1
            fragment = self._alternatives(nfa)
            if self._peek() != ")":
                raise self._error("expected a )")
            self.at, self.depth = self.at + 1, self.depth - 1
            return fragment
        if character.isalpha():
            return self._named(nfa)
        if character == "[":
            allowed = self._set()
        elif character == "#":
            allowed = CHARACTERS[:NUM_DIGITS]
        elif character and character in CHARACTERS:
            allowed = character
        else:
            raise self._error(f"{character!r} is not part of a pattern")
        if character != "[":
            self.at += 1
        start, end = nfa.add_state(), nfa.add_state()
        nfa.add_move(start, end, allowed)
        return start, end

    def _set(self) -> str:
        closing = self.text.find("]", self.at)
        inside = self.text[self.at + 1 : max(closing, 0)].replace(" ", "")
        if closing < 0 or not inside:
            raise self._error("expected characters and a ]")
        allowed, i = "", 0
        while i < len(inside):
            first, last = inside[i], inside[i]
            if inside[i + 1 : i + 2] == "-" and i + 2 < len(inside):
                last, i = inside[i + 2], i + 2
                if not (first.isdecimal() and last.isdecimal() and first <= last):
                    raise self._error(f"{first}-{last} is not a range of digits")
            if first not in CHARACTERS:
                raise self._error(f"{first!r} is neither a digit nor one of {CHARACTERS[10:]}")
            place = CHARACTERS.index(first)
            allowed += CHARACTERS[place : CHARACTERS.index(last) + 1]
            i += 1
        self.at = closing + 1
        return allowed

    def _named(self, nfa: _Nfa) -> Fragment:
        begin = self.at
        while self.text[self.at : self.at + 1].isalpha():
            self.at += 1
        name = self.text[begin : self.at]
        if name in NAMED:
            return _Parser(NAMED[name]).parse(nfa)
        start, end = nfa.add_state(), nfa.add_state()
        if name == "card":
            for length in range(13, 20):
                _add_checked(nfa, start, end, length, _step_luhn(length), hyphens=False)
        elif name in _CHECKED:
            for weights, modulus in _CHECKED[name]:
                step = _step_weighted(weights, modulus)
                _add_checked(nfa, start, end, len(weights), step, hyphens=name == "isbn")
        else:
            self.at = begin
            known = ", ".join(list_names())
            raise self._error(f"no pattern is named {name!r}; named ones are {known}")
        return start, end


def list_names() -> list[str]:
    """The names of all named patterns."""
    return sorted([*NAMED, *_CHECKED, "card"])


Step = Callable[[int, int, int], int]  # the sum, after the digit number i, is this; 0 at the end


def _step_weighted(weights: tuple[int, ...], modulus: int) -> Step:
    return lambda total, i, digit: (total + weights[i] * digit) % modulus


def _step_luhn(length: int) -> Step:
    """Every second digit from the right is doubled, and the digits of the products added."""

    def step(total: int, i: int, digit: int) -> int:
        doubled = digit * 2 - 9 * (digit > 4)
        return (total + (doubled if (length - i) % 2 == 0 else digit)) % 10

    return step


def _add_checked(
    nfa: _Nfa, start: int, end: int, length: int, step: Step, *, hyphens: bool
) -> None:
    """Numbers of one length whose sum is 0 at the end, with single hyphens between digits."""
    states = {0: start}
    for i in range(length):
        following: dict[int, int] = {}
        for total, state in states.items():
            for digit, after in _list_steps(total, i, step):
                if i == length - 1:
                    if after == 0:
                        nfa.add_move(state, end, str(digit))
                    continue
                if after not in following:
                    following[after] = nfa.add_state()
                nfa.add_move(state, following[after], str(digit))
        states = {}
        for total, state in following.items():
            states[total] = nfa.add_state() if hyphens else state
            if hyphens:
                nfa.add_move(state, states[total], "-")
                nfa.empty_moves[state].append(states[total])


def _list_steps(total: int, i: int, step: Step) -> Iterator[tuple[int, int]]:
    for digit in range(NUM_DIGITS):
        yield digit, step(total, i, digit)
