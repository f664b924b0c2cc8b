"""The segmentation lattice: which fragments of a text line make a digit together.

A glyph that the network is not sure of is over-segmented. Every run of neighbouring fragments that
may be one digit is classified. The likeliest path through the lattice of runs gives the digits
(Fujisawa et al. 1992, "Segmentation methods for character recognition").

Array names carry their axes: K classes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tenfold.digits import NUM_CLASSES
from tenfold.reading.automaton import Automaton
from tenfold.reading.digit_image import DigitImage
from tenfold.reading.glyphs import Glyph, merge
from tenfold.reading.ink import Ink
from tenfold.reading.splitting import over_segment

# Chosen by eye on photos, form cells and amounts on cheques.
CONFIDENT_WHOLE = 0.98  # a glyph this confident is not over-segmented, unless it is wide
MAX_FRAGMENTS = 4  # of a digit
# Of the height of the line's digits:
MAX_DIGIT_WIDTH, MAX_DIGIT_HEIGHT = 1.4, 1.5
MAX_FRAGMENT_GAP = 0.3  # between two glyphs of one digit
USUAL_MAX_WIDTH = 1.15  # digits are rarely wider
LOW_HEIGHT = 0.5  # lower glyphs may be dots or dashes
# Costs in log probability: of a cut, of a bridged gap, of each line height that a digit is too
# wide, and of rejecting a low glyph.
CUT_COST, JOIN_COST, WIDTH_COST, REJECT_COST = 1.5, 1.0, 10.0, 0.5
MIN_PROBABILITY = 1e-4


@dataclass(frozen=True)
class Candidate:
    """A glyph that may be a digit, and its probabilities: ten digits and maybe a reject class.

    `line_confidence`, if the line was read as a whole, is the probability that all of it is right.
    """

    glyph: Glyph
    image: DigitImage
    probabilities_K: npt.NDArray[np.float32]
    ink: Ink | None = None
    line_confidence: float | None = None

    @property
    def digit(self) -> int:
        """The likeliest digit."""
        return int(self.probabilities_K[:NUM_CLASSES].argmax())

    @property
    def confidence(self) -> float:
        """The probability of the likeliest digit."""
        return float(self.probabilities_K[:NUM_CLASSES].max())

    @property
    def reject_probability(self) -> float:
        """The probability that it is not a digit; 0 from a network without that class."""
        return float(self.probabilities_K[NUM_CLASSES:].sum())

    @property
    def log_probability(self) -> float:
        """The log probability of the likeliest digit."""
        return math.log(max(self.confidence, MIN_PROBABILITY))

    def score_width(self, digit_height: float) -> float:
        """The cost of a width beyond that of digits."""
        return WIDTH_COST * max(0.0, self.glyph.width / digit_height - USUAL_MAX_WIDTH)

    def score(self, digit_height: float) -> float:
        """The log probability that this is a whole digit, or a low glyph that is not a digit."""
        digit = self.log_probability - self.score_width(digit_height)
        if self.glyph.height >= LOW_HEIGHT * digit_height or not self.reject_probability:
            return digit
        return max(digit, math.log(max(self.reject_probability, MIN_PROBABILITY)) - REJECT_COST)


def mark_doubtful(line: Sequence[Candidate]) -> list[Candidate]:
    """The candidates of a text line that may not be relied on, as its readers differ."""
    return [replace(candidate, line_confidence=0.0) for candidate in line]


Classify = Callable[[Sequence[Glyph]], list[Candidate]]


@dataclass(frozen=True)
class DigitPath:
    """The likeliest digits of a text line, and the likeliest that fit a pattern, if there are."""

    digits: list[Candidate]
    fitting: list[Candidate] | None = None

    @property
    def likeliest(self) -> list[Candidate]:
        """Those that fit, or else the likeliest."""
        return self.fitting or self.digits


@dataclass(frozen=True)
class Lattice:
    """Candidates by their first fragment and the one after their last."""

    candidates: dict[tuple[int, int], Candidate]
    is_cut: list[bool]  # each fragment from the one before

    def list_ending(self, end: int) -> list[tuple[int, Candidate, float]]:
        """The first fragment of each candidate that ends there, the candidate, and its cost."""
        found = []
        for first in range(end):
            candidate = self.candidates.get((first, end))
            if candidate is not None:
                num_bridged = sum(not cut for cut in self.is_cut[first + 1 : end])
                cost = JOIN_COST * num_bridged + CUT_COST * self.is_cut[first]
                found.append((first, candidate, cost))
        return found


def build_lattice(
    line: Sequence[Candidate], digit_height: float, classify: Classify, max_glyphs: int
) -> Lattice:
    """The fragments of a text line's glyphs, and the runs of them that may be digits.

    `classify` is called for about `max_glyphs` glyphs at most; beyond that, glyphs stay whole.
    """
    fragments: list[Candidate] = []
    is_cut: list[bool] = []
    wholes: dict[tuple[int, int], Candidate] = {}
    for whole in line:
        parts = [whole]
        # The fragments of a lone glyph cannot be better than the cost of a cut.
        may_gain = len(line) > 1 or whole.score(digit_height) < -CUT_COST
        is_wide = whole.glyph.width > USUAL_MAX_WIDTH * digit_height
        if may_gain and max_glyphs > 0 and (is_wide or whole.confidence < CONFIDENT_WHOLE):
            cut = over_segment(whole.glyph, digit_height)
            parts = classify(cut) if len(cut) > 1 else parts
            max_glyphs -= len(cut)
        wholes[len(fragments), len(fragments) + len(parts)] = whole
        fragments += parts
        is_cut += [False] + [True] * (len(parts) - 1)
    glyphs = [fragment.glyph for fragment in fragments]
    scores = [fragment.score(digit_height) for fragment in fragments]
    runs = [
        (first, end)
        for first in range(len(fragments))
        for end in range(first + 2, min(first + MAX_FRAGMENTS, len(fragments)) + 1)
        if (first, end) not in wholes
        and _may_be_likelier(scores[first:end], is_cut[first + 1 : end])
        and _may_be_digit(glyphs[first:end], is_cut[first + 1 : end], digit_height)
    ][: max(0, max_glyphs)]
    merged = classify([merge(glyphs[first:end]) for first, end in runs])
    singles = {(i, i + 1): fragment for i, fragment in enumerate(fragments)}
    return Lattice(dict(zip(runs, merged, strict=True)) | singles | wholes, is_cut)


def find_best_path(
    lattice: Lattice, digit_height: float, automaton: Automaton | None = None
) -> DigitPath:
    """The likeliest digits of a text line, from the left, and those that an automaton accepts."""
    fitting = None
    if automaton is not None:
        fitting = _find_fitting(lattice, digit_height, automaton)
    # The best path to each fragment's end, and its score.
    best: list[tuple[float, list[Candidate]]] = [(0.0, [])]
    for end in range(1, len(lattice.is_cut) + 1):
        paths = [
            (best[first][0] + candidate.score(digit_height) - cost, [*best[first][1], candidate])
            for first, candidate, cost in lattice.list_ending(end)
        ]
        best.append(max(paths, key=lambda path: path[0]))
    return DigitPath(best[-1][1], fitting)


def _find_fitting(
    lattice: Lattice, digit_height: float, automaton: Automaton
) -> list[Candidate] | None:
    """The likeliest digits that an automaton accepts; None if there are none.

    Low glyphs and those that are likely no digits may be left out. A candidate's probabilities are
    those given that the others are right, so that its digit is the likeliest.
    """
    next_QK, num_states = automaton.next_QK[:, :NUM_CLASSES], len(automaton.next_QK)
    sources_M, digits_M = np.nonzero(next_QK >= 0)
    targets_M = next_QK[sources_M, digits_M]
    scores_EQ = np.full((len(lattice.is_cut) + 1, num_states), -np.inf)
    scores_EQ[0, 0] = 0.0
    steps: dict[tuple[int, int], tuple[int, int, Candidate, int | None]] = {}
    for end in range(1, len(lattice.is_cut) + 1):
        for first, candidate, cost in lattice.list_ending(end):
            logs_K = np.log(np.maximum(candidate.probabilities_K[:NUM_CLASSES], MIN_PROBABILITY))
            excess = candidate.score_width(digit_height) + cost
            moved_M = scores_EQ[first, sources_M] + logs_K[digits_M] - excess
            for m in np.flatnonzero(moved_M > scores_EQ[end, targets_M]).tolist():
                state = int(targets_M[m])
                if moved_M[m] > scores_EQ[end, state]:
                    scores_EQ[end, state] = moved_M[m]
                    steps[end, state] = (first, int(sources_M[m]), candidate, int(digits_M[m]))
            left_out = math.log(max(candidate.reject_probability, MIN_PROBABILITY)) - REJECT_COST
            for state in np.flatnonzero(
                scores_EQ[first] + left_out - cost > scores_EQ[end]
            ).tolist():
                scores_EQ[end, state] = scores_EQ[first, state] + left_out - cost
                steps[end, state] = (first, state, candidate, None)
    scores_Q = np.where(automaton.is_final_Q, scores_EQ[-1], -np.inf)
    state, end = int(scores_Q.argmax()), len(lattice.is_cut)
    if np.isneginf(scores_Q[state]):
        return None
    path: list[tuple[Candidate, int]] = []
    while end > 0:
        end, state, candidate, digit = steps[end, state]
        if digit is not None:
            path.append((candidate, digit))
    return _condition(path[::-1], automaton)


def _condition(path: Sequence[tuple[Candidate, int]], automaton: Automaton) -> list[Candidate]:
    """Candidates with the probabilities of the digits that the automaton accepts in their place."""
    digits = [str(digit) for _, digit in path]
    conditioned = []
    for i, (candidate, digit) in enumerate(path):
        probs_K = candidate.probabilities_K.copy()
        for other in range(NUM_CLASSES):
            may_be = automaton.accepts([*digits[:i], str(other), *digits[i + 1 :]])
            if not may_be or (other != digit and probs_K[other] > probs_K[digit]):
                probs_K[other] = 0.0
        total = float(probs_K.sum())
        probs_K = probs_K / total if total > 0 else np.eye(len(probs_K), dtype=np.float32)[digit]
        conditioned.append(replace(candidate, probabilities_K=probs_K.astype(np.float32)))
    return conditioned


def _may_be_likelier(scores: list[float], is_cut: list[bool]) -> bool:
    """Whether a run, at its best score of 0, would beat its fragments one by one."""
    num_cuts = sum(is_cut)
    return sum(scores) - CUT_COST * num_cuts <= -JOIN_COST * (len(is_cut) - num_cuts)


def _may_be_digit(glyphs: list[Glyph], is_cut: list[bool], digit_height: float) -> bool:
    """Whether a run is close and small enough for one digit; `is_cut` is for each gap."""
    left, right = min(g.box[0] for g in glyphs), max(g.box[2] for g in glyphs)
    top, bottom = min(g.box[1] for g in glyphs), max(g.box[3] for g in glyphs)
    if right - left > MAX_DIGIT_WIDTH * digit_height and not all(is_cut):
        return False
    if bottom - top > MAX_DIGIT_HEIGHT * digit_height:
        return False
    return all(
        cut or after.box[0] - before.box[2] < MAX_FRAGMENT_GAP * digit_height
        for before, after, cut in zip(glyphs[:-1], glyphs[1:], is_cut, strict=True)
    )
