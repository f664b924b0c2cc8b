"""The search for one digit in an image that has one, or may have.

An image is tried in several binarisations: the default one, with fainter ink, with strong ink only,
with what the page network takes for ruled lines, and inverted.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from tenfold.reading.components import find_components
from tenfold.reading.decoding import Pixels
from tenfold.reading.glyphs import Glyph, PageComponents, is_filled_blob
from tenfold.reading.ink import find_ink
from tenfold.reading.lattice import CUT_COST, Candidate, Classify

# Chosen by eye on photos of single digits and form cells.
MAX_ASPECT = 1.6  # of one digit, width over height
MAX_OUTSIDE = 0.1  # share of the ink that is not part of the one digit
CLEAR_CONFIDENCE = 0.9  # no further binarisation is tried, and several such digits are not one
CLEAR_PART = 0.98  # several digits this confident are not one digit that is less so
MAX_OVERLAP = 0.2  # of two digits beside each other, of the narrower one's width
ALTERNATIVE_WEIGHT = 0.8  # on later confidences, as the default binarisation is right more often
EXTRA_DIGIT_COST = 0.5  # in log probability, of each digit more than one


def find_single_digit(
    pixels_HWC: Pixels, page: PageComponents, classify: Classify, first: Candidate | None = None
) -> Candidate | None:
    """The likeliest digit of several binarisations, tried until one is clear.

    `first` is the candidate of `page`, the default binarisation, if it is already known.
    """
    best, best_score = None, 0.0
    for number, (view, is_reliable) in enumerate(_alternative_binarisations(pixels_HWC, page)):
        candidate = first if number == 0 else None
        if candidate is None:
            glyph = view.find_main_glyph()
            if glyph is None:
                continue
            [candidate] = classify([glyph])
        candidate = replace(candidate, ink=view.ink)
        if not is_reliable:
            candidate = replace(candidate, line_confidence=0.0)
        score = candidate.confidence * (ALTERNATIVE_WEIGHT if number else 1.0)
        if score > best_score:
            best, best_score = candidate, score
        if candidate.confidence >= CLEAR_CONFIDENCE:
            break
        if number == 0 and is_filled_blob(candidate.glyph):
            break
    return best


def is_likelier(
    single: Candidate, found: Sequence[Candidate], tall: Sequence[Candidate], digit_height: float
) -> bool:
    """Whether all ink is more likely one digit than the digits that were found in it.

    `tall` are those of the digits found that are not dots or dashes.
    """
    if single.glyph.width > MAX_ASPECT * single.glyph.height:
        return False
    if _measure_outside(single, found) > MAX_OUTSIDE:
        return False
    if len(tall) == 1 and tall[0].digit == single.digit and tall[0].confidence >= CLEAR_CONFIDENCE:
        # A sign or a dot beside a clear digit is not part of it; a loose stroke may be.
        others = [candidate.glyph for candidate in found if candidate is not tall[0]]
        if others and all(_is_beside(other, tall[0].glyph) for other in others):
            return False
    least = min((candidate.confidence for candidate in tall), default=0.0)
    if len(tall) > 1 and least >= CLEAR_PART > single.confidence:
        return False
    score = sum(
        candidate.score(digit_height) - CUT_COST * candidate.glyph.is_fragment
        for candidate in found
    )
    score -= EXTRA_DIGIT_COST * (len(found) - 1)
    return not found or score < single.log_probability


def are_clear_digits(tall: Sequence[Candidate]) -> bool:
    """Whether glyphs, none of them a dot or a dash, are several clear digits beside each other.

    Not above each other, as the halves of a broken digit may be: see `is_likelier`.
    """

    def are_clear(one: Candidate, other: Candidate) -> bool:
        left, right = one.glyph.box, other.glyph.box
        overlap = min(left[2], right[2]) - max(left[0], right[0])
        return min(
            one.confidence, other.confidence
        ) >= CLEAR_CONFIDENCE and overlap <= MAX_OVERLAP * min(one.glyph.width, other.glyph.width)

    return len(tall) > 1 and all(itertools.starmap(are_clear, itertools.combinations(tall, 2)))


def _alternative_binarisations(
    pixels_HWC: Pixels, page: PageComponents
) -> Iterator[tuple[PageComponents, bool]]:
    """Binarisations of an image, the default first, and whether each is reliable.

    With ruled lines it is not: a line, or a shadow's edge, looks like a one.
    """
    ink = page.ink
    yield page, True
    yield PageComponents(ink, find_components(ink, level=0.6 * ink.level)), True
    yield PageComponents(ink, find_components(ink, level=min(0.9, 1.5 * ink.level))), True
    if ink.unmasked_HW is not ink.strength_HW:
        everything = replace(ink, strength_HW=ink.unmasked_HW)
        yield PageComponents(everything, find_components(everything)), False
    inverted = find_ink(pixels_HWC, is_dark=not ink.is_dark)
    if not inverted.is_blank:
        yield PageComponents(inverted, find_components(inverted)), True


def _measure_outside(single: Candidate, found: Sequence[Candidate]) -> float:
    """The share of the found glyphs' ink that is outside the box of the single digit."""
    outside = total = 0.0
    left, top, right, bottom = single.glyph.box
    for candidate in found:
        x, y = candidate.glyph.box[:2]
        strength_HW = candidate.glyph.strength_HW
        inside_HW = strength_HW[
            max(0, top - y) : max(0, bottom - y), max(0, left - x) : max(0, right - x)
        ]
        total += float(strength_HW.sum())
        outside += float(strength_HW.sum() - inside_HW.sum())
    return outside / max(total, 1e-6)


def _is_beside(first: Glyph, second: Glyph) -> bool:
    """Whether there is a gap between two glyphs, left or right."""
    return first.box[2] < second.box[0] or second.box[2] < first.box[0]
