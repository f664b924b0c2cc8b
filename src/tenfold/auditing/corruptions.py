"""Fifteen corruptions of digit images, as MNIST-C has them.

N. Mu and J. Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision" (2019), name and define
them. These are our own, at the strengths of theirs, so errors are near those on MNIST-C's files but
not the same. The same images and seed give the same corrupted images on every machine, as far as
can be: random numbers are uniform, pixels are sums and products in a fixed order, and the
exponentials and sines in them are rounded.

Array names carry their axes: N images, H rows, W columns, P pixels.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from tenfold.digits import IMAGE_SIZE_PX, WHITE

Images = npt.NDArray[np.uint8]
Greys = npt.NDArray[np.float64]  # images from 0 to 1
Corruption = Callable[[Greys, np.random.Generator], Greys]

CENTRE = (IMAGE_SIZE_PX - 1) / 2
CHUNK = 1000  # images; each chunk has a generator of its own
NUM_PLASMAS, PLASMA_PX, PLASMA_DECAY, FOG = 32, 256, 1.4, 3.0
LINE_REACH_PX = 2.3


def corrupt(name: str, images_NHW: Images, seed: int = 0) -> Images:
    """The images, uint8 [N, 28, 28], with one of CORRUPTIONS."""
    number = [*CORRUPTIONS].index(name)
    corrupted_NHW = np.empty_like(images_NHW)
    for first in range(0, len(images_NHW), CHUNK):
        rng = np.random.default_rng((seed, number, first // CHUNK))
        greys_NHW = images_NHW[first : first + CHUNK] / WHITE
        damaged_NHW = CORRUPTIONS[name](greys_NHW, rng)
        corrupted_NHW[first : first + CHUNK] = np.rint(np.clip(damaged_NHW, 0, 1) * WHITE)
    return corrupted_NHW


def _add_shot_noise(greys_NHW: Greys, rng: np.random.Generator) -> Greys:
    """Photons are counted: a Poisson number with a mean of 3 for white."""
    uniform_NHW = rng.random(greys_NHW.shape)
    counts_NHW = np.zeros(greys_NHW.shape)
    means = [3 * level / WHITE for level in range(WHITE + 1)]
    levels_NHW = np.rint(greys_NHW * WHITE).astype(np.int64)
    for most in range(3):  # three photons and more are white
        shares = [
            round(sum(mean**k / math.factorial(k) for k in range(most + 1)) * math.exp(-mean), 9)
            for mean in means
        ]
        counts_NHW += uniform_NHW >= np.array(shares)[levels_NHW]
    return counts_NHW / 3


def _add_impulse_noise(greys_NHW: Greys, rng: np.random.Generator) -> Greys:
    """17 % of the pixels become black or white."""
    uniform_NHW = rng.random(greys_NHW.shape)
    peppered_NHW = np.where(uniform_NHW < 0.085, 0.0, greys_NHW)
    return np.where(uniform_NHW >= 1 - 0.085, 1.0, peppered_NHW)


def _blur_as_glass(greys_NHW: Greys, rng: np.random.Generator) -> Greys:
    """Blurred, half of the pixels exchanged with a neighbour twice, and blurred again."""
    shuffled_NHW = _smooth(greys_NHW, 0.7)
    images_N = np.arange(len(greys_NHW))
    for _ in range(2):
        for row, column in itertools.product(range(IMAGE_SIZE_PX - 1, 1, -1), repeat=2):
            moves_N = rng.integers(0, 8, len(images_N))
            rows_N = row - (moves_N >> 1 & 1) * (moves_N & 1)
            columns_N = column - (moves_N >> 2 & 1) * (moves_N & 1)
            here_N = shuffled_NHW[:, row, column].copy()
            shuffled_NHW[:, row, column] = shuffled_NHW[images_N, rows_N, columns_N]
            shuffled_NHW[images_N, rows_N, columns_N] = here_N
    return _smooth(shuffled_NHW, 0.7)


def _blur_as_motion(greys_NHW: Greys, rng: np.random.Generator) -> Greys:
    """Smeared in one direction, up to 45 degrees from the horizontal, fading over 10 pixels."""
    angles_N = rng.integers(-45, 46, len(greys_NHW))
    blurred_NHW, total = np.zeros_like(greys_NHW), 0.0
    degrees = range(-45, 46)
    for distance in range(11):
        weight = round(math.exp(-((distance / 3) ** 2) / 2), 9)
        steps = [
            (
                round(distance * math.sin(math.radians(d))),
                round(distance * math.cos(math.radians(d))),
            )
            for d in degrees
        ]
        down_N, right_N = np.array(steps)[angles_N + 45].T
        blurred_NHW += weight * _shift(greys_NHW, down_N, right_N)
        total += weight
    return blurred_NHW / total


def _shear(greys_NHW: Greys, rng: np.random.Generator) -> Greys:
    """Slanted by 0.4 radians to either side."""
    sides_N = _draw_signs(rng, len(greys_NHW))
    sine, cosine = round(math.sin(0.4), 9), round(math.cos(0.4), 9)
    return _warp(greys_NHW, np.ones(1), -sine * sides_N, np.zeros(1), np.full(1, cosine))


def _scale(greys_NHW: Greys, rng: np.random.Generator) -> Greys:
    """Reduced to 70 %."""
    one = np.ones(1)
    return _warp(greys_NHW, one / 0.7, 0 * one, 0 * one, one / 0.7)


def _rotate(greys_NHW: Greys, rng: np.random.Generator) -> Greys:
    """Rotated by 0.4 radians, 23 degrees, in either direction."""
    sides_N = _draw_signs(rng, len(greys_NHW))
    sine, cosine = round(math.sin(0.4), 9), np.full(1, round(math.cos(0.4), 9))
    return _warp(greys_NHW, cosine, -sine * sides_N, sine * sides_N, cosine)


def _brighten(greys_NHW: Greys, rng: np.random.Generator) -> Greys:
    """Brighter by half: black becomes grey."""
    return greys_NHW + 0.5


def _translate(greys_NHW: Greys, rng: np.random.Generator) -> Greys:
    """Moved by 3 pixels along both axes."""
    down_N = 3 * _draw_signs(rng, len(greys_NHW)).astype(np.int64)
    return _shift(greys_NHW, down_N, 3 * _draw_signs(rng, len(greys_NHW)).astype(np.int64))


def _invert_stripes(greys_NHW: Greys, rng: np.random.Generator) -> Greys:
    """The left and the right quarter are inverted."""
    quarter = IMAGE_SIZE_PX // 4
    striped_NHW = 1 - greys_NHW
    striped_NHW[:, :, quarter:-quarter] = greys_NHW[:, :, quarter:-quarter]
    return striped_NHW


def _add_fog(greys_NHW: Greys, rng: np.random.Generator) -> Greys:
    """Under fog with a quarter of the contrast; a plasma fractal decides where it is dense."""
    plasmas_MHW = _draw_plasmas(rng)
    which_N, top_N, left_N = (
        rng.integers(0, end, (len(greys_NHW), 1, 1)) for end in (NUM_PLASMAS, PLASMA_PX, PLASMA_PX)
    )
    pixels = np.arange(IMAGE_SIZE_PX)
    rows_NHW, columns_NHW = top_N + pixels[:, None], left_N + pixels
    fog_NHW = plasmas_MHW[which_N, rows_NHW % PLASMA_PX, columns_NHW % PLASMA_PX]
    brightest_N = greys_NHW.max(axis=(1, 2), keepdims=True)
    foggy_NHW: Greys = (greys_NHW + FOG * fog_NHW) * brightest_N / (brightest_N + FOG)
    return foggy_NHW


def _draw_plasmas(rng: np.random.Generator) -> Greys:
    """Fractals from 0 to 1 that repeat at their edges, by the diamond-square algorithm."""
    heights = np.zeros((NUM_PLASMAS, 1, 1))
    roughness = 1.0
    while heights.shape[1] < PLASMA_PX:
        right, below = np.roll(heights, -1, 2), np.roll(heights, -1, 1)
        middles = (heights + right + below + np.roll(right, -1, 1)) / 4
        middles += roughness * rng.uniform(-1, 1, middles.shape)
        size = 2 * heights.shape[1]
        finer = np.empty((NUM_PLASMAS, size, size))
        finer[:, ::2, ::2], finer[:, 1::2, 1::2] = heights, middles
        beside = (heights + right + middles + np.roll(middles, 1, 1)) / 4
        under = (heights + below + middles + np.roll(middles, 1, 2)) / 4
        finer[:, ::2, 1::2] = beside + roughness * rng.uniform(-1, 1, beside.shape)
        finer[:, 1::2, ::2] = under + roughness * rng.uniform(-1, 1, under.shape)
        heights = finer
        roughness /= PLASMA_DECAY**2  # MNIST-C multiplies by it twice
    lowest, highest = (edge(heights, axis=(1, 2), keepdims=True) for edge in (np.min, np.max))
    plasmas_MHW: Greys = (heights - lowest) / (highest - lowest)
    return plasmas_MHW


def _spatter(greys_NHW: Greys, rng: np.random.Generator) -> Greys:
    """Under splashes of dark grey mud."""
    is_wet_NHW = _smooth(rng.random(greys_NHW.shape) - 0.5, 1.0) > 0
    mud_NHW = _smooth(is_wet_NHW.astype(np.float64), 1.5)
    mud_NHW = np.where(mud_NHW < 0.8, 0.0, mud_NHW)
    return greys_NHW * (1 - mud_NHW) + mud_NHW * (63 / WHITE)


def _draw_dotted_line(greys_NHW: Greys, rng: np.random.Generator) -> Greys:
    """Crossed by a broken white line from the left edge to the right."""
    starts_N, ends_N = rng.integers(0, 27, (2, len(greys_NHW), 1)).astype(np.float64)
    columns = np.arange(IMAGE_SIZE_PX)
    line_NHW = _draw_at(starts_N + (ends_N - starts_N) * columns / 27)
    return greys_NHW + line_NHW * (columns // 2 % 2)


def _draw_zigzag(greys_NHW: Greys, rng: np.random.Generator) -> Greys:
    """Crossed by a white zigzag, 2 pixels up and down."""
    num = len(greys_NHW)
    starts_N = rng.integers(0, 27, num).astype(np.float64)
    rises_N = rng.integers(-5, 5, num).astype(np.float64)
    length_N = np.sqrt(23.0**2 + rises_N**2)
    along, beside = [np.zeros(num)], [np.zeros(num)]
    for turn in range(6):
        at_N = np.minimum(2 + 4.0 * turn, length_N)
        along.append(at_N)
        beside.append(np.where(at_N < length_N, 2.0 - 4.0 * (turn % 2), 0.0))
    along.append(length_N)
    beside.append(np.zeros(num))
    cosine_N, sine_N = 23 / length_N, rises_N / length_N
    turned = [
        (2 + cosine_N * a - sine_N * b, starts_N + sine_N * a + cosine_N * b)
        for a, b in zip(along, beside, strict=True)
    ]
    columns, zigzag_NHW = np.arange(IMAGE_SIZE_PX), np.zeros(greys_NHW.shape)
    for (from_x, from_y), (to_x, to_y) in itertools.pairwise(turned):
        width_N = np.maximum(to_x - from_x, 1e-3)
        slopes_N = (to_y - from_y) / width_N
        rows_NW = from_y[:, None] + slopes_N[:, None] * (columns - from_x[:, None])
        is_here_NW = (columns >= np.floor(from_x)[:, None]) & (columns < np.ceil(to_x)[:, None])
        is_here_NW &= (to_x > from_x)[:, None]
        zigzag_NHW = np.maximum(zigzag_NHW, _draw_at(rows_NW) * is_here_NW[:, None])
    return greys_NHW + zigzag_NHW


def _draw_at(rows_NW: Greys) -> Greys:
    """A line that is at a row in each column, fading above and below, [N, 28, 28]."""
    pixels = np.arange(IMAGE_SIZE_PX)[:, None]
    distances_NHW = np.minimum(np.abs(pixels - rows_NW[:, None]), LINE_REACH_PX - 1e-9)
    line_NHW: Greys = np.clip(np.log(1 - distances_NHW / LINE_REACH_PX) + 1, 0, 1)
    return line_NHW


def _find_canny_edges(greys_NHW: Greys, rng: np.random.Generator) -> Greys:
    """Only the edges that J. Canny's detector (1986) finds, one pixel wide."""
    soft_NHW = np.pad(_smooth(greys_NHW, 1.0), ((0, 0), (1, 1), (1, 1)), mode="edge")
    across_NHW = soft_NHW[:, :, 2:] - soft_NHW[:, :, :-2]
    down_NHW = soft_NHW[:, 2:] - soft_NHW[:, :-2]
    x_NHW = across_NHW[:, :-2] + 2 * across_NHW[:, 1:-1] + across_NHW[:, 2:]
    y_NHW = down_NHW[:, :, :-2] + 2 * down_NHW[:, :, 1:-1] + down_NHW[:, :, 2:]
    strength_NHW = np.sqrt(x_NHW**2 + y_NHW**2)
    thin_NHW = strength_NHW * _is_crest(strength_NHW, x_NHW, y_NHW)
    edges_NHW, weak_NHW = thin_NHW >= 0.2, thin_NHW >= 0.1
    while True:  # weak edges that touch a strong one
        grown_NHW = np.pad(edges_NHW, ((0, 0), (1, 1), (1, 1)))
        near_NHW = np.zeros_like(edges_NHW)
        for down, right in itertools.product(range(3), repeat=2):
            size = IMAGE_SIZE_PX
            near_NHW |= grown_NHW[:, down : down + size, right : right + size]
        joined_NHW = near_NHW & weak_NHW
        if (joined_NHW == edges_NHW).all():
            return edges_NHW.astype(np.float64)
        edges_NHW = joined_NHW


