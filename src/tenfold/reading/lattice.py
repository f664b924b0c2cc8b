"""Pieces to digits: which of a line's pieces are joined, split, or left alone.

In: the pieces of a line, and a network's word for any of them. Out: the likeliest digits. A piece
that the network is not sure of may be cut where it is thin; every run of neighbours that may be one
digit is classified; and of all ways to go from the left end to the right, the likeliest is taken
(as handwriting was read before networks read whole lines: Fujisawa et al. 1992, "Segmentation
methods for character recognition").

Array names carry their axes: K answers.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tenfold.digits import NUM_CLASSES
from tenfold.reading.digit_image import DigitImage
from tenfold.reading.glyphs import Glyph, merge
from tenfold.reading.ink import Ink
from tenfold.reading.splitting import split

SURE = 0.98  # a glyph that looks so much like a digit is not cut, unless it is wide
MAX_PIECES_OF_DIGIT = 4
# Of the height of the line's digits:
WIDEST_DIGIT, HIGHEST_DIGIT = 1.4, 1.5
WIDEST_GAP = 0.3  # between two pieces of one digit
WIDE = 1.15  # digits are rarely wider
LOW = 0.5  # lower marks may be no digits: dots, dashes
# What speaks against an answer, in log probability: for each cut, for each gap that is bridged, for
# each height of the line that a digit is too wide, and for calling a low mark none.
CUT_COST, JOIN_COST, WIDTH_COST, NONE_COST = 1.5, 1.0, 10.0, 0.5
LEAST_PROBABILITY = 1e-4


@dataclass(frozen=True)
class Candidate:
    """A glyph that may be a digit, with what the network says: ten digits and, maybe, none.

    `certainty`, of a line that was read as a whole, is the probability that all of it is right.
    """

    glyph: Glyph
    image: DigitImage
    probabilities_K: npt.NDArray[np.float32]
    ink: Ink | None = None
    certainty: float | None = None

    @property
    def digit(self) -> int:
        """The likeliest digit."""
        return int(self.probabilities_K[:NUM_CLASSES].argmax())

    @property
    def confidence(self) -> float:
        """The probability of the likeliest digit."""
        return float(self.probabilities_K[:NUM_CLASSES].max())

    @property
    def strangeness(self) -> float:
        """The probability that it is no digit; 0 from a network that does not say."""
        return float(self.probabilities_K[NUM_CLASSES:].sum())

    @property
    def evidence(self) -> float:
        """The log probability of the likeliest digit."""
        return math.log(max(self.confidence, LEAST_PROBABILITY))

    def score(self, usual_height: float) -> float:
        """The log probability that this is a whole digit of a line, or a low mark that is none."""
        too_wide = max(0.0, self.glyph.width / usual_height - WIDE)
        digit = self.evidence - WIDTH_COST * too_wide
        if self.glyph.height >= LOW * usual_height or not self.strangeness:
            return digit
        return max(digit, math.log(max(self.strangeness, LEAST_PROBABILITY)) - NONE_COST)


Classify = Callable[[Sequence[Glyph]], list[Candidate]]


def choose_digits(
    line: Sequence[Candidate], usual_height: float, classify: Classify, most: int
) -> list[Candidate]:
    """The likeliest way to make digits of a line's pieces, from the left.

    About some `most` glyphs, `classify` is asked; then what is left is taken as it is.
    """
    pieces: list[Candidate] = []
    is_cut: list[bool] = []  # from the piece before
    wholes: dict[tuple[int, int], Candidate] = {}
    for whole in line:
        parts = [whole]
        # A cut's cost is what the parts of a lone one cannot be better than.
        may_gain = len(line) > 1 or whole.score(usual_height) < -CUT_COST
        is_clear = whole.confidence >= SURE and whole.glyph.width <= WIDE * usual_height
        if may_gain and not is_clear and most > 0:
            cut = split(whole.glyph, usual_height)
            parts = classify(cut) if len(cut) > 1 else parts
            most -= len(cut)
        wholes[len(pieces), len(pieces) + len(parts)] = whole
        pieces += parts
        is_cut += [False] + [True] * (len(parts) - 1)
    glyphs = [piece.glyph for piece in pieces]
    scores = [piece.score(usual_height) for piece in pieces]
    spans = [
        (first, end)
        for first in range(len(pieces))
        for end in range(first + 2, min(first + MAX_PIECES_OF_DIGIT, len(pieces)) + 1)
        if (first, end) not in wholes
        and _may_be_likelier(scores[first:end], is_cut[first + 1 : end])
        and _may_be_one(glyphs[first:end], is_cut[first + 1 : end], usual_height)
    ][: max(0, most)]
    joined = dict(
        zip(spans, classify([merge(glyphs[first:end]) for first, end in spans]), strict=True)
    )
    joined |= {(i, i + 1): piece for i, piece in enumerate(pieces)} | wholes
    # The best way to each piece's end, and the digits on it.
    best: list[tuple[float, list[Candidate]]] = [(0.0, [])]
    for end in range(1, len(pieces) + 1):
        ways = []
        for first in range(end):
            candidate = joined.get((first, end))
            if candidate is None:
                continue
            num_bridged = sum(not cut for cut in is_cut[first + 1 : end])
            cost = JOIN_COST * num_bridged + CUT_COST * is_cut[first]
            score, before = best[first]
            ways.append((score + candidate.score(usual_height) - cost, [*before, candidate]))
        best.append(max(ways, key=lambda way: way[0]))
    return best[-1][1]


def _may_be_likelier(scores: list[float], is_cut: list[bool]) -> bool:
    """Whether the best digit that neighbours can make, of score 0, is worth more than they are."""
    num_cuts = sum(is_cut)
    return sum(scores) - CUT_COST * num_cuts <= -JOIN_COST * (len(is_cut) - num_cuts)


def _may_be_one(pieces: list[Glyph], is_cut: list[bool], usual_height: float) -> bool:
    """Whether neighbours are close and small enough for one digit; `is_cut` is for each gap."""
    left, right = min(p.box[0] for p in pieces), max(p.box[2] for p in pieces)
    top, bottom = min(p.box[1] for p in pieces), max(p.box[3] for p in pieces)
    if right - left > WIDEST_DIGIT * usual_height and not all(is_cut):
        return False
    if bottom - top > HIGHEST_DIGIT * usual_height:
        return False
    return all(
        cut or after.box[0] - before.box[2] < WIDEST_GAP * usual_height
        for before, after, cut in zip(pieces[:-1], pieces[1:], is_cut, strict=True)
    )
