"""Images to readings: what `tenfold read`, the API and the page answer with.

In: an image as bytes, a path, an array or a Pillow image. Out: the digits that are written on it,
line by line, with boxes and confidences, and whether to rely on them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tenfold.errors import ImageError, MissingExtraError
from tenfold.reading.agreeing import agree_on_digit, agree_on_line
from tenfold.reading.answers import ReadDigit, Reading, Status
from tenfold.reading.choosing import (
    CUT_COST,
    LOW,
    NUM_DIGITS,
    WIDEST_DIGIT,
    Candidate,
    choose_digits,
)
from tenfold.reading.classifier import Classifier, load_classifier
from tenfold.reading.decoding import (
    Decoded,
    Pixels,
    decode,
    decode_array,
    decode_image,
    read_bytes,
)
from tenfold.reading.framing import frame
from tenfold.reading.glyphs import Box, Glyph, Scene, is_blot
from tenfold.reading.ink import Ink, find_ink
from tenfold.reading.lines import LineReader, load_lines
from tenfold.reading.marks import find_marks

MAX_PIECES = 4000  # of an image; a full sheet of digits has some hundreds
MAX_LINES = 60  # of an image with more none is read as a whole: a page of writing has fewer
# An image with as many pieces or fewer may show one digit; it is no wider than so many heights.
MAX_PIECES_OF_SINGLE = 8
WIDEST_SINGLE = 1.6
OUTSIDE_SINGLE = 0.1  # of the ink, at most, is no part of it
# Another way to see an image is tried until one gives such a confidence; the first is right more
# often than the others.
CLEAR, LATER_VIEW = 0.9, 0.8
APART_COST = 0.5  # in log probability, for each digit more than one
CUT_SURE = 0.98  # what is cut out of a larger mark is read only if it is so clear
MOSTLY = 0.6  # of the tall marks are digits where the others may be digits too
BLOT_DIGIT = 0.05  # how much of its probabilities a filled spot keeps
NOTHING = "nothing stands out from the paper"
BESIDE = 0.4  # of a digit's height: how far from it a dot may be
OTHERS = "marks that are no digits were left out"


class Reader:
    """Reads handwritten digits from images.

    `model` is a file that `tenfold export` wrote, or a loaded one, by default Tenfold's own;
    `lines` likewise, for the network that reads lines of more than one digit. `threads` is how many
    a network's layer uses. Raises ModelError for a file that cannot be used.
    """

    def __init__(
        self,
        model: str | Path | Classifier | None = None,
        *,
        lines: str | Path | LineReader | None = None,
        threads: int = 1,
    ) -> None:
        if not isinstance(model, Classifier):
            model = load_classifier(None if model is None else Path(model), threads)
        self.classifier, self.threads = model, threads
        if lines is not None and not isinstance(lines, LineReader):
            lines = load_lines(Path(lines), threads)
        self._lines = lines

    @property
    def lines(self) -> LineReader:
        """The network that reads lines; the bundled one is loaded when the first line is met."""
        if self._lines is None:
            self._lines = load_lines(None, self.threads)
        return self._lines

    def read(
        self,
        source: str | Path | bytes | npt.NDArray[Any] | Image.Image,
        *,
        single: bool = False,
    ) -> Reading:
        """Read an image: a path, a file's bytes, an array (see `decode_array`), a Pillow image.

        `single` says that there is one digit on it. An image that cannot be decoded gives a reading
        with status error.
        """
        try:
            return self.read_decoded(_decode(source), single=single)
        except (ImageError, MissingExtraError) as error:
            return Reading(Status.ERROR, message=str(error))

    def read_decoded(self, decoded: Decoded, *, single: bool = False) -> Reading:
        """Read pixels that are decoded already."""
        ink = find_ink(decoded.pixels_HWC)
        if ink.is_blank:
            return Reading(Status.BLANK, message=NOTHING)
        if single:
            one = self._find_single(decoded.pixels_HWC, ink)
            reading = self._judge([[agree_on_digit(one, lambda: self.lines)]] if one else [])
        else:
            scene = Scene(ink, find_marks(ink))
            pieces = scene.find_lines()
            if sum(map(len, pieces)) > MAX_PIECES:
                message = f"expected digits, found more than {MAX_PIECES} marks"
                return Reading(Status.NOT_DIGITS, message=message)
            reading = self._judge(self._find_lines(decoded.pixels_HWC, ink, pieces))
            if reading.status == Status.READ and _has_others(scene, pieces, reading.digits):
                reading = replace(reading, message=OTHERS)
        return _scale(reading, decoded.reduction)

    def find_single(self, decoded: Decoded) -> Candidate | None:
        """The one digit of an image that has one, and what the network says; None without ink."""
        ink = find_ink(decoded.pixels_HWC)
        return None if ink.is_blank else self._find_single(decoded.pixels_HWC, ink)

    def _find_single(self, pixels_HWC: Pixels, ink: Ink) -> Candidate | None:
        """The likeliest of several ways to see one digit in the image, tried until one is clear."""
        best, most = None, 0.0
        for number, (scene, is_sound) in enumerate(_list_views(pixels_HWC, ink)):
            glyph = scene.find_single()
            if glyph is None:
                continue
            candidate = replace(self._classify([glyph])[0], ink=scene.ink)
            if not is_sound:
                candidate = replace(candidate, certainty=0.0)
            score = candidate.confidence * (LATER_VIEW if number else 1.0)
            if score > most:
                best, most = candidate, score
            if candidate.confidence >= CLEAR or (number == 0 and is_blot(glyph)):
                break
        return best

    def _find_lines(
        self, pixels_HWC: Pixels, ink: Ink, pieces: list[list[Glyph]]
    ) -> list[list[Candidate]]:
        """The digits of the image, line by line, or the one digit that all its marks make."""
        usual = _find_usual_height([piece for line in pieces for piece in line])
        lines = [choose_digits(line, usual, self._classify) for line in pieces]
        single = self._find_instead(pixels_HWC, ink, lines, usual, sum(map(len, pieces)))
        if single is not None:
            return [[agree_on_digit(single, lambda: self.lines)]]
        if len(lines) > MAX_LINES:
            return lines
        return [
            self._read_line(parts, line, usual) for parts, line in zip(pieces, lines, strict=True)
        ]

    def _find_instead(
        self,
        pixels_HWC: Pixels,
        ink: Ink,
        lines: list[list[Candidate]],
        usual: float,
        num_pieces: int,
    ) -> Candidate | None:
        """The one digit that all marks make, if that is likelier than the digits found."""
        found = [one for line in lines for one in line]
        is_clear = len(found) == 1 and found[0].confidence >= CLEAR
        if is_clear or num_pieces > MAX_PIECES_OF_SINGLE:
            return None
        single = self._find_single(pixels_HWC, ink)
        if single is None or single.glyph.width > WIDEST_SINGLE * single.glyph.height:
            return None
        if _measure_outside(single, found) > OUTSIDE_SINGLE:
            return None
        bodies = [one for one in found if self._may_be_digit(one, usual)]
        if len(bodies) == 1 and bodies[0].digit == single.digit and bodies[0].confidence >= CLEAR:
            # A sign or a dot beside a clear digit is no part of it; a loose stroke of it may be.
            others = [one.glyph for one in found if one is not bodies[0]]
            if others and all(_lies_beside(other, bodies[0].glyph) for other in others):
                return None
        apart = sum(one.score(usual) - CUT_COST * one.glyph.is_cut for one in found)
        apart -= APART_COST * (len(found) - 1)
        return None if found and apart >= single.evidence else single

    def _read_line(
        self, pieces: list[Glyph], apart: list[Candidate], usual: float
    ) -> list[Candidate]:
        """The digits of a line, which its glyphs and the line as a whole have a say in."""
        if len(pieces) == 1 and pieces[0].width < WIDEST_DIGIT * usual:
            return [agree_on_digit(one, lambda: self.lines) for one in apart]
        digits = [one for one in apart if self._may_be_digit(one, usual)]
        return agree_on_line(pieces, digits, self.lines, self._classify) if digits else apart

    def _may_be_digit(self, one: Candidate, usual: float) -> bool:
        """Whether it is no dot or dash: as high as digits, or a clear digit."""
        is_low = one.glyph.height < LOW * usual
        return not is_low or one.confidence >= self.classifier.thresholds.read

    def _classify(self, glyphs: Sequence[Glyph]) -> list[Candidate]:
        if not glyphs:
            return []
        images = np.stack([frame(glyph.strength_HW) for glyph in glyphs])
        answers_NK = self.classifier.classify(images)
        if answers_NK.shape[1] > NUM_DIGITS:
            # Thinned as strokes are, a filled spot looks like a ring.
            for glyph, answers_K in zip(glyphs, answers_NK, strict=True):
                if is_blot(glyph):
                    answers_K *= BLOT_DIGIT
                    answers_K[NUM_DIGITS] += 1 - BLOT_DIGIT
        return [Candidate(*one) for one in zip(glyphs, images, answers_NK, strict=True)]

    def _is_sure(self, one: Candidate) -> bool:
        """Whether an answer may be relied on; in a line, whether all of the line may."""
        if one.certainty is not None:
            return one.certainty >= self.lines.thresholds.read
        return one.confidence >= max(self.classifier.thresholds.read, CUT_SURE * one.glyph.is_cut)

    def _judge(self, lines: list[list[Candidate]]) -> Reading:
        """Leave out what is no digit, and say what the rest is worth."""
        everything = [one for line in lines for one in line]
        if not everything:
            return Reading(Status.BLANK, message=NOTHING)
        thresholds = self.classifier.thresholds
        tallest = max(one.glyph.height for one in everything)

        def is_tall(one: Candidate) -> bool:
            return one.glyph.height > LOW * tallest

        def is_strange(one: Candidate) -> bool:
            if one.certainty is not None and self._is_sure(one):
                return False  # all of its line is right
            if not is_tall(one):  # a dot, a dash, a comma: or a clear digit
                return one.confidence < thresholds.read
            return one.strangeness >= thresholds.not_digit

        tall = [one for one in everything if is_tall(one)]
        num_strange = sum(map(is_strange, tall))
        # Among digits, what is as tall as they are and looks like none may be one all the same.
        is_among_digits = len(tall) - num_strange >= max(2, MOSTLY * len(tall))
        kept = [
            [one for one in line if not is_strange(one) or (is_among_digits and is_tall(one))]
            for line in lines
        ]
        digits = [
            _describe(one, number, is_sure=self._is_sure(one))
            for number, line in enumerate(filter(None, kept))
            for one in line
        ]
        if not digits or num_strange > len(digits):
            largest = max(everything, key=lambda one: one.glyph.height * one.glyph.width)
            message = "what is written does not look like digits"
            return Reading(Status.NOT_DIGITS, (_describe(largest, 0, is_sure=False),), message)
        if num_strange and not is_among_digits:
            message = "some of what is written does not look like digits"
            return Reading(Status.UNCERTAIN, tuple(digits), message)
        doubtful = [digit for digit in digits if not digit.is_sure]
        if doubtful:
            # Of a line, those that make it doubtful, if it is not just all of it.
            weak = [digit for digit in doubtful if digit.confidence < thresholds.read]
            return Reading(
                Status.UNCERTAIN, tuple(digits), _explain_doubt(digits, weak or doubtful)
            )
        return Reading(Status.READ, tuple(digits))


def _has_others(scene: Scene, pieces: list[list[Glyph]], digits: Sequence[ReadDigit]) -> bool:
    """Whether a sign, a dot or a dash is no part of a digit. Specks do not count.

    A piece of a line may be a part of a digit, or all of some digits that touch; what is smaller
    than pieces counts where a dot may be, beside a digit.
    """
    left, top, right, bottom = np.array([digit.box for digit in digits]).T

    def is_left_out(box: Box) -> bool:
        widths = np.minimum(right, box[2]) - np.maximum(left, box[0])
        heights = np.minimum(bottom, box[3]) - np.maximum(top, box[1])
        shared = np.maximum(widths, 0) @ np.maximum(heights, 0)
        return bool(shared < 0.5 * (box[2] - box[0]) * (box[3] - box[1]))

    def is_beside(box: Box) -> bool:
        gaps = np.maximum(left - box[2], box[0] - right)
        middle, reach = (box[1] + box[3]) / 2, BESIDE * (bottom - top)
        return bool(((gaps < reach) & (top <= middle) & (middle <= bottom + reach)).any())

    if any(is_left_out(piece.box) for piece in chain.from_iterable(pieces)):
        return True
    touches: list[Box] = list(map(tuple, scene.find_touches().tolist()))
    return any(is_beside(box) and is_left_out(box) for box in touches)


def _explain_doubt(digits: list[ReadDigit], doubtful: list[ReadDigit]) -> str:
    """Which digits are doubtful and what else they might be."""
    if len(digits) > 1 and len(doubtful) > 3:
        return f"{len(doubtful)} of {len(digits)} digits are doubtful"
    has_lines = digits[-1].line > 0
    parts = []
    for one in doubtful:
        second = sorted(range(10), key=lambda digit: -one.probabilities[digit])[1]
        none = 1 - sum(one.probabilities)
        other = f"a {second}" if one.probabilities[second] >= none else "no digit"
        number = [digit for digit in digits if digit.line == one.line].index(one) + 1
        place = f" (digit {number})" if len(digits) > 1 else ""
        if has_lines:
            place = f" (line {one.line + 1}, digit {number})"
        parts.append(f"the {one.digit}{place} might be {other}")
    return "; ".join(parts)


def _describe(one: Candidate, line: int, *, is_sure: bool) -> ReadDigit:
    probabilities = tuple(map(float, one.probabilities_K[:10]))
    return ReadDigit(
        one.digit, one.confidence, one.glyph.box, probabilities, one.image, line, is_sure
    )


def _list_views(pixels_HWC: Pixels, ink: Ink) -> Iterator[tuple[Scene, bool]]:
    """Ways to see an image: as it seems, with fainter ink, without, with its lines, inverted.

    Each with whether it may be relied on: a ruled line, or a shadow's edge, looks like a one.
    """
    yield Scene(ink, find_marks(ink)), True
    yield Scene(ink, find_marks(ink, level=0.6 * ink.level)), True
    yield Scene(ink, find_marks(ink, level=min(0.9, 1.5 * ink.level))), True
    yield Scene(ink, find_marks(ink, with_lines=True)), False
    other = find_ink(pixels_HWC, is_dark=not ink.is_dark)
    if not other.is_blank:
        yield Scene(other, find_marks(other)), True


def _measure_outside(single: Candidate, found: list[Candidate]) -> float:
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


def _find_usual_height(glyphs: list[Glyph]) -> float:
    """The median height of glyphs but the low ones."""
    if not glyphs:
        return 1.0
    tallest = max(glyph.height for glyph in glyphs)
    return float(np.median([glyph.height for glyph in glyphs if glyph.height > 0.4 * tallest]))


def _scale(reading: Reading, reduction: float) -> Reading:
    """The reading with boxes in the pixels of an image that was reduced when it was decoded."""
    if reduction == 1:
        return reading
    digits = []
    for digit in reading.digits:
        left, top, right, bottom = (round(value * reduction) for value in digit.box)
        digits.append(replace(digit, box=(left, top, right, bottom)))
    return replace(reading, digits=tuple(digits))


def _decode(source: str | Path | bytes | npt.NDArray[Any] | Image.Image) -> Decoded:
    if isinstance(source, bytes | bytearray | memoryview):
        return decode(bytes(source))
    if isinstance(source, Image.Image):
        return decode_image(source)
    if isinstance(source, np.ndarray):
        return decode_array(source)
    return decode(read_bytes(Path(source)))
