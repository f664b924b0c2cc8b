"""Pixels to ink: how much darker, or brighter, than its paper each pixel is.

In: RGB pixels. Out: a map from 0 (paper) to 1 (as strong as the image's strong strokes) and the
level from which a pixel counts as ink. Uneven light goes here, ruled lines and neighbours do not.

Array names carry their axes: H rows, W columns, C colours.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.reading.percentiles import find_percentile, find_percentiles

Pixels = npt.NDArray[np.uint8]  # [H, W, 3], or [H, W] of an image without colours
Map = npt.NDArray[np.float32]
Mask = npt.NDArray[np.uint8]

# Paper is estimated on a copy of this size: light changes slowly.
PAPER_SIZE_PX = 128
# Images below it are cut-outs: no room for uneven light, and no paper to estimate it from.
CUT_OUT_PX = 64
# Strokes are thinner than this share of the image; whatever is wider belongs to the paper.
WIDEST_STROKE = 0.3
# Differences of fewer grey levels are noise, compression or the paper's own structure.
FAINTEST = 10.0
CORNERS_ALIKE = 40  # grey levels: corners that differ by less are the same paper
CLEAR = 80.0  # so many grey levels are ink, however uneven the paper is


@dataclass(frozen=True)
class Ink:
    """How strong the ink is at each pixel, float32 [H, W], 0 to 1, and from where on it counts.

    `contrast` is the difference between paper and strong strokes in grey levels, `noise` that among
    the pixels of the paper.
    """

    strength_HW: Map
    level: float
    is_dark: bool
    contrast: float
    noise: float

    @property
    def is_blank(self) -> bool:
        """Whether nothing stands out from the paper."""
        return self.contrast < max(FAINTEST, min(3 * self.noise, CLEAR))


def find_ink(pixels_HWC: npt.NDArray[np.uint8], *, is_dark: bool | None = None) -> Ink:
    """The ink of an image; `is_dark` says whether it is darker than its paper.

    If it does not, the kind of ink is taken that stands out more from the median around it.
    """
    height, width = pixels_HWC.shape[:2]
    smooth = _drop_colours(pixels_HWC)
    if max(height, width) > 2 * PAPER_SIZE_PX:  # noise of a camera, spread over its pixels
        smooth = cv2.GaussianBlur(smooth, (0, 0), min(2.0, max(height, width) / 1500))
    if is_dark is None:
        is_dark = _is_dark(smooth)
    paper = _estimate_paper(smooth, is_dark)
    if is_dark:
        difference_HW = _take_largest(cv2.subtract(paper, smooth))
    else:
        difference_HW = _take_largest(cv2.subtract(smooth, paper))
    strength_HW: Map
    if is_dark:
        # Ink takes a share of the light that falls on it: in the shade the difference is smaller.
        brightness_HW = _take_largest(paper)
        bright = max(find_percentile(brightness_HW[::4, ::4], 90), 1.0)
        gains = (bright / np.maximum(np.arange(256), 0.25 * bright)).astype(np.float32)
        gain_HW = cv2.LUT(brightness_HW, gains)
        strength_HW = cv2.multiply(difference_HW, gain_HW, dst=gain_HW, dtype=cv2.CV_32F)
    else:
        strength_HW = difference_HW.astype(np.float32)
    return _measure(strength_HW, is_dark)


def _measure(strength_HW: Map, is_dark: bool) -> Ink:
    """Scale differences so that strong strokes are 1, and find from where on a pixel is ink."""
    sample = strength_HW[
        :: max(1, strength_HW.shape[0] // 400), :: max(1, strength_HW.shape[1] // 400)
    ]
    low, quarter, high, paper, strongest = find_percentiles(sample, 10, 25, 40, 50, 99.8)
    spread = (high - low) / 1.028  # the standard deviation, if these are of a normal distribution
    if max(strength_HW.shape) < CUT_OUT_PX:
        # Ink and its soft edges may take more than half: noise cannot be told from them.
        paper, noise = quarter, 0.0
    elif paper > quarter + 3 * spread + FAINTEST:
        paper, noise = quarter + 0.674 * spread, spread
    else:
        noise = 1.4826 * find_percentile(np.abs(sample - paper), 50)
    span = strongest - paper
    floor = paper + max(min(4 * noise, 0.3 * span), 0.2 * span, 0.6 * FAINTEST)
    candidates = sample[sample > floor]
    if len(candidates) < 3:
        return Ink(np.zeros_like(strength_HW), 1.0, is_dark, max(0.0, span), noise)
    strong = max(find_percentile(candidates, 75), floor + 1)
    level = max(floor, paper + 0.42 * (strong - paper))
    scaled_HW = (strength_HW - paper) * np.float32(1 / (strong - paper))
    return Ink(
        np.clip(scaled_HW, 0, 1, dtype=np.float32),
        (level - paper) / (strong - paper),
        is_dark,
        strong - paper,
        noise,
    )


def _drop_colours(pixels_HWC: Pixels) -> Pixels:
    """The pixels of an image without colours as [H, W]: a third of the work for all that follows.

    A few pixels are looked at first, for most images with colours show some there.
    """
    step = max(1, pixels_HWC.shape[0] // 16)
    for some_HWC in (pixels_HWC[::step], pixels_HWC):
        red, green, blue = cv2.split(some_HWC)
        if not (np.array_equal(red, green) and np.array_equal(green, blue)):
            return pixels_HWC
    return green


def _is_dark(pixels: Pixels) -> bool:
    """Whether what stands out most from the image's surroundings is darker than they are."""
    small = _shrink(pixels, PAPER_SIZE_PX)
    if max(small.shape[:2]) < CUT_OUT_PX:
        paper = np.full_like(small, _find_paper_of_cut_out(small))
    else:
        paper = cv2.medianBlur(small, int(0.4 * min(small.shape[:2])) | 1)
    dark, bright = (
        find_percentile(_take_largest(difference), 99.5)
        for difference in (cv2.subtract(paper, small), cv2.subtract(small, paper))
    )
    return dark >= bright


