"""Images to readings: what `tenfold read`, the API and the page answer with.

In: an image as bytes, a path, an array or a Pillow image. Out: the digits that are written on it,
line by line, with boxes and confidences, and whether to rely on them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from tenfold.digits import NUM_CLASSES
from tenfold.errors import ImageError, MissingExtraError
from tenfold.reading.components import SMALLEST_RULED_PX, find_marks
from tenfold.reading.decision import NOTHING, OTHERS, has_others, judge
from tenfold.reading.decoding import (
    Decoded,
    Pixels,
    decode,
    decode_array,
    decode_image,
    read_bytes,
)
from tenfold.reading.digit_classifier import Classifier, load_classifier
from tenfold.reading.digit_image import frame
from tenfold.reading.fusion import agree_on_digit, agree_on_line
from tenfold.reading.glyphs import Glyph, Scene, is_blot
from tenfold.reading.ink import find_ink
from tenfold.reading.lattice import (
    CUT_COST,
    LOW,
    WIDEST_DIGIT,
    Candidate,
    Classify,
    choose_digits,
)
from tenfold.reading.line_reader import LineReader, load_lines
from tenfold.reading.result import Reading, Status

Source = str | Path | bytes | npt.NDArray[Any] | Image.Image

# Of an image; a full sheet of digits has some hundreds of pieces. Networks are asked about these
# and about what they may be cut into or make together. A thousand glyphs take about a second.
MAX_PIECES, MAX_GLYPHS = 1000, 1300
MAX_LINES = 60  # of an image with more none is read as a whole: a page of writing has fewer
# An image with as many pieces or fewer may show one digit; it is no wider than so many heights.
MAX_PIECES_OF_SINGLE = 8
WIDEST_SINGLE = 1.6
OUTSIDE_SINGLE = 0.1  # of the ink, at most, is no part of it
# Another way to see an image is tried until one gives such a confidence; the first is right more
# often than the others.
CLEAR, LATER_VIEW = 0.9, 0.8
# Of its height, the width of each digit in a mark that stands alone, at least, for them to be sure:
# a B is no 13. Among other digits there are such marks.
CROWDED = 0.52
APART_COST = 0.5  # in log probability, for each digit more than one
BLOT_DIGIT = 0.05  # how much of its probabilities a filled spot keeps
# So many images, or of so many pixels together, are looked at before networks are asked about them.
MANY_IMAGES, MANY_PIXELS = 32, 1_000_000


@dataclass(frozen=True)
class _Found:
    """What there is on an image before a network is asked: pieces of digits, line by line."""

    decoded: Decoded
    scene: Scene
    pieces: list[list[Glyph]]
    is_single: bool  # known to show one digit, which is the one piece, if any

    @property
    def glyphs(self) -> list[Glyph]:
        return list(chain.from_iterable(self.pieces))


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

    def read(self, source: Source, *, single: bool = False) -> Reading:
        """Read an image: a path, a file's bytes, an array (see `decode_array`), a Pillow image.

        `single` says that there is one digit on it. An image that cannot be decoded gives a reading
        with status error.
        """
        try:
            return self.read_decoded(_decode(source), single=single)
        except (ImageError, MissingExtraError) as error:
            return _describe_error(error)

    def read_many(self, sources: Iterable[Source], *, single: bool = False) -> Iterator[Reading]:
        """Read images one after another, as `read` does, small ones a few at a time.

        Networks that are asked about many images at once take less time for each, and so does all
        else, which a network drives out of the processor's caches.
        """
        waiting: list[_Found | Reading] = []
        num_pixels = 0
        for source in sources:
            try:
                decoded = _decode(source)
                num_pixels += decoded.pixels_HWC.shape[0] * decoded.pixels_HWC.shape[1]
                waiting.append(_look(decoded, single=single))
            except (ImageError, MissingExtraError) as error:
                waiting.append(_describe_error(error))
            if len(waiting) >= MANY_IMAGES or num_pixels > MANY_PIXELS:
                yield from self._finish(waiting)
                waiting, num_pixels = [], 0
        yield from self._finish(waiting)

    def read_decoded(self, decoded: Decoded, *, single: bool = False) -> Reading:
        """Read pixels that are decoded already."""
        [reading] = self._finish([_look(decoded, single=single)])
        return reading

    def find_single(self, decoded: Decoded) -> Candidate | None:
        """The one digit of an image that has one, and what the network says; None without ink."""
        ink = find_ink(decoded.pixels_HWC)
        if ink.is_blank:
            return None
        return self._find_single(decoded.pixels_HWC, Scene(ink, find_marks(ink)))

    def _find_single(
        self, pixels_HWC: Pixels, scene: Scene, first: Candidate | None = None
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
                [candidate] = self._classify([glyph])
            candidate = replace(candidate, ink=view.ink)
            if not is_sound:
                candidate = replace(candidate, certainty=0.0)
            score = candidate.confidence * (LATER_VIEW if number else 1.0)
            if score > most:
                best, most = candidate, score
            if candidate.confidence >= CLEAR or (number == 0 and is_blot(candidate.glyph)):
                break
        return best

    def _finish(self, images: Sequence[_Found | Reading]) -> Iterator[Reading]:
        """The readings of some images, of which some may be decided already."""
        found = [one for one in images if isinstance(one, _Found)]
        candidates = iter(self._classify([glyph for one in found for glyph in one.glyphs]))
        for one in images:
            if isinstance(one, Reading):
                yield one
                continue
            lines = [list(islice(candidates, len(line))) for line in one.pieces]
            if one.is_single:
                reading = self._judge(self._find_digit(one, lines))
            else:
                reading = self._judge(self._find_digits(one, lines))
                is_read = reading.status == Status.READ
                if is_read and has_others(one.scene, one.glyphs, reading.digits):
                    reading = replace(reading, message=OTHERS)
            yield _scale(reading, one.decoded.reduction)

    def _judge(self, lines: list[list[Candidate]]) -> Reading:
        # What a line says counts only where the network of lines was asked, and so is loaded.
        sure_line = self._lines.thresholds.read if self._lines is not None else 1.0
        return judge(lines, self.classifier.thresholds, sure_line)

    def _find_digit(self, found: _Found, lines: list[list[Candidate]]) -> list[list[Candidate]]:
        """The digit of an image that has one, as a line."""
        first = lines[0][0] if lines else None
        single = self._find_single(found.decoded.pixels_HWC, found.scene, first)
        return [[agree_on_digit(single, lambda: self.lines)]] if single else []

    def _find_digits(self, found: _Found, pieces: list[list[Candidate]]) -> list[list[Candidate]]:
        """The digits of the image, line by line, or the one digit that all its marks make."""
        usual = _find_usual_height(found.glyphs)
        num_asked = len(found.glyphs)

        def classify(glyphs: Sequence[Glyph]) -> list[Candidate]:
            nonlocal num_asked
            num_asked += len(glyphs)
            return self._classify(glyphs)

        lines = [choose_digits(line, usual, classify, MAX_GLYPHS - num_asked) for line in pieces]
        single = self._find_instead(found, lines, usual)
        if single is not None:
            return [[agree_on_digit(single, lambda: self.lines)]]
        if len(lines) > MAX_LINES:
            return lines
        return [
            self._read_line(parts, line, usual, classify)
            if num_asked < MAX_GLYPHS
            else [replace(one, certainty=0.0) for one in line]
            for parts, line in zip(found.pieces, lines, strict=True)
        ]

    def _find_instead(
        self, image: _Found, lines: list[list[Candidate]], usual: float
    ) -> Candidate | None:
        """The one digit that all marks make, if that is likelier than the digits found."""
        found = [one for line in lines for one in line]
        is_clear = len(found) == 1 and found[0].confidence >= CLEAR
        if is_clear or len(image.glyphs) > MAX_PIECES_OF_SINGLE:
            return None
        single = self._find_single(image.decoded.pixels_HWC, image.scene)
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
        self, pieces: list[Glyph], apart: list[Candidate], usual: float, classify: Classify
    ) -> list[Candidate]:
        """The digits of a line, which its glyphs and the line as a whole have a say in."""
        if len(pieces) == 1 and pieces[0].width < WIDEST_DIGIT * usual:
            found = [agree_on_digit(one, lambda: self.lines) for one in apart]
        else:
            digits = [one for one in apart if self._may_be_digit(one, usual)]
            if not digits:
                return apart
            found = agree_on_line(pieces, digits, self.lines, classify)
        is_alone = len(pieces) == 1 and len(found) > 1
        if is_alone and pieces[0].width < CROWDED * pieces[0].height * len(found):
            return [replace(one, certainty=0.0) for one in found]
        return found

    def _may_be_digit(self, one: Candidate, usual: float) -> bool:
        """Whether it is no dot or dash: as high as digits, or a clear digit."""
        is_low = one.glyph.height < LOW * usual
        return not is_low or one.confidence >= self.classifier.thresholds.read

    def _classify(self, glyphs: Sequence[Glyph]) -> list[Candidate]:
        if not glyphs:
            return []
        images = np.stack([frame(glyph.strength_HW) for glyph in glyphs])
        answers_NK = self.classifier.classify(images)
        if answers_NK.shape[1] > NUM_CLASSES:
            # Thinned as strokes are, a filled spot looks like a ring.
            for glyph, answers_K in zip(glyphs, answers_NK, strict=True):
                if is_blot(glyph):
                    answers_K *= BLOT_DIGIT
                    answers_K[NUM_CLASSES] += 1 - BLOT_DIGIT
        return [Candidate(*one) for one in zip(glyphs, images, answers_NK, strict=True)]


def _look(decoded: Decoded, *, single: bool) -> _Found | Reading:
    """What there is on an image, or its reading if there is nothing, or far too much."""
    ink = find_ink(decoded.pixels_HWC)
    if ink.is_blank:
        return Reading(Status.BLANK, message=NOTHING)
    scene = Scene(ink, find_marks(ink))
    if single:
        glyph = scene.find_single()
        return _Found(decoded, scene, [[glyph]] if glyph else [], is_single=True)
    pieces = scene.find_lines()
    if sum(map(len, pieces)) > MAX_PIECES:
        message = f"expected digits, found more than {MAX_PIECES} marks; cut a sheet into parts"
        return Reading(Status.NOT_DIGITS, message=message)
    return _Found(decoded, scene, pieces, is_single=False)


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


def _describe_error(error: Exception) -> Reading:
    return Reading(Status.ERROR, message=str(error))


def _decode(source: Source) -> Decoded:
    if isinstance(source, bytes | bytearray | memoryview):
        return decode(source)
    if isinstance(source, Image.Image):
        return decode_image(source)
    if isinstance(source, np.ndarray):
        return decode_array(source)
    return decode(read_bytes(Path(source)))
