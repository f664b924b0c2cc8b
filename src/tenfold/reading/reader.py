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
from tenfold.reading.components import find_marks
from tenfold.reading.decision import NOTHING, OTHERS, has_others, judge
from tenfold.reading.decoding import (
    Decoded,
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
    LOW,
    WIDEST_DIGIT,
    Candidate,
    Classify,
    choose_digits,
)
from tenfold.reading.line_reader import LineReader, load_lines
from tenfold.reading.result import Reading, Status
from tenfold.reading.single_digit import CLEAR, find_single_digit, is_likelier

Source = str | Path | bytes | npt.NDArray[Any] | Image.Image

# Of an image; a full sheet of digits has some hundreds of pieces. Networks are asked about these
# and about what they may be cut into or make together. A thousand glyphs take about a second.
MAX_PIECES, MAX_GLYPHS = 1000, 1300
MAX_LINES = 60  # of an image with more none is read as a whole: a page of writing has fewer
MAX_PIECES_OF_SINGLE = 8  # an image with as many pieces or fewer may show one digit
# Of its height, the width of each digit in a mark that stands alone, at least, for them to be sure:
# a B is no 13. Among other digits there are such marks.
CROWDED = 0.52
BLOT_DIGIT = 0.05  # how much of its probabilities a filled spot keeps
# So many images, or of so many pixels together, are looked at before networks are asked about them.
MANY_IMAGES, MANY_PIXELS = 32, 1_000_000


@dataclass(frozen=True)
class _Page:
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
            decoded = _decode(source)
        except (ImageError, MissingExtraError) as error:
            return _describe_error(error)
        return self.read_decoded(decoded, single=single)

    def read_many(self, sources: Iterable[Source], *, single: bool = False) -> Iterator[Reading]:
        """Read images one after another, as `read` does, small ones a few at a time.

        Networks that are asked about many images at once take less time for each, and so does all
        else, which a network drives out of the processor's caches.
        """
        waiting: list[_Page | Reading] = []
        num_pixels = 0
        for source in sources:
            try:
                decoded = _decode(source)
                num_pixels += decoded.pixels_HWC.shape[0] * decoded.pixels_HWC.shape[1]
                waiting.append(_segment(decoded, single=single))
            except (ImageError, MissingExtraError) as error:
                waiting.append(_describe_error(error))
            if len(waiting) >= MANY_IMAGES or num_pixels > MANY_PIXELS:
                yield from self._read_batch(waiting)
                waiting, num_pixels = [], 0
        yield from self._read_batch(waiting)

    def read_decoded(self, decoded: Decoded, *, single: bool = False) -> Reading:
        """Read pixels that are decoded already."""
        page = _segment(decoded, single=single)  # ink, its components, and glyphs in lines
        if isinstance(page, Reading):  # blank, or far too much
            return page
        candidates = self._classify(page.glyphs)  # of each glyph: ten digits, or none
        return self._interpret(page, candidates)  # best path, fusion of both networks, decision

    def find_single(self, decoded: Decoded) -> Candidate | None:
        """The one digit of an image that has one, and what the network says; None without ink."""
        ink = find_ink(decoded.pixels_HWC)
        if ink.is_blank:
            return None
        scene = Scene(ink, find_marks(ink))
        return find_single_digit(decoded.pixels_HWC, scene, self._classify)

    def _read_batch(self, pages: Sequence[_Page | Reading]) -> Iterator[Reading]:
        """The readings of some pages, of which some may be decided already."""
        glyphs = [glyph for page in pages if isinstance(page, _Page) for glyph in page.glyphs]
        candidates = iter(self._classify(glyphs))
        for page in pages:
            if isinstance(page, Reading):
                yield page
            else:
                yield self._interpret(page, list(islice(candidates, len(page.glyphs))))

    def _interpret(self, page: _Page, candidates: list[Candidate]) -> Reading:
        """The reading of a page whose glyphs are classified: best path, both networks, decision."""
        rest = iter(candidates)
        pieces = [list(islice(rest, len(line))) for line in page.pieces]
        if page.is_single:
            reading = self._judge(self._find_digit(page, pieces))
        else:
            reading = self._judge(self._find_digits(page, pieces))
            is_read = reading.status == Status.READ
            if is_read and has_others(page.scene, page.glyphs, reading.digits):
                reading = replace(reading, message=OTHERS)
        return _scale(reading, page.decoded.reduction)

    def _judge(self, lines: list[list[Candidate]]) -> Reading:
        # What a line says counts only where the network of lines was asked, and so is loaded.
        sure_line = self._lines.thresholds.read if self._lines is not None else 1.0
        return judge(lines, self.classifier.thresholds, sure_line)

    def _find_digit(self, page: _Page, lines: list[list[Candidate]]) -> list[list[Candidate]]:
        """The digit of an image that has one, as a line."""
        first = lines[0][0] if lines else None
        single = find_single_digit(page.decoded.pixels_HWC, page.scene, self._classify, first)
        return [[agree_on_digit(single, lambda: self.lines)]] if single else []

    def _find_digits(self, page: _Page, pieces: list[list[Candidate]]) -> list[list[Candidate]]:
        """The digits of the image, line by line, or the one digit that all its marks make."""
        usual = _find_usual_height(page.glyphs)
        num_asked = len(page.glyphs)

        def classify(glyphs: Sequence[Glyph]) -> list[Candidate]:
            nonlocal num_asked
            num_asked += len(glyphs)
            return self._classify(glyphs)

        lines = [choose_digits(line, usual, classify, MAX_GLYPHS - num_asked) for line in pieces]
        single = self._find_instead(page, lines, usual)
        if single is not None:
            return [[agree_on_digit(single, lambda: self.lines)]]
        if len(lines) > MAX_LINES:
            return lines
        return [
            self._read_line(parts, line, usual, classify)
            if num_asked < MAX_GLYPHS
            else [replace(one, certainty=0.0) for one in line]
            for parts, line in zip(page.pieces, lines, strict=True)
        ]

    def _find_instead(
        self, page: _Page, lines: list[list[Candidate]], usual: float
    ) -> Candidate | None:
        """The one digit that all marks make, if that is likelier than the digits found."""
        found = [one for line in lines for one in line]
        is_clear = len(found) == 1 and found[0].confidence >= CLEAR
        if is_clear or len(page.glyphs) > MAX_PIECES_OF_SINGLE:
            return None
        single = find_single_digit(page.decoded.pixels_HWC, page.scene, self._classify)
        bodies = [one for one in found if self._may_be_digit(one, usual)]
        return single if single and is_likelier(single, found, bodies, usual) else None

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


def _segment(decoded: Decoded, *, single: bool) -> _Page | Reading:
    """What there is on an image, or its reading if there is nothing, or far too much."""
    ink = find_ink(decoded.pixels_HWC)
    if ink.is_blank:
        return Reading(Status.BLANK, message=NOTHING)
    scene = Scene(ink, find_marks(ink))
    if single:
        glyph = scene.find_single()
        return _Page(decoded, scene, [[glyph]] if glyph else [], is_single=True)
    pieces = scene.find_lines()
    if sum(map(len, pieces)) > MAX_PIECES:
        message = f"expected digits, found more than {MAX_PIECES} marks; cut a sheet into parts"
        return Reading(Status.NOT_DIGITS, message=message)
    return _Page(decoded, scene, pieces, is_single=False)


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