def _is_crest(strength_NHW: Greys, x_NHW: Greys, y_NHW: Greys) -> npt.NDArray[np.bool_]:
    """Whether each pixel is at least as strong as its neighbours along the gradient."""
    padded = np.pad(strength_NHW, ((0, 0), (1, 1), (1, 1)))

    def look(down: int, right: int) -> Greys:
        size = IMAGE_SIZE_PX
        return padded[:, 1 + down : 1 + down + size, 1 + right : 1 + right + size]

    is_steep = np.abs(y_NHW) >= np.abs(x_NHW)
    larger = np.where(is_steep, np.abs(y_NHW), np.abs(x_NHW))
    weight = np.where(is_steep, np.abs(x_NHW), np.abs(y_NHW)) / np.maximum(larger, 1e-12)
    is_same_sign = x_NHW * y_NHW >= 0
    is_crest = np.ones(strength_NHW.shape, bool)
    for side in (-1, 1):
        straight = np.where(is_steep, look(side, 0), look(0, side))
        # Down-right where both derivatives have the same sign, else up-right or down-left.
        diagonal = np.where(
            is_same_sign,
            look(side, side),
            np.where(is_steep, look(side, -side), look(-side, side)),
        )
        is_crest &= weight * diagonal + (1 - weight) * straight <= strength_NHW
    is_crest[:, [0, -1]] = False
    is_crest[:, :, [0, -1]] = False
    return is_crest


