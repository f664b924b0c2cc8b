"""Random corruption of batches of digit images: tone, shading, bands, lines, blur and noise.

A corrupted image gets some of these at random, each with a random strength. They are kinds of
damage, not copies of the corruptions that an audit measures; docs/audit.md says where the two
overlap. As in `augment.py`, drawing is separate from applying, and the draws of an image depend on
seed, epoch and sample alone.

Array names carry their axes: N images, H rows, W columns, P pixels, C draws, S segments, K taps.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from tenfold.digits import IMAGE_SIZE_PX

OUTLINE, TONE, BAND, LINES, BLUR, NOISE = range(6)
CHANCES = (0.15, 0.5, 0.2, 0.3, 0.3, 0.35)  # of each kind, in a corrupted image
NUM_SEGMENTS, NUM_WAVES = 3, 3
KERNEL_PX = 7
NUM_NOISES = 1024  # images of noise to choose from; drawing new ones would take longer than a step
# Draws of an image: which kinds, then their strengths. A segment has four coordinates.
NUM_DRAWS = len(CHANCES) + 4 + 3 * NUM_WAVES + 5 + 4 * NUM_SEGMENTS + 4 + 3 + 4


def draw_corruptions(
    num_images: int, is_corrupted_N: npt.NDArray[np.bool_], generator: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Draws [N, C]; the first columns are 1 for the kinds that an image gets, else 0."""
    draws_NC = generator.uniform(0, 1, (num_images, NUM_DRAWS)).astype(np.float32)
    num_kinds = len(CHANCES)
    draws_NC[:, :num_kinds] = draws_NC[:, :num_kinds] < CHANCES
    draws_NC[:, :num_kinds] *= is_corrupted_N[:, None]
    return draws_NC


def corrupt(images_NHW: Tensor, draws_NC: Tensor) -> Tensor:
    """Corrupt images, float32 [N, 28, 28] in [0, 1]; those without a kind stay as they are."""
    rows = draws_NC[:, : len(CHANCES)].any(dim=1).nonzero()[:, 0]
    if not len(rows):
        return images_NHW
    columns = iter(draws_NC[rows].T[:, :, None, None])
    kinds = [next(columns) for _ in CHANCES]
    corrupted = images_NHW[rows]
    corrupted = corrupted + kinds[OUTLINE] * (_find_outlines(corrupted) - corrupted)
    corrupted = torch.lerp(corrupted, _change_tone(corrupted, columns), kinds[TONE])
    corrupted = torch.lerp(corrupted, _invert_band(corrupted, columns), kinds[BAND])
    corrupted = torch.lerp(corrupted, _draw_lines(corrupted, columns), kinds[LINES])
    corrupted = torch.lerp(corrupted, _blur(corrupted, columns), kinds[BLUR])
    corrupted = torch.lerp(corrupted, _add_noise(corrupted, columns), kinds[NOISE])
    return images_NHW.index_copy(0, rows, corrupted.clamp_(0, 1))


def _find_outlines(images_NHW: Tensor) -> Tensor:
    """The difference of each image and its 3x3 minimum: the inner rim of each stroke."""
    return images_NHW + F.max_pool2d(-images_NHW[:, None], 3, 1, 1)[:, 0]


def _change_tone(images_NHW: Tensor, columns: Iterator[Tensor]) -> Tensor:
    """Less contrast, a brighter and unevenly lit background, or inverted."""
    contrast = 0.2 + 0.8 * next(columns)
    level, inverted, shading = next(columns), next(columns) < 0.25, next(columns)
    paper = (1.3 - contrast) * level + shading * (1 - contrast) * _build_shades(images_NHW, columns)
    toned = (paper + contrast * images_NHW).clamp(0, 1)
    return torch.where(inverted, 1 - toned, toned)


def _build_shades(images_NHW: Tensor, columns: Iterator[Tensor]) -> Tensor:
    """A sum of waves of random direction, length and phase, from -0.5 to 0.5."""
    y, x = _build_grid(images_NHW)
    shades = torch.zeros_like(images_NHW)
    for number in range(1, NUM_WAVES + 1):
        angle, length, phase = (next(columns) for _ in range(3))
        across = x * torch.cos(2 * torch.pi * angle) + y * torch.sin(2 * torch.pi * angle)
        shades += torch.sin(across * (0.5 + 5 * length) + 2 * torch.pi * phase) / number
    return shades / 4


