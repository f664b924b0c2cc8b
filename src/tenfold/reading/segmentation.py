"""An image before classification: its glyphs in text lines, and the way back to its pixels."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import numpy as np

from tenfold.reading.decoding import Decoded
from tenfold.reading.glyphs import Box, Glyph, PageComponents
from tenfold.reading.grid import find_cells
from tenfold.reading.orientation import Matrix, map_box
from tenfold.reading.result import Cell
from tenfold.reading.settings import Settings


@dataclass(frozen=True)
class Segmentation:
    """An image before classification: its glyphs in text lines.

    If the settings say that it shows one digit, there is at most one glyph. `to_upright` maps
    points of an image that was turned, because its lines slope, to those of the upright one.
    `is_cell`: it is a cell of a table that is upright, with digits beside each other.
    """

    decoded: Decoded
    page: PageComponents
    lines: list[list[Glyph]]
    settings: Settings
    to_upright: Matrix | None = None
    is_cell: bool = False

    @property
    def is_single(self) -> bool:
        """Whether the caller said that it shows one digit."""
        return self.settings.single

    @property
    def glyphs(self) -> list[Glyph]:
        """The glyphs of all lines."""
        return list(chain.from_iterable(self.lines))

    @cached_property
    def digit_height(self) -> float:
        """An estimate of the digits' height: the median height of all but low glyphs.

        Unlike `PageComponents.component_height`, it takes into account which components form one
        glyph.
        """
        heights = [glyph.height for glyph in self.glyphs]
        if not heights:
            return 1.0
        return float(np.median([height for height in heights if height > 0.4 * max(heights)]))

    def find_cells(self) -> tuple[Cell, ...]:
        """The cells of a grid, with boxes in pixels of the upright image at its original size."""
        if self.is_single or self.is_cell or self.page.page_map is None:
            return ()
        cells = find_cells(self.page.ink.unmasked_HW, self.page.page_map, self.digit_height)
        return tuple(replace(cell, box=self.to_original(cell.box)) for cell in cells)

    def to_original(self, box: Box) -> Box:
        """A box in pixels of the upright image at its original size."""
        moved = box if self.to_upright is None else map_box(box, self.to_upright)
        left, top, right, bottom = (round(value * self.decoded.reduction) for value in moved)
        return left, top, right, bottom