def _smooth(greys_NHW: Greys, sigma_px: float) -> Greys:
    """Gaussian smoothing; beyond an edge its pixels are repeated."""
    radius = round(4 * sigma_px)
    weights = [round(math.exp(-((i / sigma_px) ** 2) / 2), 9) for i in range(-radius, radius + 1)]
    for axis in (1, 2):
        margins = [(radius, radius) if each == axis else (0, 0) for each in range(3)]
        padded = np.pad(greys_NHW, margins, mode="edge")
        greys_NHW = np.zeros_like(greys_NHW)
        for start, weight in enumerate(weights):
            greys_NHW += weight * np.take(padded, range(start, start + IMAGE_SIZE_PX), axis)
        greys_NHW /= sum(weights)
    return greys_NHW


def _draw_signs(rng: np.random.Generator, num: int) -> Greys:
    """-1 or 1 for each image."""
    return np.where(rng.random(num) < 0.5, -1.0, 1.0)


def _shift(
    greys_NHW: Greys, down_N: npt.NDArray[np.int64], right_N: npt.NDArray[np.int64]
) -> Greys:
    """Each image moved by whole pixels; black enters."""
    pixels = np.arange(IMAGE_SIZE_PX)
    rows_NHW = pixels[:, None] - down_N[:, None, None]
    columns_NHW = pixels - right_N[:, None, None]
    return _look_up(greys_NHW, rows_NHW, columns_NHW)