def _invert_band(images_NHW: Tensor, columns: Iterator[Tensor]) -> Tensor:
    """Inverted within a straight band of random direction, or outside it."""
    angle, middle, width, side, strength = (next(columns) for _ in range(5))
    y, x = _build_grid(images_NHW)
    across = x * torch.cos(torch.pi * angle) + y * torch.sin(torch.pi * angle)
    is_inside = (across - (1.2 * middle - 0.6)).abs() < 0.15 + 0.5 * width
    inverted = torch.lerp(images_NHW, 1 - images_NHW, 0.4 + 0.6 * strength)
    return torch.where(is_inside == (side < 0.5), inverted, images_NHW)


def _draw_lines(images_NHW: Tensor, columns: Iterator[Tensor]) -> Tensor:
    """Bright, or dark, segments across the image, solid or broken."""
    y, x = _build_grid(images_NHW)
    drawn = torch.zeros_like(images_NHW)
    ends = [[2.4 * next(columns) - 1.2 for _ in range(4)] for _ in range(NUM_SEGMENTS)]
    num, width, period, darkness = (next(columns) for _ in range(4))
    for number, (x0, y0, x1, y1) in enumerate(ends):
        dx, dy = x1 - x0, y1 - y0
        length = (dx * dx + dy * dy).sqrt().clamp(min=1e-3)
        along = ((x - x0) * dx + (y - y0) * dy) / length
        beside = ((x - x0) * dy - (y - y0) * dx).abs() / length
        past = torch.maximum(-along, along - length).clamp(min=0)
        # The half width is from 0.4 to 1.6 pixels; one pixel is 1/14.
        ink = (1 + (0.4 + 1.2 * width) - 14 * torch.hypot(beside, past)).clamp(0, 1)
        is_broken = (period < 0.5) & (torch.sin(along * (10 + 60 * period)) < 0)
        drawn = torch.maximum(drawn, ink * ~is_broken * (num * NUM_SEGMENTS >= number))
    return torch.where(darkness < 0.2, images_NHW * (1 - drawn), torch.maximum(images_NHW, drawn))


def _blur(images_NHW: Tensor, columns: Iterator[Tensor]) -> Tensor:
    """Blurred by a Gaussian that may be longer in one direction."""
    angle, long, short = (next(columns) for _ in range(3))
    angle, along_px = torch.pi * angle, 0.4 + 2.6 * long
    across_px = 0.4 + 0.8 * short
    taps = torch.arange(KERNEL_PX, device=images_NHW.device) - KERNEL_PX // 2
    along = taps * torch.cos(angle) + taps[:, None] * torch.sin(angle)
    across = taps[:, None] * torch.cos(angle) - taps * torch.sin(angle)
    kernels_NKK = torch.exp(-((along / along_px) ** 2 + (across / across_px) ** 2) / 2)
    kernels_NKK = kernels_NKK / kernels_NKK.sum((1, 2), keepdim=True)
    groups = len(images_NHW)
    return F.conv2d(images_NHW[None], kernels_NKK[:, None], padding="same", groups=groups)[0]


def _add_noise(images_NHW: Tensor, columns: Iterator[Tensor]) -> Tensor:
    """Gaussian noise everywhere, or more on bright pixels, or single black and white pixels."""
    which, strength, kind, threshold = (next(columns) for _ in range(4))
    noises_NHW = _build_noises().to(images_NHW.device)[(which[:, 0, 0] * NUM_NOISES).long()]
    scale = torch.where(kind < 0.35, images_NHW.clamp(min=0).sqrt(), torch.ones_like(images_NHW))
    noisy = images_NHW + (0.05 + 0.4 * strength) * scale * noises_NHW
    threshold = 1.0 + 1.4 * threshold
    spotted = torch.where(noises_NHW.abs() > threshold, (noises_NHW > 0).float(), images_NHW)
    return torch.where(kind < 0.65, noisy, spotted)


def _build_grid(images_NHW: Tensor) -> tuple[Tensor, Tensor]:
    """Coordinates of the pixels along y and x, from -1 to 1 at the edges."""
    pixels = torch.arange(IMAGE_SIZE_PX, device=images_NHW.device)
    centred = (pixels - (IMAGE_SIZE_PX - 1) / 2) / (IMAGE_SIZE_PX / 2)
    return centred[:, None], centred


@cache
def _build_noises() -> Tensor:
    """Standard normal noise, the same in every process, [NUM_NOISES, 28, 28]."""
    shape = (NUM_NOISES, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    return torch.from_numpy(np.random.default_rng(0).standard_normal(shape, dtype=np.float32))
