"""Two opinions on a line of writing to one: glyph by glyph, and the line as a whole.

In: a line's pieces, the digits that they were taken for one by one, and a network that reads lines.
Out: digits, and how sure the whole line is. A network that reads lines is right more often where
digits touch, the other one where they do not; where both agree they are hardly ever wrong.

Array names carry their axes: T columns, K answers.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tenfold.digits import NUM_CLASSES
from tenfold.reading.glyphs import Glyph, merge
from tenfold.reading.lattice import (
    LEAST_PROBABILITY,
    Candidate,
    Classify,
)
from tenfold.reading.line_image import SIDE_PX, frame_strip, measure_scale
from tenfold.reading.line_reader import (
    Columns,
    LineReader,
    Stretch,
    measure_evidence,
    measure_single_digits,
    spell,
)
from tenfold.reading.splitting import split_at

MAX_DIGITS = 60  # of a line that is read as a whole
GLYPHS_WEIGHT = 0.5  # of what glyphs say against what the line says, in log probability
CUT_REACH = 0.15  # of a line's height: so far may a cut lie from where two digits meet
SURE_ALONE = 0.995  # a digit that is so sure needs no second witness
# Of a line's probabilities: what is added, for it is too sure, and to which power they count.
LINE_FLOOR, LINE_WEIGHT = 0.05, 0.5
CONTESTED = 0.4  # of a line's certainty is left where its glyphs alone were taken for others
EMPTY = 0.1  # of full ink: a column with less has none


def agree_on_line(
    pieces: Sequence[Glyph],
    apart: list[Candidate],
    lines: LineReader,
    classify: Classify,
) -> list[Candidate]:
    """The likelier of two readings of a line: `apart`, from its pieces, or that of the network.

    Each digit gets the line's certainty: the probability that all of it is right.
    """
    whole = merge(pieces)
    columns_TK = lines.read(frame_strip(whole.strength_HW))
    stretches = spell(columns_TK)
    if not stretches or max(len(stretches), len(apart)) > MAX_DIGITS:
        return apart
    together = [stretch.digit for stretch in stretches]
    certainty = math.exp(measure_evidence(columns_TK, together))
    if together == [one.digit for one in apart]:
        return [
            replace(one, probabilities_K=_mix(one, stretch, columns_TK), certainty=certainty)
            for one, stretch in zip(apart, stretches, strict=True)
        ]
    cut = classify(_cut(whole, stretches))
    if len(cut) != len(stretches):
        return apart
    for_together = math.log(max(certainty, 1e-30)) + GLYPHS_WEIGHT * sum(
        math.log(max(float(one.probabilities_K[digit]), LEAST_PROBABILITY))
        for one, digit in zip(cut, together, strict=True)
    )
    for_apart = measure_evidence(columns_TK, [one.digit for one in apart]) + GLYPHS_WEIGHT * sum(
        one.evidence for one in apart
    )
    if for_apart >= for_together:
        return [replace(one, certainty=0.0) for one in apart]
    return [
        replace(
            one, probabilities_K=_mix(one, stretch, columns_TK), certainty=CONTESTED * certainty
        )
        for one, stretch in zip(cut, stretches, strict=True)
    ]


def agree_on_digit(one: Candidate, load_lines: Callable[[], LineReader]) -> Candidate:
    """One digit with what the network of lines says of it, as a line of one digit, weighed in.

    The two are multiplied, as independent witnesses would be; the line counts half, for the two
    learned from the same forms. That network is loaded only where it is asked.
    """
    if one.confidence >= SURE_ALONE:
        return one
    line_K = measure_single_digits(load_lines().read(frame_strip(one.glyph.strength_HW)))
    if len(one.probabilities_K) > NUM_CLASSES:
        line_K = np.append(line_K, max(0.0, 1 - line_K.sum()))
    both_K = one.probabilities_K * (line_K + LINE_FLOOR) ** LINE_WEIGHT
    probabilities_K = (both_K / both_K.sum()).astype(np.float32)
    return replace(one, probabilities_K=probabilities_K)


def _cut(whole: Glyph, stretches: Sequence[Stretch]) -> list[Glyph]:
    """A line cut between the digits that a network found in it, without what lies beside them."""
    scale = measure_scale(whole.height, whole.width)
    middles = [(stretch.middle_px - SIDE_PX) / scale for stretch in stretches]
    between = [(one + other) / 2 for one, other in itertools.pairwise(middles)]
    start, end = _find_ends(whole, middles[0], middles[-1])
    left, top, _, bottom = whole.box
    inside = Glyph((left + start, top, left + end, bottom), whole.strength_HW[:, start:end])
    return split_at(inside, [column - start for column in between], CUT_REACH * whole.height)


def _find_ends(whole: Glyph, first: float, last: float) -> tuple[int, int]:
    """Where the line's digits begin and end: at the gaps next to the first and the last of them."""
    is_empty_W = whole.strength_HW.max(axis=0) < EMPTY
    before = np.flatnonzero(is_empty_W[: max(0, int(first))])
    after = np.flatnonzero(is_empty_W[int(last) + 1 :])
    start = int(before[-1]) + 1 if len(before) else 0
    end = int(last) + 1 + int(after[0]) if len(after) else whole.width
    return start, max(end, start + 1)


def _mix(one: Candidate, stretch: Stretch, columns_TK: Columns) -> npt.NDArray[np.float32]:
    """The mean of what both networks say of a digit; if it is another one, the line's own word."""
    line_K = np.exp(columns_TK[stretch.first : stretch.end, :NUM_CLASSES]).mean(axis=0)
    line_K = np.append(line_K / line_K.sum(), 0.0)[: len(one.probabilities_K)]
    mixed_K = (one.probabilities_K + line_K) / 2
    chosen_K = mixed_K if mixed_K[:NUM_CLASSES].argmax() == stretch.digit else line_K
    return chosen_K.astype(np.float32)
