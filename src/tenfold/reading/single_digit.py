"""The search for one digit in an image that has one, or may have.

In: an image's pixels and ink, and what classifies glyphs. Out: the likeliest digit, or None. The
image is seen in several ways: as it seems, with fainter ink, with strong ink only, with its ruled
lines, inverted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tenfold.reading.components import SMALLEST_RULED_PX, find_marks
from tenfold.reading.decoding import Pixels
from tenfold.reading.glyphs import Glyph, Scene, is_blot
from tenfold.reading.ink import find_ink
from tenfold.reading.lattice import CUT_COST, Candidate, Classify

WIDEST_SINGLE = 1.6  # of its height: one digit is no wider
OUTSIDE_SINGLE = 0.1  # of the ink, at most, is no part of it
# Another way to see an image is tried until one gives such a confidence; the first is right more
# often than the others.
CLEAR, LATER_VIEW = 0.9, 0.8
APART_COST = 0.5  # in log probability, for each digit more than one


def find_single_digit(
    pixels_HWC: Pixels, scene: Scene, classify: Classify, first: Candidate | None = None
) -> Candidate | None:
    """The likeliest of several ways to see one digit in the image, tried until one is clear.

    `first` is what the scene as it is gives, if that is known already.
    """
    best, most = None, 0.0
    for number, (view, is_sound) in enumerate(_list_views(pixels_HWC, scene)):
        candidate = first if number == 0 else None
        if candidate is None:
            glyph = view.find_single()
            if glyph is None:
                continue
            [candidate] = classify([glyph])
        candidate = replace(candidate, ink=view.ink)
        if not is_sound:
            candidate = replace(candidate, certainty=0.0)
        score = candidate.confidence * (LATER_VIEW if number else 1.0)
        if score > most:
            best, most = candidate, score
        if candidate.confidence >= CLEAR or (number == 0 and is_blot(candidate.glyph)):
            break
    return best


def is_likelier(
    single: Candidate, found: Sequence[Candidate], bodies: Sequence[Candidate], usual: float
) -> bool:
    """Whether all marks are more likely one digit than the digits that were found among them.

    `bodies` are those of the digits found that are no dots or dashes, `usual` is their usual
    height in pixels.
    """
    if single.glyph.width > WIDEST_SINGLE * single.glyph.height:
        return False
    if _measure_outside(single, found) > OUTSIDE_SINGLE:
        return False
    if len(bodies) == 1 and bodies[0].digit == single.digit and bodies[0].confidence >= CLEAR:
        # A sign or a dot beside a clear digit is no part of it; a loose stroke of it may be.
        others = [one.glyph for one in found if one is not bodies[0]]
        if others and all(_lies_beside(other, bodies[0].glyph) for other in others):
            return False
    apart = sum(one.score(usual) - CUT_COST * one.glyph.is_cut for one in found)
    apart -= APART_COST * (len(found) - 1)
    return not found or apart < single.evidence


def _list_views(pixels_HWC: Pixels, scene: Scene) -> Iterator[tuple[Scene, bool]]:
    """Ways to see an image: as it seems, with fainter ink, without, with its lines, inverted.

    Each with whether it may be relied on: a ruled line, or a shadow's edge, looks like a one.
    """
    ink = scene.ink
    yield scene, True
    yield Scene(ink, find_marks(ink, level=0.6 * ink.level)), True
    yield Scene(ink, find_marks(ink, level=min(0.9, 1.5 * ink.level))), True
    if min(ink.strength_HW.shape) >= SMALLEST_RULED_PX:  # else the first view has its lines, too
        yield Scene(ink, find_marks(ink, with_lines=True)), False
    other = find_ink(pixels_HWC, is_dark=not ink.is_dark)
    if not other.is_blank:
        yield Scene(other, find_marks(other)), True


def _measure_outside(single: Candidate, found: Sequence[Candidate]) -> float:
    """How much of the ink of what was found lies outside the box of one digit."""
    outside = total = 0.0
    left, top, right, bottom = single.glyph.box
    for one in found:
        x, y = one.glyph.box[:2]
        strength_HW = one.glyph.strength_HW
        inside_HW = strength_HW[
            max(0, top - y) : max(0, bottom - y), max(0, left - x) : max(0, right - x)
        ]
        total += float(strength_HW.sum())
        outside += float(strength_HW.sum() - inside_HW.sum())
    return outside / max(total, 1e-6)


def _lies_beside(one: Glyph, other: Glyph) -> bool:
    """Whether there is room between two glyphs, left or right."""
    return one.box[2] < other.box[0] or other.box[2] < one.box[0]
