"""Why a text line cannot be relied on although its digits and signs are sure.

Networks choose among digits and signs, and the choice can be sure where neither is written: a
letter is left out, and a bracket or a slash is a one.

Array names carry their axes: T columns, K classes.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from tenfold.digits import NUM_CLASSES
from tenfold.reading.ctc import LogProbs, decode_greedy
from tenfold.reading.glyphs import Glyph
from tenfold.reading.lattice import Candidate
from tenfold.reading.line_reader import LABELS, OTHER
from tenfold.reading.numbers import parse_number
from tenfold.reading.text_line import ENDINGS, INK, TextLine

# Chosen on drawn lines.
MAX_FOREIGN = 0.2  # probability of such a character somewhere in a line
# Of a line's only digit: the mean probability that it is none. Line networks cannot reject, so
# theirs is 0.
MAX_REJECTED = 0.25
# A stroke that is first or last is a one unless it is so much higher than the other digits, ends so
# far below them, in their height, and has the shape of a slash or a bracket.
MAX_ONE_HEIGHT, MAX_ONE_BELOW = 1.1, 0.06
# Of its own height: how much a slash waves, how far it leans from its middle, and a bracket's bow.
MAX_WAVE, MIN_LEAN, MIN_BOW, MIN_SHAPE_PX = 0.01, 0.1, 0.1, 8
EDGE_PX, MAX_CUT_HEIGHT = 1, 0.75  # to the image's edge; of another line's digits, of what is cut
# Of the other digits' height: cents without a point are no higher, end so far above the others, and
# are this close, two of them or one.
MAX_CENTS_HEIGHT, MIN_CENTS_RISE, MAX_CENTS_GAP = 0.6, 0.3, {1: 0.5, 2: 1.5}
FOREIGN_DOUBT = "there is something that is neither a digit nor a sign"
PLUS_DOUBT = "there may be a plus before the digits"
CENTS_DOUBT = "the last digits are small and raised; they may be cents or an exponent"
CUT_DOUBT = "it may be cut off by the edge of the image"
CUT_NOTE = "what the edge of the image cuts off was left out"
OTHER_CHARACTER, STAR = LABELS.index(OTHER), LABELS.index("*")
UNREAD_SIGNS = [LABELS.index(sign) for sign in "*=#"]


def find_foreign(labels_TK: LogProbs) -> frozenset[str]:
    """The doubts about a line that come from characters that are not read.

    `labels_TK` are log probabilities of LABELS. Signs that are not read count between digits. At
    the ends they protect an amount, as in #250#, and change no number; but a star before it may be
    a plus.
    """
    foreign_T = np.exp(labels_TK[:, OTHER_CHARACTER])
    plus_T = np.zeros(0)
    digits = [span for span in decode_greedy(labels_TK) if span.label < NUM_CLASSES]
    if digits:
        inside = slice(digits[0].end, digits[-1].start)
        foreign_T[inside] += np.exp(labels_TK[inside][:, UNREAD_SIGNS]).sum(axis=1)
        plus_T = np.exp(labels_TK[: digits[0].end, STAR])
    shares = {FOREIGN_DOUBT: foreign_T, PLUS_DOUBT: plus_T}
    return frozenset(
        doubt
        for doubt, probs_T in shares.items()
        if 1 - np.prod(1 - np.minimum(probs_T, 1)) > MAX_FOREIGN
    )


def find_doubts(digits: Sequence[Candidate], foreign: Iterable[str]) -> tuple[str, ...]:
    """The doubts about a line of these digits, with those that come from other characters."""
    doubts = sorted(foreign)
    if not doubts and len(digits) == 1 and digits[0].reject_probability > MAX_REJECTED:
        doubts.append(f"the {digits[0].digit} might not be a digit")
    for number in _find_strokes(digits):
        doubts.append(f"the 1 (digit {number + 1}) might be a slash or a bracket")
    return tuple(doubts)


def doubt_signs(alone: str, line: TextLine) -> tuple[str, ...]:
    """A doubt about a line's signs if its glyphs alone, whose text is given, have others as well.

    What is around glyphs can hide a sign, but does not add one. A sign that may part thousands
    changes no number.
    """
    text = line.spell()
    is_same = re.sub(r"\D", "", alone) == re.sub(r"\D", "", text)
    is_more = len(alone.rstrip(ENDINGS)) > len(text.rstrip(ENDINGS))
    may_be_equal = any(parse_number(alone, sign) == parse_number(text, sign) for sign in ".,")
    return (f"{text} might be {alone}",) if is_same and is_more and not may_be_equal else ()


def doubt_slashes(texts: Iterable[str], line: TextLine) -> tuple[str, ...]:
    """A doubt about a line if one of these texts is the same but for slashes in place of ones.

    Other signs do not count, nor do slashes at the ends.
    """
    text = line.spell()
    for other in texts:
        read, seen = (re.sub(r"[^\d/]", "", one.strip(ENDINGS)) for one in (text, other))
        pairs = {pair for pair in zip(read, seen, strict=False) if pair[0] != pair[1]}
        if len(read) == len(seen) and pairs == {("1", "/")}:
            return (f"{text} might be {other}",)
    return ()


def doubt_left_out(line: TextLine) -> tuple[str, ...]:
    """A doubt about a line whose pattern leaves out a clear sign."""
    free_text = line.signs.free_text
    return () if free_text is None else (f"{line.spell()} might be {free_text}",)


def _find_strokes(digits: Sequence[Candidate]) -> Iterator[int]:
    """The first or last digit if it is a one with the place and the shape of another stroke."""
    for number in sorted({0, len(digits) - 1}) if len(digits) > 1 else ():
        glyph = digits[number].glyph
        others = np.array([one.glyph.box for i, one in enumerate(digits) if i != number])
        height = float(np.median(others[:, 3] - others[:, 1]))
        below = glyph.box[3] - float(np.median(others[:, 3]))
        is_long = glyph.height > MAX_ONE_HEIGHT * height and below > MAX_ONE_BELOW * height
        if digits[number].digit == 1 and is_long and _has_shape(glyph, is_first=number == 0):
            yield number


def _has_shape(glyph: Glyph, *, is_first: bool) -> bool:
    """Whether a stroke is straight and leans like a slash, or bows like a bracket at its place."""
    is_ink_HW = glyph.strength_HW > INK
    is_ink_HW = is_ink_HW[is_ink_HW.any(axis=1)]
    height, width = is_ink_HW.shape
    if height < MIN_SHAPE_PX:
        return False
    middles_H = (is_ink_HW * np.arange(width)).sum(axis=1) / is_ink_HW.sum(axis=1) / height
    down_H = np.linspace(-1, 1, height)
    bow, lean, _ = np.polyfit(down_H, middles_H, 2)
    straight_H = np.polyval(np.polyfit(down_H, middles_H, 1), down_H)
    is_straight = float(np.std(middles_H - straight_H)) < MAX_WAVE
    return bool((is_straight and lean < -MIN_LEAN) or (bow if is_first else -bow) > MIN_BOW)


def leave_out_cut_lines(
    lines: Sequence[TextLine], image_height: int, threshold: float
) -> list[TextLine]:
    """The lines but for those that the edge of the image cuts off.

    Their digits all end at the upper or lower edge and are lower than others, as a tight crop of a
    line has all of their height. Parts of digits look like other digits; where each has at least
    `threshold` confidence, they may be whole small ones, and the line is doubtful instead.
    """
    boxes = [np.array([one.glyph.box for one in line.digits]).reshape(-1, 4) for line in lines]
    heights = [float(np.median(each[:, 3] - each[:, 1])) if len(each) else 0.0 for each in boxes]
    kept = []
    for line, box_N4, height in zip(lines, boxes, heights, strict=True):
        is_on_edge = (box_N4[:, 1] <= EDGE_PX).all() or (
            box_N4[:, 3] >= image_height - EDGE_PX
        ).all()
        if not line.digits or not is_on_edge or height >= MAX_CUT_HEIGHT * max(heights):
            kept.append(line)
        elif all(candidate.confidence >= threshold for candidate in line.digits):
            kept.append(replace(line, doubts=(*line.doubts, CUT_DOUBT)))
    return kept


def doubt_raised_ends(lines: Sequence[TextLine]) -> list[TextLine]:
    """Lines, doubtful where the last one or two digits are small and raised, and no sign is before.

    Without a point, 348 with raised cents 50 would be 34850.
    """
    return [
        replace(line, doubts=(*line.doubts, CENTS_DOUBT)) if _has_raised_end(line) else line
        for line in lines
    ]


def _has_raised_end(line: TextLine) -> bool:
    box_N4 = np.array([one.glyph.box for one in line.digits]).reshape(-1, 4)
    signs = {sign.num_digits_before for sign in line.signs.found}
    for num, max_gap in MAX_CENTS_GAP.items():
        first = len(box_N4) - num
        if first < 1 or first in signs:
            return False
        height_N = box_N4[:, 3] - box_N4[:, 1]
        height, base = float(np.median(height_N[:first])), float(np.median(box_N4[:first, 3]))
        is_small = height_N[first:].max() <= MAX_CENTS_HEIGHT * height
        is_near = box_N4[first, 0] - box_N4[first - 1, 2] <= max_gap * height
        if is_small and is_near and box_N4[first:, 3].max() <= base - MIN_CENTS_RISE * height:
            return True
    return False
