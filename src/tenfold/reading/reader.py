"""Read digits from images: the pipeline behind `tenfold read`, the HTTP API and the web page."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Unpack

import numpy as np

from tenfold.digits import NUM_CLASSES
from tenfold.errors import ImageError, MissingExtraError
from tenfold.reading.components import find_components
from tenfold.reading.decision import BLANK_MESSAGE, IGNORED_MESSAGE, decide, has_ignored_marks
from tenfold.reading.decoding import Decoded
from tenfold.reading.digit_classifier import Classifier, load_classifier
from tenfold.reading.digit_image import normalise_digit
from tenfold.reading.doubts import CUT_NOTE, FOREIGN_DOUBT, doubt_raised_ends, leave_out_cut_lines
from tenfold.reading.glyphs import Glyph, PageComponents, is_filled_blob
from tenfold.reading.ink import Ink, Pixels, find_ink
from tenfold.reading.lattice import (
    Candidate,
    DigitPath,
    build_lattice,
    find_best_path,
    mark_doubtful,
)
from tenfold.reading.layout import find_text_lines
from tenfold.reading.line_fusion import Effort, LineFusion, may_be_digit
from tenfold.reading.line_reader import LineReader, load_line_reader
from tenfold.reading.orientation import find_slope, shows_way_up, turn
from tenfold.reading.page_segmenter import MIN_SIDE_PX, PageMap, load_page_segmenter
from tenfold.reading.result import ReadDigit, Reading, ReadSign, Status, part_cells
from tenfold.reading.segmentation import Segmentation
from tenfold.reading.settings import DecimalSign, ReadingOptions, Settings, build_settings
from tenfold.reading.single_digit import (
    CLEAR_CONFIDENCE,
    are_clear_digits,
    find_single_digit,
    is_likelier,
)
from tenfold.reading.sources import Page, Source, decode_source, split_pages
from tenfold.reading.table import read_table
from tenfold.reading.table_result import Table
from tenfold.reading.text_line import TextLine

# Limits that keep a reading within four seconds, measured. A full sheet of digits has hundreds
# of glyphs; a thousand are classified, with their fragments and runs, in about a second.
MAX_GLYPHS, MAX_CLASSIFIED = 1000, 1300
MAX_TURNED_PX = 1500  # of them, in an image that is tried upside down
BATCH_IMAGES, BATCH_PIXELS = 32, 1_000_000  # at which limit images are classified together
# Chosen by eye on photos, symbols and fonts.
MIN_TURNED_GLYPHS, MAX_TURNED_GLYPHS = 2, 40  # of an image that is tried upside down
PLAUSIBLE = 0.5  # confidence of a digit that may be upright
FEW_DIGITS, MAX_CLEAR_SHARE = 8, 0.67  # with more digits, and more of them clear, it is upright
MAX_SINGLE_GLYPHS = 8  # an image with more glyphs does not show one digit
BLOB_FACTOR = 0.05  # on the digit probabilities of a filled blob


class Reader:
    """Reads handwritten digits, and the signs beside them, from images.

    `model` is a file that `tenfold export` wrote, or a loaded model, by default Tenfold's own;
    `lines` likewise a file of `tools/train_reading.py`, for the network that reads text lines.
    `threads` is the number of threads that a network uses. Raises ModelError for a file that cannot
    be used.
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

    def read(
        self,
        source: Source,
        *,
        single: bool = False,
        expect: str | None = None,
        signs: bool = True,
        decimal: DecimalSign = ".",
    ) -> Reading:
        """Read an image, or the first page of a file with several, as its message then says.

        `source` is a path, the bytes of a file, an open binary file, a Pillow image, of which the
        current frame is read, or an array or tensor: [H, W], [H, W, C] or [C, H, W], of booleans,
        integers or floats. White is found from the values: masks of 0 and 1, floats up to 1 or 255,
        and integers of 8 to 16 bits are what they look like.

        `single` says that the image shows one digit. `expect` is a pattern that every line fits, as
        in `tenfold.reading.pattern`. Without `signs` only digits are read. `decimal` is the decimal
        sign, "." or ",", of numbers whose value would be ambiguous, such as 1,234.

        An image that cannot be decoded gives a reading with status error. Raises ImageTypeError, a
        TypeError, for other objects, and PatternError, a TenfoldError, for a pattern that is none.
        """
        settings = build_settings(single=single, expect=expect, signs=signs, decimal=decimal)
        try:
            decoded = decode_source(source)
        except (ImageError, MissingExtraError) as error:
            return _refuse(source, error)
        return self._read_decoded(decoded, settings)

    def read_pages(self, source: Source, **options: Unpack[ReadingOptions]) -> Iterator[Reading]:
        """Read all pages of a PDF or TIFF file, one after another; other images have one.

        A page that cannot be decoded gives a reading with status error. The options are those of
        `read`.
        """
        for page in split_pages(source):
            yield self.read(page, **options)

    def read_table(self, source: Source, **options: Unpack[ReadingOptions]) -> Table:
        """Read a table: the cells of a grid, or numbers in columns; see `Table`.

        `source` and the options are those of `read`; `single` says that a cell has one digit, and
        `expect` is what every cell has. An image that cannot be decoded gives a table with status
        error.
        """
        settings = build_settings(**options)
        try:
            decoded = decode_source(source)
        except (ImageError, MissingExtraError) as error:
            refused = _refuse(source, error)
            return Table(refused.status, (), refused.message, refused.page, refused.num_pages)
        read_cells = partial(self._read_cells, settings=settings)
        # The pattern is that of a cell, and not of a line.
        read_whole = partial(self._read_decoded, settings=replace(settings, pattern=None))
        segmenter = load_page_segmenter(None, self.threads)
        return read_table(
            decoded, self._find_components, segmenter, read_cells, read_whole, settings
        )

    def _read_cells(
        self, views: Sequence[tuple[Pixels, PageMap]], *, settings: Settings
    ) -> Iterator[Reading]:
        """Read pictures of cells of one page, by the page's map; all of them are upright."""
        for start in range(0, len(views), BATCH_IMAGES):
            batch: list[Segmentation | Reading] = []
            for pixels_HWC, page_map in views[start : start + BATCH_IMAGES]:
                batch.append(self._segment(Decoded(pixels_HWC), settings, page_map))
            yield from self._read_batch(batch)

    def read_decoded(self, decoded: Decoded, **options: Unpack[ReadingOptions]) -> Reading:
        """Read decoded pixels, with the options of `read`."""
        return self._read_decoded(decoded, build_settings(**options))

    def _read_decoded(self, decoded: Decoded, settings: Settings) -> Reading:
        segmented = self._segment(decoded, settings)  # find ink, find components, lay out glyphs
        if isinstance(segmented, Reading):  # blank, or too many glyphs
            return _add_page(segmented, decoded)
        candidates = self._classify(segmented.glyphs)  # probabilities of each glyph
        reading = self._recognise(segmented, candidates)  # best paths, fusion, decision, turning
        return _add_page(reading, decoded)

    def _segment(
        self, decoded: Decoded, settings: Settings, page_map: PageMap | None = None
    ) -> Segmentation | Reading:
        """Find the glyphs of an image; a reading if it is blank or has too many of them.

        The map of a cell is part of its page's.
        """
        page = self._find_components(decoded.pixels_HWC, page_map)
        if page is None:
            return Reading(Status.BLANK, message=BLANK_MESSAGE)
        if settings.single:
            glyph = page.find_main_glyph()
            return Segmentation(decoded, page, [[glyph]] if glyph else [], settings)
        slope = find_slope(page) if page_map is None else None
        if slope:
            pixels_HWC, to_upright = turn(decoded.pixels_HWC, slope)
            decoded = replace(decoded, pixels_HWC=pixels_HWC)
            page = self._find_components(pixels_HWC) or page
        lines = find_text_lines(page)
        if sum(map(len, lines)) > MAX_GLYPHS:
            message = f"more than {MAX_GLYPHS} marks; cut the image into parts"
            return Reading(Status.NOT_DIGITS, message=message)
        is_cell = page_map is not None
        return Segmentation(decoded, page, lines, settings, to_upright if slope else None, is_cell)

    def find_ink(self, pixels_HWC: Pixels) -> Ink:
        """The ink of the writing in pixels, uint8 [H, W, 3]."""
        return self._find_ink(pixels_HWC)[0]

    def _find_ink(
        self, pixels_HWC: Pixels, page_map: PageMap | None = None
    ) -> tuple[Ink, PageMap | None]:
        height, width = pixels_HWC.shape[:2]
        if max(height, width) < MIN_SIDE_PX:  # the crop of a digit
            return find_ink(pixels_HWC), None
        if page_map is None:
            page_map = load_page_segmenter(None, self.threads).segment(pixels_HWC)
        return find_ink(pixels_HWC, text_HW=page_map.find_text(height, width)), page_map

    def _find_components(
        self, pixels_HWC: Pixels, page_map: PageMap | None = None
    ) -> PageComponents | None:
        """The components of the writing; None if nothing stands out from the paper."""
        ink, page_map = self._find_ink(pixels_HWC, page_map)
        return None if ink.is_blank else PageComponents(ink, find_components(ink), page_map)

    def _recognise(self, segmented: Segmentation, candidates: list[Candidate]) -> Reading:
        """The reading of classified glyphs, or of the image turned, if only that is sure."""
        effort = Effort(self._classify, MAX_CLASSIFIED - len(candidates))
        reading = self._recognise_upright(segmented, candidates, effort)
        if effort.line_px <= MAX_TURNED_PX and self._may_be_turned(segmented, reading):
            segmented, reading = self._try_other_ways_up(segmented, reading)
        return part_cells(replace(reading, cells=segmented.find_cells()))

    def _recognise_upright(
        self, segmented: Segmentation, candidates: list[Candidate], effort: Effort
    ) -> Reading:
        """Turn classified glyphs into a reading: best paths, fusion of all networks, decision."""
        rest = iter(candidates)
        lines = [list(islice(rest, len(line))) for line in segmented.lines]
        paths = self._find_best_paths(segmented, lines, effort)
        threshold = self.classifier.thresholds.read
        fusion = LineFusion(segmented, lambda: self.lines, threshold, effort)
        single = self._try_as_single_digit(segmented, [path.digits for path in paths])
        fused = fusion.fuse_lines(paths) if single is None else [fusion.fuse_single(single)]
        return self._decide(segmented, fused)

    def read_many(
        self, sources: Iterable[Source], **options: Unpack[ReadingOptions]
    ) -> Iterator[Reading]:
        """Read images one after another, as `read` does, but classify small ones together.

        That takes less time: a network is faster on a batch, and each time it runs it evicts
        everything else from the processor's caches.
        """
        settings = build_settings(**options)
        batch: list[Segmentation | Reading] = []
        num_pixels = 0
        for source in sources:
            try:
                decoded = decode_source(source)
                num_pixels += decoded.pixels_HWC.shape[0] * decoded.pixels_HWC.shape[1]
                item = self._segment(decoded, settings)
                batch.append(_add_page(item, decoded) if isinstance(item, Reading) else item)
            except (ImageError, MissingExtraError) as error:
                batch.append(_refuse(source, error))
            if len(batch) >= BATCH_IMAGES or num_pixels > BATCH_PIXELS:
                yield from self._read_batch(batch)
                batch, num_pixels = [], 0
        yield from self._read_batch(batch)

    def _read_batch(self, batch: Sequence[Segmentation | Reading]) -> Iterator[Reading]:
        glyphs = [
            glyph for item in batch if isinstance(item, Segmentation) for glyph in item.glyphs
        ]
        candidates = iter(self._classify(glyphs))
        for item in batch:
            if isinstance(item, Reading):
                yield item
            else:
                reading = self._recognise(item, list(islice(candidates, len(item.glyphs))))
                yield _add_page(reading, item.decoded)

    def _try_other_ways_up(
        self, segmented: Segmentation, reading: Reading
    ) -> tuple[Segmentation, Reading]:
        """The image turned upside down or on its side, if its reading is sure; else as it is."""
        # Digits upside down hardly look like digits.
        is_upright = FOREIGN_DOUBT not in (reading.message or "")
        is_upright &= all(digit.confidence >= PLAUSIBLE for digit in reading.digits)
        for degrees in (90, 270) if is_upright else (180, 90, 270):
            pixels_HWC, to_upright = turn(segmented.decoded.pixels_HWC, degrees)
            turned = replace(segmented.decoded, pixels_HWC=pixels_HWC)
            other = self._segment(turned, segmented.settings)
            if isinstance(other, Reading) or other.to_upright is not None:
                continue
            other = replace(other, to_upright=to_upright)
            effort = Effort(self._classify, MAX_CLASSIFIED - len(other.glyphs))
            found = self._recognise_upright(other, self._classify(other.glyphs), effort)
            if found.status == Status.READ and shows_way_up(found.digits):
                message = f"read after turning the image by {degrees} degrees"
                return other, replace(found, message=message)
        return segmented, reading

    def _may_be_turned(self, segmented: Segmentation, reading: Reading) -> bool:
        """Whether the doubts about a reading may come from an image that is not upright."""
        is_doubtful = reading.status in (Status.UNCERTAIN, Status.NOT_DIGITS)
        if segmented.is_single or segmented.is_cell or not is_doubtful:
            return False
        if not MIN_TURNED_GLYPHS <= len(segmented.glyphs) <= MAX_TURNED_GLYPHS:
            return False
        if all(digit.is_sure for digit in reading.digits):  # signs are doubtful
            return False
        threshold, num_digits = self.classifier.thresholds.read, len(reading.digits)
        num_clear = sum(digit.confidence >= threshold for digit in reading.digits)
        is_clear = num_clear == num_digits > 1 and FOREIGN_DOUBT not in (reading.message or "")
        is_possible = num_digits <= FEW_DIGITS or num_clear <= MAX_CLEAR_SHARE * num_digits
        return is_possible and not is_clear

    def find_single_digit(self, decoded: Decoded) -> Candidate | None:
        """The digit of an image that shows one, as the digit classifier sees it; None if blank."""
        page = self._find_components(decoded.pixels_HWC)
        if page is None:
            return None
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
        return [
            Candidate(*classified)
            for classified in zip(glyphs, images, probabilities_NK, strict=True)
        ]

    def _find_best_paths(
        self,
        segmented: Segmentation,
        lines: list[list[Candidate]],
        effort: Effort,
    ) -> list[DigitPath]:
        """The likeliest digits of each text line, from its glyphs."""
        if segmented.is_single:
            return list(map(DigitPath, lines))
        height, pattern = segmented.digit_height, segmented.settings.pattern
        automaton = None if pattern is None else pattern.digits_automaton
        return [
            find_best_path(build_lattice(line, height, effort, effort.num_left), height, automaton)
            for line in lines
        ]

    def _try_as_single_digit(
        self, segmented: Segmentation, paths: list[list[Candidate]]
    ) -> Candidate | None:
        """The one digit of an image that is known to show one, or that more likely shows one."""
        pixels_HWC = segmented.decoded.pixels_HWC
        found = list(chain.from_iterable(paths))
        if segmented.is_single:
            first = found[0] if found else None
            return find_single_digit(pixels_HWC, segmented.page, self._classify, first)
        is_clear = len(found) == 1 and found[0].confidence >= CLEAR_CONFIDENCE
        if is_clear or len(segmented.glyphs) > MAX_SINGLE_GLYPHS:
            return None
        height, threshold = segmented.digit_height, self.classifier.thresholds.read
        tall = [each for each in found if may_be_digit(each, height, threshold)]
        if are_clear_digits(tall):
            return None
        single = find_single_digit(pixels_HWC, segmented.page, self._classify)
        return single if single and is_likelier(single, found, tall, height) else None

    def _decide(self, segmented: Segmentation, lines: list[TextLine]) -> Reading:
        """The reading of a page, with boxes in pixels of the upright image at its original size."""
        # If no line reader has been loaded, no candidate has a line confidence above 0.
        line_threshold = self._lines.thresholds.read if self._lines is not None else 1.0
        if (page_map := segmented.page.page_map) and not page_map.is_clear:
            lines = [replace(line, digits=mark_doubtful(line.digits)) for line in lines]
        height, thresholds = segmented.decoded.pixels_HWC.shape[0], self.classifier.thresholds
        whole = leave_out_cut_lines(lines, height, thresholds.read)
        reading = decide(doubt_raised_ends(whole), thresholds, line_threshold, segmented.settings)
        if len(whole) < len(lines):
            status = Status.UNCERTAIN if reading.status == Status.READ else reading.status
            reading = replace(reading, status=status).add_note(CUT_NOTE)
        is_checked = reading.status == Status.READ and not segmented.is_single
        read: list[ReadDigit | ReadSign] = [*reading.digits, *reading.signs]
        if is_checked and has_ignored_marks(segmented.page, segmented.glyphs, read):
            reading = reading.add_note(IGNORED_MESSAGE)
        digits = tuple(replace(one, box=segmented.to_original(one.box)) for one in reading.digits)
        signs = tuple(replace(one, box=segmented.to_original(one.box)) for one in reading.signs)
        return replace(reading, digits=digits, signs=signs, decimal=segmented.settings.decimal)


def _refuse(source: Source, error: Exception) -> Reading:
    reading = Reading(Status.ERROR, message=str(error))
    if isinstance(source, Page):
        return replace(reading, page=source.number, num_pages=source.num_pages)
    return reading


def _add_page(reading: Reading, decoded: Decoded) -> Reading:
    """Say which page was read, or in the message that others were not read."""
    return replace(reading.add_note(decoded.note), page=decoded.page, num_pages=decoded.num_pages)
