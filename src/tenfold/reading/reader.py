"""Read digits from images: the pipeline behind `tenfold read`, the HTTP API and the web page."""

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
from tenfold.reading.components import find_components
from tenfold.reading.decision import BLANK_MESSAGE, IGNORED_MESSAGE, decide, has_ignored_marks
from tenfold.reading.decoding import Decoded, decode, decode_array, decode_image, read_bytes
from tenfold.reading.digit_classifier import Classifier, load_classifier
from tenfold.reading.digit_image import normalise_digit
from tenfold.reading.fusion import fuse_digit, fuse_line
from tenfold.reading.glyphs import Glyph, PageComponents, is_filled_blob
from tenfold.reading.ink import find_ink
from tenfold.reading.lattice import (
    LOW_HEIGHT,
    MAX_DIGIT_WIDTH,
    Candidate,
    Classify,
    find_best_path,
)
from tenfold.reading.layout import find_text_lines
from tenfold.reading.line_reader import LineReader, load_line_reader
from tenfold.reading.result import Reading, Status
from tenfold.reading.single_digit import CLEAR_CONFIDENCE, find_single_digit, is_likelier

Source = str | Path | bytes | npt.NDArray[Any] | Image.Image

# Limits that keep a reading within two seconds, measured. A full sheet of digits has some hundreds
# of glyphs; a thousand are classified, with their fragments and runs, in about a second.
MAX_GLYPHS, MAX_CLASSIFIED = 1000, 1300
MAX_LINES = 60  # with more, no line is read as a whole; a page of writing has fewer
# Images are classified together until one of these limits is reached.
BATCH_IMAGES, BATCH_PIXELS = 32, 1_000_000
# Chosen by eye on photos, symbols and fonts.
MAX_SINGLE_GLYPHS = 8  # an image with more glyphs does not show one digit
MIN_DIGIT_ASPECT = 0.52  # width over height of digits that share a lone glyph: a B is not a 13
BLOB_FACTOR = 0.05  # on the digit probabilities of a filled blob


@dataclass(frozen=True)
class _Page:
    """An image before classification: its glyphs in text lines.

    `is_single` says that it is known to show one digit, which is the one glyph, if any.
    """

    decoded: Decoded
    components: PageComponents
    lines: list[list[Glyph]]
    is_single: bool

    @property
    def glyphs(self) -> list[Glyph]:
        return list(chain.from_iterable(self.lines))

    @property
    def digit_height(self) -> float:
        """The digits' height as the glyphs tell it: the median height of all but low glyphs.

        Other than `PageComponents.component_height`, it knows which components are one glyph.
        """
        heights = [glyph.height for glyph in self.glyphs]
        if not heights:
            return 1.0
        return float(np.median([height for height in heights if height > 0.4 * max(heights)]))