def _warp(greys_NHW: Greys, xx_N: Greys, xy_N: Greys, yx_N: Greys, yy_N: Greys) -> Greys:
    """Each image through a linear map about its centre, by bilinear interpolation.

    The map takes a pixel (x, y) of the new image to its source.
    """
    y, x = np.mgrid[:IMAGE_SIZE_PX, :IMAGE_SIZE_PX] - CENTRE
    xx, xy, yx, yy = (each[:, None, None] for each in (xx_N, xy_N, yx_N, yy_N))
    x_NHW, y_NHW = xx * x + xy * y + CENTRE, yx * x + yy * y + CENTRE
    left_NHW, top_NHW = np.floor(x_NHW), np.floor(y_NHW)
    right_part, lower_part = x_NHW - left_NHW, y_NHW - top_NHW
    columns, rows = left_NHW.astype(np.int64), top_NHW.astype(np.int64)
    upper = _look_up(greys_NHW, rows, columns) * (1 - right_part)
    upper += _look_up(greys_NHW, rows, columns + 1) * right_part
    lower = _look_up(greys_NHW, rows + 1, columns) * (1 - right_part)
    lower += _look_up(greys_NHW, rows + 1, columns + 1) * right_part
    warped: Greys = upper * (1 - lower_part) + lower * lower_part
    return warped


def _look_up(
    greys_NHW: Greys, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
) -> Greys:
    """Pixels by row and column; black outside the image."""
    last = IMAGE_SIZE_PX - 1
    is_inside = (rows >= 0) & (rows <= last) & (columns >= 0) & (columns <= last)
    images = np.arange(len(greys_NHW))[:, None, None]
    found: Greys = greys_NHW[images, rows.clip(0, last), columns.clip(0, last)] * is_inside
    return found


CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {
        "shot_noise": _add_shot_noise,
        "impulse_noise": _add_impulse_noise,
        "glass_blur": _blur_as_glass,
        "motion_blur": _blur_as_motion,
        "shear": _shear,
        "scale": _scale,
        "rotate": _rotate,
        "brightness": _brighten,
        "translate": _translate,
        "stripe": _invert_stripes,
        "fog": _add_fog,
        "spatter": _spatter,
        "dotted_line": _draw_dotted_line,
        "zigzag": _draw_zigzag,
        "canny_edges": _find_canny_edges,
    }
)
