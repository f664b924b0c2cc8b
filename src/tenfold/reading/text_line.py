"""A text line after fusion: its digits, and the signs before, between and after them.

The signs are those of the line reader, aligned with digits that are already chosen.

Array names carry their axes: T columns, K classes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tenfold.digits import NUM_CLASSES
from tenfold.reading.automaton import (
    CHARACTERS,
    TEXT_SIGNS,
    Automaton,
    TooManyStatesError,
    build_text,
    build_texts_around,
)
from tenfold.reading.ctc import (
    CtcSpan,
    LogProbs,
    compute_acceptance,
    decode_greedy,
    decode_under,
    list_likely_labels,
)
from tenfold.reading.glyphs import Box, Glyph, measure_stroke_width
from tenfold.reading.lattice import Candidate
from tenfold.reading.line_image import COLUMN_PX, SIDE_PX, find_scale
from tenfold.reading.line_reader import LABELS, SIGNS

MAX_SIGNS = 2  # before, between or after two digits
# At the end they change no number, as in 25000/- and 12.-, and which they are need not be sure.
ENDINGS, MAX_ENDINGS = ".,-+/:", 2
MIN_ACCEPTANCE = 0.02  # of the probability that a text fits its pattern
MIN_WITHOUT_SIGN = 0.2  # the same, for a pattern that leaves out a sign
NO_SIGN = 1e-3  # where every sign is less likely in every column, there is none
INK = 0.3  # of full ink
MIN_SLASH, MIN_WRITING = 0.002, 0.5  # of its probability in a column; of its ink
DOTS = ".,:"
MAX_SPECK_AREA = 0.25  # of a square as wide as the strokes; a pen leaves more
NEVER = 30.0  # in log probability
SIGN_REACH = 0.5  # of the line's height: how far a sign may reach from its middle
BEAM_WIDTH, NUM_ALTERNATIVES = 12, 5


@dataclass(frozen=True)
class SignCandidate:
    """A sign, its box, the number of digits before it, and its probability beside those digits."""

    character: str
    box: Box
    num_digits_before: int
    confidence: float


@dataclass(frozen=True)
class Signs:
    """The signs of a line, and the probability of all of them, given the digits.

    Which signs are at the end does not count for it. `fits` is false if no signs that fit the
    pattern are likely. `free_text` is the text without the pattern, if it leaves out a clear sign.
    """

    found: tuple[SignCandidate, ...] = ()
    confidence: float = 1.0
    fits: bool = True
    free_text: str | None = None


@dataclass(frozen=True)
class TextLine:
    """The digits of a text line, and its signs.

    `alternatives` are its likeliest texts with their probabilities. `free_text`, if a pattern
    changed the text, is the text without it; `fits` is false if the writing does not fit it.
    `doubts` say why the line cannot be relied on, however sure its digits and signs are.
    """

    digits: list[Candidate]
    signs: Signs = Signs()
    alternatives: tuple[tuple[str, float], ...] = ()
    free_text: str | None = None
    fits: bool = True
    doubts: tuple[str, ...] = ()
    is_in_comb: bool = False

    def spell(self) -> str:
        """The text, without spaces."""
        text, signs = "", self.signs.found
        for number in range(len(self.digits) + 1):
            text += "".join(sign.character for sign in signs if sign.num_digits_before == number)
            text += "".join(str(one.digit) for one in self.digits[number : number + 1])
        return text


def select_text_classes(log_probs_TK: LogProbs) -> LogProbs:
    """The line reader's log probabilities of CHARACTERS and of anything else, [T, 19]."""
    signs = [LABELS.index(sign) for sign in TEXT_SIGNS]
    others = [k for k, label in enumerate(LABELS) if k >= NUM_CLASSES and label not in TEXT_SIGNS]
    none_T = np.logaddexp.reduce(log_probs_TK[:, others], axis=1)
    return np.column_stack([log_probs_TK[:, :NUM_CLASSES], log_probs_TK[:, signs], none_T])