def _find_paper_of_cut_out(pixels: Pixels) -> npt.NDArray[np.uint8]:
    """The colour of a small image's paper: of its corners, if three agree, else its median."""
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]].reshape(4, -1).astype(int)
    ordered = np.sort(corners, axis=0)
    middle = (ordered[1] + ordered[2]) / 2
    is_alike_4 = np.abs(corners - middle).max(axis=1) < CORNERS_ALIKE
    if is_alike_4.sum() < 3:
        return _find_colour(pixels, 50)
    return middle.astype(np.uint8)


def _find_colour(pixels: Pixels, percent: float) -> npt.NDArray[np.uint8]:
    """A percentile of the values of each colour."""
    return np.array([find_percentile(one, percent) for one in cv2.split(pixels)]).astype(np.uint8)


def _take_largest(values: Pixels) -> Pixels:
    """The largest of the colours' values at each pixel, [H, W]."""
    if values.ndim == 2:
        return values
    red, green, blue = cv2.split(values)
    return cv2.max(cv2.max(red, green), blue)


def _shrink(pixels: Pixels, size_px: int) -> Pixels:
    scale = size_px / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = tuple(max(1, round(side * scale)) for side in pixels.shape[1::-1])
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _estimate_paper(pixels: Pixels, is_dark: bool) -> Pixels:
    """The image without its strokes: what is thinner than a stroke may be is filled from around.

    That is grey-scale closing for dark ink and opening for bright (Serra 1982), smoothed.
    """
    height, width = pixels.shape[:2]
    if max(height, width) < CUT_OUT_PX:
        return np.full_like(pixels, _find_colour(pixels, 70 if is_dark else 30))
    small = cv2.medianBlur(_shrink(pixels, PAPER_SIZE_PX), 5)
    size = max(3, int(WIDEST_STROKE * min(small.shape[:2])) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (size, size))
    operation = cv2.MORPH_CLOSE if is_dark else cv2.MORPH_OPEN
    # Beyond the edge nothing counts, so that ink which touches it is filled from within.
    paper = cv2.morphologyEx(small, operation, kernel)
    paper = cv2.GaussianBlur(paper, (0, 0), size / 6)
    return cv2.resize(paper, (width, height), interpolation=cv2.INTER_LINEAR)
