"""Turned images: the slope of text lines, and boxes of a turned image in those of the original.

Array names carry their axes: M components.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.glyphs import MAX_LOW_HEIGHT, Box, PageComponents
from tenfold.reading.ink import Pixels
from tenfold.reading.result import ReadDigit

Matrix = npt.NDArray[np.float64]  # [2, 3]: an affine map of points

# Chosen on drawn lines that slope by up to 30 degrees.
MIN_SLOPE = 5.0  # degrees of a text line; a smaller slope does no harm
MAX_SLOPE = 40.0  # degrees from one component to the next; a steeper way leads to another text line
MIN_CHAIN = 4  # neighbours that show a slope
MAX_DISAGREEMENT, MIN_AGREEMENT = 4.0, 0.7  # degrees from the usual slope; share of the neighbours
# Digits that are no digit upside down; if this share of a reading's is, its way up is right.
ONE_WAY_UP, MIN_SHARE_ONE_WAY_UP = (3, 4, 7), 0.25
# Of the digits' height:
MAX_DISTANCE = 2.2  # between the middles of neighbours
MAX_RESIDUAL = 0.3  # of the middles from their line
MAX_NEIGHBOURS = 400  # more are not compared: a page has margins along which it can be scanned


def find_slope(page: PageComponents) -> float:
    """By how many degrees the text lines fall to the right; 0 if they do not clearly slope."""
    if len(page.components) < MIN_CHAIN:
        return 0.0
    height = page.component_height
    is_tall_M = (page.heights_M >= MAX_LOW_HEIGHT * height) & (page.heights_M <= 1.8 * height)
    boxes_M4 = page.components.boxes_M4[is_tall_M][:MAX_NEIGHBOURS]
    middles_M2 = (boxes_M4[:, :2] + boxes_M4[:, 2:]) / 2
    slopes: list[float] = []
    for chain in _find_chains(middles_M2, height):
        x_M, y_M = middles_M2[chain].T
        gradient, offset = np.polyfit(x_M, y_M, 1)
        if np.sqrt(np.mean((y_M - gradient * x_M - offset) ** 2)) <= MAX_RESIDUAL * height:
            slopes += [math.degrees(math.atan(gradient))] * len(chain)
    if not slopes:
        return 0.0
    usual = float(np.median(slopes))
    agreement = np.mean(np.abs(np.array(slopes) - usual) <= MAX_DISAGREEMENT)
    return usual if abs(usual) >= MIN_SLOPE and agreement >= MIN_AGREEMENT else 0.0


def _find_chains(middles_M2: npt.NDArray[np.float64], height: float) -> list[list[int]]:
    """Rows of neighbours: each component is the closest on the next one's left, and conversely."""
    if len(middles_M2) < MIN_CHAIN:
        return []
    across_MM, down_MM = (values - values[:, None] for values in middles_M2.T)
    distances_MM = np.hypot(across_MM, down_MM)
    steepest = math.tan(math.radians(MAX_SLOPE))
    is_right_MM = (across_MM > 0.2 * height) & (np.abs(down_MM) <= steepest * across_MM)
    distances_MM[~is_right_MM | (distances_MM > MAX_DISTANCE * height)] = np.inf
    after_M, before_M = distances_MM.argmin(axis=1), distances_MM.argmin(axis=0)
    is_linked_M = np.isfinite(distances_MM.min(axis=1))
    chains, seen = [], set()
    for i in np.argsort(middles_M2[:, 0]).tolist():
        chain = [i]
        while is_linked_M[chain[-1]] and before_M[after_M[chain[-1]]] == chain[-1]:
            chain.append(int(after_M[chain[-1]]))
        if i not in seen and len(chain) >= MIN_CHAIN:
            chains.append(chain)
        seen.update(chain)
    return chains


def turn(pixels: Pixels, degrees: float) -> tuple[Pixels, Matrix]:
    """The pixels turned counterclockwise, with all of them kept, and the way back for points."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    corners = np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1]])
    ends = matrix @ corners
    matrix[:, 2] -= ends.min(axis=1)
    size = tuple(np.ceil(np.ptp(ends, axis=1)).astype(int).tolist())
    turned = cv2.warpAffine(pixels, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8), cv2.invertAffineTransform(matrix)


def shows_way_up(digits: Sequence[ReadDigit]) -> bool:
    """Whether digits show which way is up: 0, 1, 2, 5, 6, 8 and 9 are digits upside down too."""
    num_one_way_up = sum(digit.digit in ONE_WAY_UP for digit in digits)
    return len(digits) > 1 and num_one_way_up >= MIN_SHARE_ONE_WAY_UP * len(digits)


def map_box(box: Box, matrix: Matrix) -> Box:
    """The box around a box whose corners are moved."""
    left, top, right, bottom = box
    corners = np.array([[left, right, right, left], [top, top, bottom, bottom], [1, 1, 1, 1]])
    x, y = matrix @ corners
    return round(x.min()), round(y.min()), round(x.max()), round(y.max())