def find_signs(
    crop: Glyph, text_TK: LogProbs, digits: str, pattern: Automaton | None = None
) -> Signs:
    """The likeliest signs around the given digits.

    `text_TK` are log probabilities of CHARACTERS in a crop of the line.
    """
    if pattern is None and _has_no_sign(text_TK):
        return Signs()
    allowed, fits = build_texts_around(digits, MAX_SIGNS), True
    total = compute_acceptance(text_TK, allowed)
    spans, free_text = _decode(text_TK, allowed), None
    fitting = None if pattern is None else _intersect(allowed, pattern)
    if fitting is not None:
        acceptance = compute_acceptance(text_TK, fitting)
        fits = acceptance >= MIN_ACCEPTANCE * total
        if fits:
            fitted = _decode(text_TK, fitting)
            is_less = _count_signs(_spell(fitted)) < _count_signs(_spell(spans))
            # A pattern chooses among signs, but that 12.5 becomes 125 is doubtful.
            if is_less and acceptance < MIN_WITHOUT_SIGN * total:
                free_text = _spell(spans)
            allowed, total, spans = fitting, acceptance, fitted
    text = _spell(spans)
    same = build_text(text.rstrip(ENDINGS), endings=ENDINGS, max_endings=MAX_ENDINGS)
    accepted = compute_acceptance(text_TK, same.intersect(allowed))
    signs, num_digits = [], 0
    for number, span in enumerate(spans):
        if span.label < NUM_CLASSES:
            num_digits += 1
            continue
        probability = float(np.exp(text_TK[span.start : span.end, span.label].max()))
        box = _find_sign_box(crop, spans, number)
        signs.append(SignCandidate(CHARACTERS[span.label], box, num_digits, probability))
    confidence = min(1.0, accepted / total) if total > 0 else 0.0
    return Signs(tuple(signs), confidence, fits, free_text)


def _decode(text_TK: LogProbs, allowed: Automaton) -> list[CtcSpan]:
    """The likeliest of the allowed texts."""
    spans = decode_greedy(text_TK)
    return spans if allowed.accepts(_spell(spans)) else decode_under(text_TK, allowed) or []


def _count_signs(text: str) -> int:
    """How many signs say which number it is: those between digits, and a minus before them."""
    return text.startswith("-") + sum(not each.isdigit() for each in text.strip(TEXT_SIGNS))


def leave_out_false_signs(crop: Glyph, text_TK: LogProbs) -> LogProbs:
    """Log probabilities as before, but of signs only where the crop shows their ink."""
    if _has_no_sign(text_TK):
        return text_TK
    return _leave_out_noise(crop, _leave_out_rules(crop, text_TK))


def _has_no_sign(text_TK: LogProbs) -> bool:
    """Whether no sign is likely in any column."""
    return bool(text_TK[:, NUM_CLASSES:-1].max() < math.log(NO_SIGN))


def _leave_out_rules(crop: Glyph, text_TK: LogProbs) -> LogProbs:
    """Without slashes whose ink is not writing, such as the ticks of a comb.

    Dashes and dots are too often taken for printed lines, or for parts of them.
    """
    slash = CHARACTERS.index("/")
    if crop.writing_HW is None:
        return text_TK
    likely = np.flatnonzero(text_TK[:, slash] > math.log(MIN_SLASH)).tolist()
    digits = [span for span in decode_greedy(text_TK) if span.label != slash]
    cleared_TK = text_TK
    for t in likely:
        spans = sorted([*digits, CtcSpan(slash, t, t + 1)], key=lambda span: span.start)
        number = next(i for i, span in enumerate(spans) if span.label == slash)
        inside = _find_inside(crop, _find_sign_box(crop, spans, number))
        if crop.writing_HW[inside].sum() < MIN_WRITING * crop.strength_HW[inside].sum():
            cleared_TK = _clear(cleared_TK, slice(t, t + 1), "/")
    return cleared_TK


