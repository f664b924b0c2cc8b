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

    def score(self, digit_height: float) -> float:
        """The log probability that this is a whole digit, or a low glyph that is not a digit."""
        too_wide = max(0.0, self.glyph.width / digit_height - USUAL_MAX_WIDTH)
        digit = self.log_probability - WIDTH_COST * too_wide
        if self.glyph.height >= LOW_HEIGHT * digit_height or not self.reject_probability:
            return digit
        return max(digit, math.log(max(self.reject_probability, MIN_PROBABILITY)) - REJECT_COST)


def mark_doubtful(line: Sequence[Candidate]) -> list[Candidate]:
    """The candidates of a text line that may not be relied on, as its readers differ."""
    return [replace(candidate, line_confidence=0.0) for candidate in line]


Classify = Callable[[Sequence[Glyph]], list[Candidate]]


def find_best_path(
    line: Sequence[Candidate], digit_height: float, classify: Classify, max_glyphs: int
) -> list[Candidate]:
    """The likeliest digits of a text line's glyphs, from the left.

    `classify` is called for about `max_glyphs` glyphs at most; beyond that, glyphs stay whole.
    """
    fragments: list[Candidate] = []
    is_cut: list[bool] = []  # from the fragment before
    lattice: dict[tuple[int, int], Candidate] = {}  # by first fragment and end
    for whole in line:
        parts = [whole]
        # The fragments of a lone glyph cannot be better than the cost of a cut.
        may_gain = len(line) > 1 or whole.score(digit_height) < -CUT_COST
        is_wide = whole.glyph.width > USUAL_MAX_WIDTH * digit_height
        if may_gain and max_glyphs > 0 and (is_wide or whole.confidence < CONFIDENT_WHOLE):
            cut = over_segment(whole.glyph, digit_height)
            parts = classify(cut) if len(cut) > 1 else parts
            max_glyphs -= len(cut)
        lattice[len(fragments), len(fragments) + len(parts)] = whole
        fragments += parts
        is_cut += [False] + [True] * (len(parts) - 1)
    glyphs = [fragment.glyph for fragment in fragments]
    scores = [fragment.score(digit_height) for fragment in fragments]
    runs = [
        (first, end)
        for first in range(len(fragments))
        for end in range(first + 2, min(first + MAX_FRAGMENTS, len(fragments)) + 1)
        if (first, end) not in lattice
        and _may_be_likelier(scores[first:end], is_cut[first + 1 : end])
        and _may_be_digit(glyphs[first:end], is_cut[first + 1 : end], digit_height)
    ][: max(0, max_glyphs)]
    merged = classify([merge(glyphs[first:end]) for first, end in runs])
    singles = {(i, i + 1): fragment for i, fragment in enumerate(fragments)}
    lattice = dict(zip(runs, merged, strict=True)) | singles | lattice
    # The best path to each fragment's end, and its score.
    best: list[tuple[float, list[Candidate]]] = [(0.0, [])]
    for end in range(1, len(fragments) + 1):
        paths = []
        for first in range(end):
            candidate = lattice.get((first, end))
            if candidate is None:
                continue
            num_bridged = sum(not cut for cut in is_cut[first + 1 : end])
            cost = JOIN_COST * num_bridged + CUT_COST * is_cut[first]
            score, before = best[first]
            paths.append((score + candidate.score(digit_height) - cost, [*before, candidate]))
        best.append(max(paths, key=lambda path: path[0]))
    return best[-1][1]


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
