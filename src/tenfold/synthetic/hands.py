"""One hand: digits of a line as one person writes them.

Digits come from one writer of MNIST, from pen strokes, from fonts, or from all of these. Ink is
float32 [H, W] from 0 to 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.data.handwriting import find_new_writers, load_pen_tracks, load_writers
from tenfold.data.mnist import load_part
from tenfold.synthetic.allographs import draw_strokes
from tenfold.synthetic.canvas import Images, InkMap, Labels, crop_to_ink
from tenfold.synthetic.characters import change_stroke_width, draw_font_character
from tenfold.synthetic.strokes import Rng, Stroke, spline, warp

MNIST_SCALE = 3  # of an MNIST image before it is scaled to a line's height
SOURCES = ("one writer", "strokes", "font", "mixed")
SOURCE_SHARES = (0.5, 0.3, 0.04, 0.16)
LARGE_SOURCE_SHARES = (0.2, 0.65, 0.05, 0.1)
MIXED_SOURCES = ("one writer", "strokes", "any writer", "font")  # of a mixed hand
MIXED_SHARES = (0.2, 0.35, 0.35, 0.1)
# Tracks have no pen-up: only digits that are written in one stroke are like those on paper.
TRACK_SHARES = {0: 0.45, 2: 0.45, 3: 0.45, 6: 0.45, 8: 0.45, 9: 0.45, 1: 0.15, 5: 0.15, 7: 0.15}
OVERSAMPLING = 3  # of drawn strokes
PENS, LARGE_PENS = (0.035, 0.17), (0.01, 0.12)  # width of a pen, as a share of a digit's height
MIN_PEN_PX = 1.2


@dataclass(frozen=True)
class Handwriting:
    """What hands are made of: MNIST images with their labels and writers, and pen tracks."""

    images_NHW: Images
    labels_N: Labels
    writers_N: npt.NDArray[np.int64]
    tracks: Sequence[npt.NDArray[np.uint8]] = field(default_factory=lambda: split_tracks())

    @cached_property
    def rows_by_writer(self) -> list[list[npt.NDArray[np.int64]]]:
        """For each writer who wrote all ten digits, the rows of each digit."""
        rows = []
        for writer in np.unique(self.writers_N):
            own = np.flatnonzero(self.writers_N == writer)
            rows.append([own[self.labels_N[own] == digit] for digit in range(10)])
        return [one for one in rows if all(map(len, one))]

    @cached_property
    def rows(self) -> list[npt.NDArray[np.int64]]:
        """The rows of each digit."""
        return [np.flatnonzero(self.labels_N == digit) for digit in range(10)]


def load_handwriting(*, of_new_writers: bool = False) -> Handwriting:
    """MNIST's training images by the writers of its first 50,000, or those by all others.

    Networks train on the former and are calibrated on the latter.
    """
    training, is_chosen_N = load_part(None, "train"), find_new_writers()
    if not of_new_writers:
        is_chosen_N = ~is_chosen_N
    return Handwriting(
        training.images_NHW[is_chosen_N],
        training.labels_N[is_chosen_N],
        load_writers()[is_chosen_N],
    )


def split_tracks() -> list[npt.NDArray[np.uint8]]:
    """The pen tracks of each digit."""
    points_NP2, labels_N = load_pen_tracks()
    return [points_NP2[labels_N == digit] for digit in range(10)]


class Hand:
    """A random hand: where its digits come from, its pen, and how wide its digits are.

    `digit_px` is the usual height of a digit. Large digits have thinner strokes, and fewer are
    enlarged from small images.
    """

    def __init__(
        self, writing: Handwriting, digit_px: int, rng: Rng, *, is_large: bool = False
    ) -> None:
        u = rng.uniform
        self.writing, self.rng, self.digit_px = writing, rng, digit_px
        shares = LARGE_SOURCE_SHARES if is_large else SOURCE_SHARES
        self.source = SOURCES[int(rng.choice(len(SOURCES), p=shares))]
        writers = writing.rows_by_writer
        self.own_rows = writers[int(rng.integers(len(writers)))]
        thinnest, thickest = LARGE_PENS if is_large else PENS
        share = math.exp(u(math.log(thinnest), math.log(thickest)))
        self.pen_px = max(MIN_PEN_PX, share * digit_px)
        self.sharpness, self.thicker_px = u(1.5, 4), round(0.7 * int(rng.integers(-3, 6)))
        self.widening = math.exp(rng.normal(0, 0.13))

    def draw_digit(self, digit: int, height: int) -> InkMap | None:
        """The ink of a digit, about `height` pixels high; None if nothing is left of it."""
        source = self.source
        if source == "mixed":
            source = MIXED_SOURCES[int(self.rng.choice(len(MIXED_SOURCES), p=MIXED_SHARES))]
        if source == "strokes":
            return render(self._draw_strokes(digit), height, self.pen_px)
        if source == "font":
            ink_HW = crop_to_ink(draw_font_character(str(digit), self.rng))
        else:
            ink_HW = self._enlarge(
                self.own_rows if source != "any writer" else self.writing.rows, digit
            )
        if ink_HW is None:
            return None
        width = ink_HW.shape[1] * height / ink_HW.shape[0] * self.widening
        size = (min(max(3, round(width)), round(2.2 * height)), height)
        return cv2.resize(ink_HW, size, interpolation=cv2.INTER_AREA)

    def draw_joined_zeros(self, num: int, height: int) -> InkMap:
        """Zeros written in one stroke."""
        u = self.rng.uniform
        points: list[tuple[float, float]] = []
        x, radius, start = 0.0, u(0.22, 0.38), u(-110, -50)
        turn = -1 if self.rng.random() < 0.85 else 1
        for _ in range(num):
            across, down = radius * u(0.85, 1.15), 0.5 * u(0.85, 1.05)
            angles = np.radians(np.linspace(start, start + turn * u(340, 410), 14))
            xs, ys = x + across * np.cos(angles), 0.5 + down * np.sin(angles)
            points += list(zip(xs.tolist(), ys.tolist(), strict=True))
            x += 2 * across + u(0.05, 0.35)
        return render(warp([spline(*points)], self.rng), height, self.pen_px)

    def _draw_strokes(self, digit: int) -> list[Stroke]:
        """Strokes of a digit that is 1 high."""
        if self.rng.random() < TRACK_SHARES.get(digit, 0.0):
            tracks = self.writing.tracks[digit]
            points = tracks[int(self.rng.integers(len(tracks)))] / 100
            strokes = warp([spline(*([0, 1] + points * [1, -1]))], self.rng)
        else:
            strokes = draw_strokes(digit, self.rng)
        every = np.concatenate(strokes)
        width, height = np.ptp(every, axis=0)
        size = max(float(height), 0.3 * float(width), 1e-3)
        return [stroke / size for stroke in strokes]

    def _enlarge(self, rows: Sequence[npt.NDArray[np.int64]], digit: int) -> InkMap | None:
        row = int(rows[digit][self.rng.integers(len(rows[digit]))])
        image_HW = self.writing.images_NHW[row]
        large_HW = cv2.resize(
            image_HW, None, fx=MNIST_SCALE, fy=MNIST_SCALE, interpolation=cv2.INTER_CUBIC
        )
        soft_HW = large_HW.astype(np.float32) / 255
        sharp_HW = np.clip((soft_HW - 0.5) * np.float32(self.sharpness) + 0.5, 0, 1)
        return crop_to_ink(change_stroke_width(sharp_HW, self.thicker_px))


def render(strokes: Sequence[Stroke], height: float, pen_px: float) -> InkMap:
    """Strokes in units of `height` pixels, drawn with a round pen, with a thin rim around them."""
    points = np.concatenate(strokes)
    lowest = points.min(axis=0)
    margin = int(pen_px * OVERSAMPLING) + 4
    columns, rows = (np.ptp(points, axis=0) * height * OVERSAMPLING).astype(int) + 2 * margin
    canvas_HW = np.zeros((max(int(rows), 8), max(int(columns), 8)), np.uint8)
    fraction_bits = 4
    for stroke in strokes:
        at = ((stroke - lowest) * height * OVERSAMPLING + margin) * 2**fraction_bits
        thickness = max(1, round(pen_px * OVERSAMPLING))
        points_S2 = np.round(at).astype(np.int32)
        cv2.polylines(canvas_HW, [points_S2], False, 255, thickness, cv2.LINE_AA, fraction_bits)
    size = tuple(max(3, side // OVERSAMPLING) for side in canvas_HW.shape[::-1])
    return cv2.resize(canvas_HW, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
