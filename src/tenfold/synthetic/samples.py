"""Samples of handwriting from which pages are composed: lines of text, and digits.

Array names carry their axes: H rows, W columns.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from tenfold.synthetic.canvas import InkMap
from tenfold.synthetic.hands import Handwriting
from tenfold.synthetic.lines import draw_line
from tenfold.synthetic.strokes import Rng
from tenfold.synthetic.texts import sample_text

SAMPLE_STREAM = 4  # of random numbers
NUM_SAMPLES = 900  # of lines, and of digits
STRAIGHT_SHARES = np.array([1, 3, 1, 1, 3, 2, 1, 4, 1, 1]) / 18  # of digits 0 to 9


@dataclass(frozen=True)
class Sample:
    """A text's ink without the space around it, and the usual height of its digits in pixels."""

    ink_HW: InkMap
    digit_px: int

    def scale(self, digit_px: float, max_width: float = math.inf) -> InkMap:
        """The ink with digits of that height, or narrower."""
        scale = min(digit_px / self.digit_px, max_width / self.ink_HW.shape[1])
        size = tuple(max(2, round(side * scale)) for side in self.ink_HW.shape[::-1])
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        return cv2.resize(self.ink_HW, size, interpolation=how)


class SampleBank:
    """Lines of text, and single and paired digits, drawn once, as a page may need hundreds."""

    def __init__(
        self, writing: Handwriting, seed: int, number: int, num_samples: int = NUM_SAMPLES
    ) -> None:
        rng = np.random.default_rng((seed, SAMPLE_STREAM, number))
        self.lines: list[Sample] = []
        self.digits: list[Sample] = []
        while len(self.digits) < num_samples:
            num = 1 if rng.random() < 0.75 else 2
            for kept, text, is_large in (
                (self.lines, sample_text(rng), False),
                (self.digits, _sample_straight(num, rng), rng.random() < 0.7),
            ):
                line = draw_line(writing, text, rng, is_large=is_large)
                if line.box is not None and line.labels:
                    left, top, right, bottom = line.box
                    rows, columns = slice(max(0, top - 2), bottom + 2), slice(left - 2, right + 2)
                    kept.append(Sample(line.canvas_HW[rows, columns], line.digit_px))

    def draw(
        self, digit_px: float, rng: Rng, *, is_digit: bool = False, max_width: float = math.inf
    ) -> InkMap:
        """Ink with digits of that height: of several samples the first that is narrow enough."""
        samples = self.digits if is_digit else self.lines
        for _ in range(6):
            sample = samples[int(rng.integers(len(samples)))]
            if sample.ink_HW.shape[1] * digit_px <= max_width * sample.digit_px:
                break
        return sample.scale(digit_px, max_width)


def _sample_straight(num: int, rng: Rng) -> str:
    """Digits, those with straight strokes more often: their strokes are like ruled lines."""
    return "".join(map(str, rng.choice(10, num, p=STRAIGHT_SHARES)))
