"""A layer of ruled lines: tables, combs, frames, and curves around writing, at any strength.

Ink is float32 from 0 to 1. Array names carry their axes: H rows, W columns.
"""

import itertools
import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.synthetic.canvas import InkMap
from tenfold.synthetic.strokes import Rng

PageBox = tuple[float, float, float, float]  # left, top, right, bottom
Point = tuple[float, float]
Positions = npt.NDArray[np.floating]


@dataclass
class RuleLayer:
    """The ink of all lines of a page that are no writing; widths are in pixels."""

    ink_HW: InkMap
    rng: Rng

    def choose_thickness(self, row_px: float) -> float:
        """A width of lines around rows of that height."""
        rng, u = self.rng, self.rng.uniform
        share = (
            u(0.08, 0.16) if rng.random() < 0.12 else math.exp(u(math.log(0.008), math.log(0.09)))
        )
        return min(max(1, row_px * share), 9)

    def draw_line(self, start: Point, end: Point, thickness: float, strength: float = 1.0) -> None:
        """Draw a straight line; one of less strength lies behind all others."""
        layer_HW = self.ink_HW if strength == 1 else np.zeros_like(self.ink_HW)
        draw_polyline(layer_HW, np.array([start, end]), thickness)
        if strength < 1:
            np.maximum(self.ink_HW, layer_HW * np.float32(strength), out=self.ink_HW)

    def draw_curve(self, points: npt.NDArray[np.float64], thickness: float) -> None:
        """Draw a line through points, float64 [P, 2]."""
        draw_polyline(self.ink_HW, points, thickness)

    def draw_frame(self, box: PageBox, thickness: float, wobble: float = 0.0) -> None:
        """Draw the sides of a box, by hand if they wobble by some pixels."""
        left, top, right, bottom = box
        corners = np.array(
            [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        )
        if wobble:
            corners += self.rng.normal(0, wobble, corners.shape)
            between = np.linspace(0, 1, 8)[:, None]
            sides = [a + (b - a) * between for a, b in itertools.pairwise(corners)]
            corners = np.concatenate(sides) + self.rng.normal(0, wobble / 5, (32, 2))
        self.draw_curve(corners, thickness)

    def draw_table(self, xs: Positions, ys: Positions, thickness: float) -> None:
        """Draw the lines of a table, or of its rows alone."""
        rng, u = self.rng, self.rng.uniform

        def wobble() -> float:
            return float(rng.normal(0, 0.25))

        for y in ys:
            self.draw_line((xs[0] + wobble(), y + wobble()), (xs[-1] + wobble(), y), thickness)
            if rng.random() < 0.04:
                below = y + 2.5 * thickness
                self.draw_line((xs[0], below), (xs[-1], below), thickness)
        if rng.random() < 0.16:  # rows without columns
            return
        upright = thickness if rng.random() < 0.7 else max(1, thickness * u(0.4, 1.6))
        for x in xs:
            self.draw_line((x + wobble(), ys[0]), (x + wobble(), ys[-1]), upright)

    def draw_comb(
        self,
        xs: Positions,
        top: float,
        bottom: float,
        tooth: float,
        side: float,
        thickness: float,
    ) -> None:
        """Draw a base line with teeth at `xs`; the two at the ends are `side` high, not `tooth`."""
        self.draw_line((xs[0], bottom), (xs[-1], bottom), thickness)
        for number, x in enumerate(xs):
            above = side if number in (0, len(xs) - 1) else tooth
            self.draw_line((x, max(top, bottom - above)), (x, bottom), thickness)


def draw_polyline(layer_HW: InkMap, points: npt.NDArray[np.float64], thickness: float) -> None:
    """Draw a line through points, float64 [P, 2], at full strength."""
    fraction_bits = 4
    at = [np.round(points * 2**fraction_bits).astype(np.int32)]
    width = max(1, round(thickness))
    cv2.polylines(layer_HW, at, False, 1.0, width, cv2.LINE_AA, fraction_bits)
