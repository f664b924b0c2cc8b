"""From the paths of an image's text lines to fused lines, within the limits of an image."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tenfold.reading.decision import has_ignored_marks
from tenfold.reading.fusion import (
    add_signs,
    drop_covered_lines,
    fuse_digit,
    fuse_line,
    fuse_lone_digit,
)
from tenfold.reading.glyphs import Glyph, merge
from tenfold.reading.lattice import (
    LOW_HEIGHT,
    MAX_DIGIT_WIDTH,
    Candidate,
    Classify,
    DigitPath,
    mark_doubtful,
)
from tenfold.reading.line_image import HEIGHT_PX, MAX_WIDTH_PX
from tenfold.reading.line_reader import LineReader
from tenfold.reading.segmentation import Segmentation
from tenfold.reading.text_line import TextLine

# Limits that keep a reading within four seconds, measured.
MAX_LINES = 60  # with more, no line is read as a whole; a page of writing has fewer
MAX_LINES_PX = 14_000  # width of all line images: twenty lines of ten digits
# Chosen by eye on photos, symbols and fonts.
MIN_DIGIT_ASPECT = 0.52  # width over height of digits that share a lone glyph: a B is not a 13


class Effort:
    """Classifies glyphs of one page; counts how many more may be, and the pixels of line images."""

    def __init__(self, classify: Classify, num_left: int) -> None:
        self.classify, self.num_left = classify, num_left
        self.line_px = 0.0

    def __call__(self, glyphs: Sequence[Glyph]) -> list[Candidate]:
        """Classify glyphs."""
        self.num_left -= len(glyphs)
        return self.classify(glyphs)


@dataclass(frozen=True)
class LineFusion:
    """Fuses the lines of an image. The line reader is loaded only if it is needed.

    A glyph of `threshold` confidence is clearly a digit.
    """

    segmented: Segmentation
    load_line_reader: Callable[[], LineReader]
    threshold: float
    effort: Effort

    def fuse_single(self, candidate: Candidate) -> TextLine:
        """The line of an image that shows one digit."""
        settings, glyphs = self.segmented.settings, self.segmented.glyphs
        line = fuse_lone_digit(fuse_digit(candidate, self.load_line_reader), settings.pattern)
        return line if settings.single or len(glyphs) < 2 else self._add_signs(glyphs, line)

    def fuse_lines(self, paths: list[DigitPath]) -> list[TextLine]:
        """Fuse the paths with the line reader's results, as far as the image's limits allow."""
        if len(paths) > MAX_LINES:
            return [TextLine(path.likeliest) for path in paths]
        fused = [
            self._fuse_line(glyphs, path)
            if self.effort.num_left > 0
            else TextLine(mark_doubtful(path.likeliest))
            for glyphs, path in zip(self.segmented.lines, paths, strict=True)
        ]
        return drop_covered_lines(fused)

    def _fuse_line(self, glyphs: list[Glyph], path: DigitPath) -> TextLine:
        max_width = MAX_DIGIT_WIDTH * self.segmented.digit_height
        is_lone = len(glyphs) == 1 and glyphs[0].width < max_width
        if is_lone and len(path.digits) == 1:
            digit = fuse_digit(path.digits[0], self.load_line_reader)
            return self._add_signs(glyphs, fuse_lone_digit(digit, self.segmented.settings.pattern))
        if is_lone:
            line = TextLine([fuse_digit(each, self.load_line_reader) for each in path.likeliest])
        else:
            line = self._fuse_whole(glyphs, path)
        num = len(line.digits)
        is_split_glyph = len(glyphs) == 1 and num > 1
        if is_split_glyph and glyphs[0].width < MIN_DIGIT_ASPECT * glyphs[0].height * num:
            return replace(line, digits=mark_doubtful(line.digits))
        return line

    def _fuse_whole(self, glyphs: list[Glyph], path: DigitPath) -> TextLine:
        """A line that is read as a whole, unless it is too long or has no digits."""
        height, settings = self.segmented.digit_height, self.segmented.settings
        digits = [each for each in path.digits if may_be_digit(each, height, self.threshold)]
        if not digits:
            return TextLine(path.digits)
        crops = [merge(glyphs), self.segmented.page.crop_around(glyphs)]
        widths = [HEIGHT_PX * crop.width / crop.height for crop in crops]
        if max(widths) > MAX_WIDTH_PX or self.effort.line_px + sum(widths) > MAX_LINES_PX:
            return TextLine(mark_doubtful(path.likeliest))
        self.effort.line_px += sum(widths)
        line = fuse_line(
            crops,
            replace(path, digits=digits),
            self.load_line_reader(),
            self.effort,
            pattern=settings.pattern,
            reads_signs=settings.signs,
        )
        return replace(line, is_in_comb=self.segmented.page.is_in_comb(glyphs))

    def _add_signs(self, glyphs: Sequence[Glyph], line: TextLine) -> TextLine:
        """A line of one digit with the signs beside it, if there is anything beside it."""
        settings, [candidate], page = self.segmented.settings, line.digits, self.segmented.page
        if not settings.signs or candidate.confidence < self.threshold:
            return line
        if len(glyphs) == 1 and not has_ignored_marks(page, glyphs, [candidate.glyph]):
            return line
        crop = page.crop_around(glyphs)
        if HEIGHT_PX * crop.width / crop.height > MAX_WIDTH_PX:
            return line
        return add_signs(line, crop, self.load_line_reader(), settings.pattern)


def may_be_digit(candidate: Candidate, digit_height: float, threshold: float) -> bool:
    """Whether it is as high as digits, or a clear digit, so not a dot or a dash."""
    is_low = candidate.glyph.height < LOW_HEIGHT * digit_height
    return not is_low or candidate.confidence >= threshold