class Reader:
    """Reads handwritten digits from images.

    `model` is a file that `tenfold export` wrote, or a loaded model, by default Tenfold's own;
    `lines` likewise, for the network that reads text lines. `threads` is the number of threads
    that a network uses. Raises ModelError for a file that cannot be used.
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
            lines = load_line_reader(Path(lines), threads)
        self._lines = lines

    @property
    def lines(self) -> LineReader:
        """The network that reads text lines; the bundled one is loaded when it is first needed."""
        if self._lines is None:
            self._lines = load_line_reader(None, self.threads)
        return self._lines

    def read(self, source: Source, *, single: bool = False) -> Reading:
        """Read an image: a path, a file's bytes, an array (see `decode_array`), a Pillow image.

        `single` says that the image shows one digit. An image that cannot be decoded gives a
        reading with status error.
        """
        try:
            decoded = _decode(source)
        except (ImageError, MissingExtraError) as error:
            return Reading(Status.ERROR, message=str(error))
        return self.read_decoded(decoded, single=single)

    def read_decoded(self, decoded: Decoded, *, single: bool = False) -> Reading:
        """Read decoded pixels."""
        page = self._segment(decoded, single)  # find ink, find components, lay out glyphs
        if isinstance(page, Reading):  # blank, or too many glyphs
            return page
        candidates = self._classify(page.glyphs)  # probabilities of each glyph
        return self._recognise(page, candidates)  # best paths, fusion, decision

    def _segment(self, decoded: Decoded, single: bool) -> _Page | Reading:
        """Find the glyphs of an image; a reading if it is blank or has too many of them."""
        ink = find_ink(decoded.pixels_HWC)
        if ink.is_blank:
            return Reading(Status.BLANK, message=BLANK_MESSAGE)
        components = PageComponents(ink, find_components(ink))
        if single:
            glyph = components.find_main_glyph()
            return _Page(decoded, components, [[glyph]] if glyph else [], is_single=True)
        lines = find_text_lines(components)
        if sum(map(len, lines)) > MAX_GLYPHS:
            message = f"more than {MAX_GLYPHS} marks; cut the image into parts"
            return Reading(Status.NOT_DIGITS, message=message)
        return _Page(decoded, components, lines, is_single=False)

    def _recognise(self, page: _Page, candidates: list[Candidate]) -> Reading:
        """Turn classified glyphs into a reading: best paths, fusion of both networks, decision."""
        rest = iter(candidates)
        lines = [list(islice(rest, len(line))) for line in page.lines]
        classify = _CountingClassifier(self._classify, len(candidates))
        paths = self._find_best_paths(page, lines, classify)
        single = self._try_as_single_digit(page, paths)
        if single is not None:
            fused = [[fuse_digit(single, lambda: self.lines)]]
        else:
            fused = self._fuse_lines(page, paths, classify)
        return self._decide(page, fused)

    def read_many(self, sources: Iterable[Source], *, single: bool = False) -> Iterator[Reading]:
        """Read images one after another, as `read` does, but classify small ones together.

        That takes less time: a network is faster on a batch, and each time it runs it evicts
        everything else from the processor's caches.
        """
        batch: list[_Page | Reading] = []
        num_pixels = 0
        for source in sources:
            try:
                decoded = _decode(source)
                num_pixels += decoded.pixels_HWC.shape[0] * decoded.pixels_HWC.shape[1]
                batch.append(self._segment(decoded, single))
            except (ImageError, MissingExtraError) as error:
                batch.append(Reading(Status.ERROR, message=str(error)))
            if len(batch) >= BATCH_IMAGES or num_pixels > BATCH_PIXELS:
                yield from self._read_batch(batch)
                batch, num_pixels = [], 0
        yield from self._read_batch(batch)

    def _read_batch(self, batch: Sequence[_Page | Reading]) -> Iterator[Reading]:
        glyphs = [glyph for page in batch if isinstance(page, _Page) for glyph in page.glyphs]
        candidates = iter(self._classify(glyphs))
        for page in batch:
            if isinstance(page, Reading):
                yield page
            else:
                yield self._recognise(page, list(islice(candidates, len(page.glyphs))))

    def find_single_digit(self, decoded: Decoded) -> Candidate | None:
        """The digit of an image that shows one, as the digit classifier sees it; None if blank."""
        ink = find_ink(decoded.pixels_HWC)
        if ink.is_blank:
            return None
        page = PageComponents(ink, find_components(ink))
        return find_single_digit(decoded.pixels_HWC, page, self._classify)

    def _classify(self, glyphs: Sequence[Glyph]) -> list[Candidate]:
        if not glyphs:
            return []
        images = np.stack([normalise_digit(glyph.strength_HW) for glyph in glyphs])
        probabilities_NK = self.classifier.classify(images)
        if probabilities_NK.shape[1] > NUM_CLASSES:
            # Normalisation thins strokes, which makes a ring of a filled blob.
            for glyph, probabilities_K in zip(glyphs, probabilities_NK, strict=True):
                if is_filled_blob(glyph):
                    probabilities_K *= BLOB_FACTOR
                    probabilities_K[NUM_CLASSES] += 1 - BLOB_FACTOR
        return [Candidate(*one) for one in zip(glyphs, images, probabilities_NK, strict=True)]

    def _find_best_paths(
        self, page: _Page, lines: list[list[Candidate]], classify: "_CountingClassifier"
    ) -> list[list[Candidate]]:
        """The likeliest digits of each text line, from its glyphs."""
        if page.is_single:
            return lines
        height = page.digit_height
        return [find_best_path(line, height, classify, classify.num_left) for line in lines]

    def _try_as_single_digit(self, page: _Page, paths: list[list[Candidate]]) -> Candidate | None:
        """The one digit of an image that is known to show one, or that more likely shows one."""
        pixels_HWC, found = page.decoded.pixels_HWC, [one for path in paths for one in path]
        if page.is_single:
            first = found[0] if found else None
            return find_single_digit(pixels_HWC, page.components, self._classify, first)
        is_clear = len(found) == 1 and found[0].confidence >= CLEAR_CONFIDENCE
        if is_clear or len(page.glyphs) > MAX_SINGLE_GLYPHS:
            return None
        single = find_single_digit(pixels_HWC, page.components, self._classify)
        tall = [one for one in found if self._may_be_digit(one, page.digit_height)]
        if single is not None and is_likelier(single, found, tall, page.digit_height):
            return single
        return None

    def _fuse_lines(
        self, page: _Page, paths: list[list[Candidate]], classify: "_CountingClassifier"
    ) -> list[list[Candidate]]:
        """Paths with the line reader's say in them, as far as the image's limits allow."""
        if len(paths) > MAX_LINES:
            return paths
        return [
            self._fuse_line(glyphs, path, page.digit_height, classify)
            if classify.num_left > 0
            else [replace(one, line_confidence=0.0) for one in path]
            for glyphs, path in zip(page.lines, paths, strict=True)
        ]

    def _fuse_line(
        self, glyphs: list[Glyph], path: list[Candidate], digit_height: float, classify: Classify
    ) -> list[Candidate]:
        if len(glyphs) == 1 and glyphs[0].width < MAX_DIGIT_WIDTH * digit_height:
            fused = [fuse_digit(one, lambda: self.lines) for one in path]
        else:
            digits = [one for one in path if self._may_be_digit(one, digit_height)]
            if not digits:
                return path
            fused = fuse_line(glyphs, digits, self.lines, classify)
        is_alone = len(glyphs) == 1 and len(fused) > 1
        if is_alone and glyphs[0].width < MIN_DIGIT_ASPECT * glyphs[0].height * len(fused):
            return [replace(one, line_confidence=0.0) for one in fused]
        return fused

    def _may_be_digit(self, one: Candidate, digit_height: float) -> bool:
        """Whether it is as high as digits, or a clear digit, so not a dot or a dash."""
        is_low = one.glyph.height < LOW_HEIGHT * digit_height
        return not is_low or one.confidence >= self.classifier.thresholds.read

    def _decide(self, page: _Page, lines: list[list[Candidate]]) -> Reading:
        """The reading of a page, with boxes in the pixels of the image as it was given."""
        # Without a line reader that is loaded, no candidate has a line confidence above 0.
        line_threshold = self._lines.thresholds.read if self._lines is not None else 1.0
        reading = decide(lines, self.classifier.thresholds, line_threshold)
        is_checked = reading.status == Status.READ and not page.is_single
        if is_checked and has_ignored_marks(page.components, page.glyphs, reading.digits):
            reading = replace(reading, message=IGNORED_MESSAGE)
        scale = page.decoded.reduction
        if scale == 1:
            return reading
        digits = []
        for digit in reading.digits:
            left, top, right, bottom = (round(value * scale) for value in digit.box)
            digits.append(replace(digit, box=(left, top, right, bottom)))
        return replace(reading, digits=tuple(digits))


class _CountingClassifier:
    """Classifies glyphs of one page and counts how many more may be classified."""

    def __init__(self, classify: Classify, num_classified: int) -> None:
        self.classify, self.num_left = classify, MAX_CLASSIFIED - num_classified

    def __call__(self, glyphs: Sequence[Glyph]) -> list[Candidate]:
        self.num_left -= len(glyphs)
        return self.classify(glyphs)


def _decode(source: Source) -> Decoded:
    if isinstance(source, bytes | bytearray | memoryview):
        return decode(source)
    if isinstance(source, Image.Image):
        return decode_image(source)
    if isinstance(source, np.ndarray):
        return decode_array(source)
    return decode(read_bytes(Path(source)))