def _leave_out_noise(crop: Glyph, text_TK: LogProbs) -> LogProbs:
    """Without points, commas and colons that are specks."""
    spans = decode_greedy(text_TK)
    cleared_TK = text_TK
    for number, span in enumerate(spans):
        if CHARACTERS[span.label] not in DOTS:
            continue
        inside = _find_inside(crop, _find_sign_box(crop, spans, number))
        area = np.count_nonzero(crop.strength_HW[inside] > INK)
        if 0 < area < MAX_SPECK_AREA * measure_stroke_width(crop.strength_HW) ** 2:
            start = spans[number - 1].end if number else 0
            end = spans[number + 1].start if number + 1 < len(spans) else len(text_TK)
            cleared_TK = _clear(cleared_TK, slice(start, end), DOTS)
    return cleared_TK


def _find_inside(crop: Glyph, box: Box) -> tuple[slice, slice]:
    """The rows and columns of a crop that a box has."""
    left, top, *_ = crop.box
    x0, y0, x1, y1 = box
    return slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)


def _clear(text_TK: LogProbs, columns: slice, signs: str) -> LogProbs:
    """Columns that show something else than these signs."""
    labels = [CHARACTERS.index(sign) for sign in signs]
    cleared_TK = text_TK.copy()
    none_T = np.logaddexp.reduce(text_TK[columns][:, [*labels, -1]], axis=1)
    cleared_TK[columns, -1] = none_T
    cleared_TK[columns, labels] = -NEVER
    return cleared_TK


def list_alternatives(
    text_TK: LogProbs, pattern: Automaton | None = None
) -> tuple[tuple[str, float], ...]:
    """The likeliest texts of a line and their probabilities, with a pattern given that it fits."""
    likely = list_likely_labels(text_TK, BEAM_WIDTH, pattern)
    likely = sorted(likely, key=lambda item: -item[1])[:NUM_ALTERNATIVES]
    total = 1.0
    if pattern is not None:  # the search finds their probabilities only about
        found = sum(probability for _, probability in likely)
        total = max(compute_acceptance(text_TK, pattern), found) or 1.0
    return tuple(
        ("".join(CHARACTERS[k] for k in labels), probability / total)
        for labels, probability in likely
    )


def _intersect(allowed: Automaton, pattern: Automaton) -> Automaton | None:
    """The allowed texts that fit; None if they are too many to tell."""
    try:
        return allowed.intersect(pattern)
    except TooManyStatesError:
        return None


def _spell(spans: Sequence[CtcSpan]) -> str:
    return "".join(CHARACTERS[span.label] for span in spans)


def _find_sign_box(crop: Glyph, spans: Sequence[CtcSpan], number: int) -> Box:
    """The box of the ink at a sign's columns, up to the middle to its neighbours.

    Of components only those whose middle is there count, so none of a digit that leans over it.
    """
    scale = find_scale(crop.height, crop.width)
    middles = [((span.start + span.end) / 2 * COLUMN_PX - SIDE_PX) / scale for span in spans]
    here, reach = middles[number], SIGN_REACH * crop.height
    before = middles[number - 1] if number else here - 2 * reach
    after = middles[number + 1] if number + 1 < len(spans) else here + 2 * reach
    start, end = max(0.0, (before + here) / 2), min(float(crop.width), (here + after) / 2)
    is_ink_HW = (crop.strength_HW > INK).view(np.uint8)
    _, _, table_M5, middles_M2 = cv2.connectedComponentsWithStats(is_ink_HW)
    x_M = middles_M2[1:, 0]
    parts_M5 = table_M5[1:][(x_M >= start) & (x_M <= end)]
    parts_M5 = parts_M5[parts_M5[:, 2] <= 2 * max(reach, end - start)]
    left, top, *_ = crop.box
    if not len(parts_M5):
        return left + int(start), top, left + max(int(end), int(start) + 1), crop.box[3]
    x0, y0 = parts_M5[:, :2].min(axis=0).tolist()
    x1, y1 = (parts_M5[:, :2] + parts_M5[:, 2:4]).max(axis=0).tolist()
    return left + x0, top + y0, left + x1, top + y1


assert set(TEXT_SIGNS) <= set(SIGNS)
