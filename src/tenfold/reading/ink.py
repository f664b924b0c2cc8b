"""Separate ink from paper: how much darker, or brighter, each pixel is than the paper under it.

Uneven light is removed here; ruled lines and neighbouring marks are not.

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

# Chosen by eye on photos, scans and cut-outs.
PAPER_SIZE_PX = 128  # paper is estimated on a copy of this size, as light changes slowly
CROP_PX = 64  # a smaller image is a tight crop, which has no uneven light
MAX_STROKE_SHARE = 0.3  # of the image's shorter side: anything wider belongs to the paper
MIN_CONTRAST = 10.0  # in grey levels; less is noise, compression or the paper's texture
CLEAR_CONTRAST = 80.0  # in grey levels; this much is ink however uneven the paper is
SAME_PAPER = 40  # grey levels; corners that differ by less show the same paper


@dataclass(frozen=True)
class Ink:
    """Ink strength of each pixel, float32 [H, W], from 0 (paper) to 1 (a strong stroke).

    `unmasked_HW` also has the ink of marks that are not writing. A pixel is ink if it is stronger
    than `level`. `contrast` is the difference between paper and strong strokes, `noise` the
    standard deviation of the paper, both in grey levels.
    """

    strength_HW: Map
    level: float
    is_dark: bool
    contrast: float
    noise: float
    unmasked_HW: Map

    @property
    def is_blank(self) -> bool:
        """Whether nothing stands out from the paper."""
        return self.contrast < max(MIN_CONTRAST, min(3 * self.noise, CLEAR_CONTRAST))


def find_ink(
    pixels_HWC: npt.NDArray[np.uint8],
    *,
    is_dark: bool | None = None,
    text_HW: Mask | None = None,
) -> Ink:
    """Find the ink in pixels, uint8 [H, W, 3].

    `text_HW` is a mask of the writing, [H, W]; there is no ink elsewhere.

    `is_dark` says whether ink is darker than paper. By default it is the polarity that stands out
    more from the local median.
    """
    height, width = pixels_HWC.shape[:2]
    smooth = _drop_equal_channels(pixels_HWC)
    if max(height, width) > 2 * PAPER_SIZE_PX:  # camera noise spans several pixels
        smooth = cv2.GaussianBlur(smooth, (0, 0), min(2.0, max(height, width) / 1500))
    if is_dark is None:
        is_dark = _is_dark(smooth) if text_HW is None else _is_text_dark(smooth, text_HW)
    paper = _estimate_paper(smooth, is_dark)
    strength_HW: Map
    if is_dark:
        difference_HW = _max_channel(cv2.subtract(paper, smooth))
        # Ink absorbs a share of the light, so in the shade the difference is smaller.
        brightness_HW = _max_channel(paper)
        bright = max(find_percentile(brightness_HW[::4, ::4], 90), 1.0)
        gains = (bright / np.maximum(np.arange(256), 0.25 * bright)).astype(np.float32)
        gain_HW = cv2.LUT(brightness_HW, gains)
        strength_HW = cv2.multiply(difference_HW, gain_HW, dst=gain_HW, dtype=cv2.CV_32F)
    else:
        strength_HW = _max_channel(cv2.subtract(smooth, paper)).astype(np.float32)
    return _normalise(strength_HW, is_dark, text_HW)


def _normalise(strength_HW: Map, is_dark: bool, text_HW: Mask | None) -> Ink:
    """Scale grey level differences so that strong strokes become 1, and find the ink level."""
    every = tuple(slice(None, None, max(1, side // 400)) for side in strength_HW.shape)
    sample = strength_HW[every]
    low, quarter, high, paper, strongest = find_percentiles(sample, 10, 25, 40, 50, 99.8)
    spread = (high - low) / 1.028  # standard deviation of a normal distribution
    if max(strength_HW.shape) < CROP_PX:
        # Ink and its soft edges may fill more than half, so noise cannot be told from them.
        paper, noise = quarter, 0.0
    elif paper > quarter + 3 * spread + MIN_CONTRAST:
        paper, noise = quarter + 0.674 * spread, spread
    else:
        noise = 1.4826 * find_percentile(np.abs(sample - paper), 50)
    if text_HW is not None:
        sample = sample[text_HW[every] > 0]
        strongest = find_percentile(sample, 98) if sample.size else paper
    span = strongest - paper
    floor = paper + max(min(4 * noise, 0.3 * span), 0.2 * span, 0.6 * MIN_CONTRAST)
    candidates = sample[sample > floor]
    if len(candidates) < 3:
        blank_HW = np.zeros_like(strength_HW)
        return Ink(blank_HW, 1.0, is_dark, max(0.0, span), noise, blank_HW)
    strong = max(find_percentile(candidates, 75), floor + 1)
    level = max(floor, paper + 0.42 * (strong - paper))
    scaled_HW = (strength_HW - paper) * np.float32(1 / (strong - paper))
    unmasked_HW = np.clip(scaled_HW, 0, 1, dtype=np.float32)
    return Ink(
        unmasked_HW if text_HW is None else unmasked_HW * text_HW,
        (level - paper) / (strong - paper),
        is_dark,
        strong - paper,
        noise,
        unmasked_HW,
    )


def _drop_equal_channels(pixels_HWC: Pixels) -> Pixels:
    """A grey image as [H, W], which is a third of the work later; an image with colours as it is.

    A few rows are checked first, as most images with colours show some there.
    """
    step = max(1, pixels_HWC.shape[0] // 16)
    for some_HWC in (pixels_HWC[::step], pixels_HWC):
        red, green, blue = cv2.split(some_HWC)
        if not (np.array_equal(red, green) and np.array_equal(green, blue)):
            return pixels_HWC
    return green


def _is_dark(pixels: Pixels) -> bool:
    """Whether the strongest difference from the local median is a darker one."""
    small = _shrink(pixels, PAPER_SIZE_PX)
    if max(small.shape[:2]) < CROP_PX:
        paper = np.full_like(small, _find_crop_paper(small))
    else:
        paper = cv2.medianBlur(small, int(0.4 * min(small.shape[:2])) | 1)
    dark, bright = (
        find_percentile(_max_channel(difference), 99.5)
        for difference in (cv2.subtract(paper, small), cv2.subtract(small, paper))
    )
    return dark >= bright


def _is_text_dark(pixels: Pixels, text_HW: Mask) -> bool:
    """Whether most writing is darker than the paper around it."""
    scale = min(1.0, 2 * PAPER_SIZE_PX / max(text_HW.shape))
    size = tuple(max(1, round(side * scale)) for side in text_HW.shape[::-1])
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    grey_HW = small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    small_HW = cv2.resize(text_HW * np.uint8(255), size, interpolation=cv2.INTER_AREA)
    around_HW = cv2.dilate(small_HW, np.ones((9, 9), np.uint8)) & ~cv2.dilate(
        small_HW, np.ones((3, 3), np.uint8)
    )
    inside, outside = grey_HW[small_HW > 200], grey_HW[around_HW > 128]
    if not len(inside) or not len(outside):
        return _is_dark(pixels)
    return float(np.median(inside)) <= float(np.median(outside))


def _find_crop_paper(pixels: Pixels) -> npt.NDArray[np.uint8]:
    """The paper colour of a small image: that of its corners if three agree, else the median."""
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]].reshape(4, -1).astype(int)
    ordered = np.sort(corners, axis=0)
    middle = (ordered[1] + ordered[2]) / 2
    is_same_4 = np.abs(corners - middle).max(axis=1) < SAME_PAPER
    if is_same_4.sum() < 3:
        return _find_channel_percentiles(pixels, 50)
    return middle.astype(np.uint8)


def _find_channel_percentiles(pixels: Pixels, percent: float) -> npt.NDArray[np.uint8]:
    found = [find_percentile(channel_HW, percent) for channel_HW in cv2.split(pixels)]
    return np.array(found).astype(np.uint8)


def _max_channel(values: Pixels) -> Pixels:
    """The largest channel at each pixel, [H, W]."""
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
    """The image with its strokes filled in from their surroundings.

    Grey-scale closing for dark ink, opening for bright ink (Serra 1982), then smoothing.
    """
    height, width = pixels.shape[:2]
    if max(height, width) < CROP_PX:
        return np.full_like(pixels, _find_channel_percentiles(pixels, 70 if is_dark else 30))
    small = cv2.medianBlur(_shrink(pixels, PAPER_SIZE_PX), 5)
    size = max(3, int(MAX_STROKE_SHARE * min(small.shape[:2])) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (size, size))
    operation = cv2.MORPH_CLOSE if is_dark else cv2.MORPH_OPEN
    # The default border value ignores pixels beyond the edge, so ink at the edge is filled too.
    paper = cv2.morphologyEx(small, operation, kernel)
    paper = cv2.GaussianBlur(paper, (0, 0), size / 6)
    return cv2.resize(paper, (width, height), interpolation=cv2.INTER_LINEAR)
