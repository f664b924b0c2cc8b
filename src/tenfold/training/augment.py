"""Random augmentation of batches of digit images.

Rotation, shift, scale, shear and elastic deformation are combined into one displacement field, so
an image is resampled once. Displacements are linear in the random draws, so those of a batch are
one matrix product with precomputed fields.

Drawing is separate from applying: `draw` makes a row for each image of the data set, and a batch
uses the rows of its samples. With a generator from (seed, epoch), the augmentation of a sample
depends on seed, epoch and sample alone, not on the batch or the order.

Array names carry their axes: N images, H rows, W columns, C coefficients, P pixels.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from tenfold.digits import IMAGE_SIZE_PX
from tenfold.recipes.configs import AugmentationConfig
from tenfold.training.corrupt import corrupt, draw_corruptions

ELASTIC_LENGTH_PX = 6.0  # at this distance the displacements of pixels have a correlation of 0.61
ELASTIC_WAVES = 6  # along each axis; they hold 99.8 % of the variance of such a field
HALF_PX = IMAGE_SIZE_PX / 2
WIDER = 2  # how much more an image that is also corrupted is rotated, shifted, scaled and sheared


@dataclass(frozen=True)
class Draws:
    """Random draws for N images; `draws[rows]` selects some of them.

    `fields_N2C` are coefficients of displacement fields along x and y. `strokes_N` are changes of
    the stroke width on each side, in pixels from -1 to 1. `corruptions_NC` are those of
    `draw_corruptions`, None if no image is corrupted.
    """

    fields_N2C: Tensor
    strokes_N: Tensor
    corruptions_NC: Tensor | None = None

    def __getitem__(self, rows: Tensor) -> "Draws":
        corruptions_NC = None if self.corruptions_NC is None else self.corruptions_NC[rows]
        return Draws(self.fields_N2C[rows], self.strokes_N[rows], corruptions_NC)


class Augmentation:
    """Augments batches of 28x28 images according to a config."""

    def __init__(self, config: AugmentationConfig, device: torch.device | None = None) -> None:
        self.config = config
        self.device = device
        self.fields_CP = _build_fields().to(device)

    def draw(self, num_images: int, generator: np.random.Generator) -> Draws:
        """Draw at random for each image; the first rows do not depend on `num_images`."""
        config = self.config
        uniform, normal = generator.spawn(2)
        draws = uniform.uniform(-1, 1, (num_images, 7)).astype(np.float32)
        corruptions = None
        if config.corrupted_share:
            which, how = generator.spawn(2)
            is_corrupted_N = which.uniform(0, 1, num_images) < config.corrupted_share
            draws[is_corrupted_N, :6] *= WIDER
            corruptions_NC = draw_corruptions(num_images, is_corrupted_N, how)
            corruptions = torch.from_numpy(corruptions_NC).to(self.device)
        angles = np.radians(config.rotation_degrees) * draws[:, 0]
        widths, heights = np.exp(config.scale * draws[:, 1:3]).T
        shears = config.shear * draws[:, 3]
        shifts_N2 = config.shift_px / HALF_PX * draws[:, 4:6]

        # The source of a pixel of the new image: rotate(shear(scale(pixel))) + shift + elastic.
        cos, sin = np.cos(angles), np.sin(angles)
        fields_N2C = np.empty((num_images, 2, len(self.fields_CP)), dtype=np.float32)
        fields_N2C[:, 0, :2] = np.stack([cos * widths, (cos * shears - sin) * heights], 1)
        fields_N2C[:, 1, :2] = np.stack([sin * widths, (sin * shears + cos) * heights], 1)
        fields_N2C[:, :, 2] = shifts_N2
        elastic_N2C = normal.standard_normal(fields_N2C[:, :, 3:].shape, dtype=np.float32)
        fields_N2C[:, :, 3:] = config.elastic_px / HALF_PX * elastic_N2C
        return Draws(
            torch.from_numpy(fields_N2C).to(self.device),
            torch.from_numpy(config.stroke * draws[:, 6]).to(self.device),
            corruptions,
        )

    def apply(self, images_NHW: Tensor, draws: Draws) -> Tensor:
        """Augment images, float32 [N, 28, 28] in [0, 1]; what enters from outside is black."""
        if self.config.stroke:
            images_NHW = change_stroke_width(images_NHW, draws.strokes_N)
        num_images = len(images_NHW)
        sources_N2P = (draws.fields_N2C.flatten(0, 1) @ self.fields_CP).view(num_images, 2, -1)
        sources_NHW2 = sources_N2P.unflatten(2, images_NHW.shape[1:]).permute(0, 2, 3, 1)
        augmented = F.grid_sample(
            images_NHW[:, None],
            sources_NHW2,
            mode=self.config.interpolation,
            padding_mode="zeros",
            align_corners=False,
        )
        augmented = augmented[:, 0].clamp_(0, 1)  # bicubic interpolation overshoots
        if draws.corruptions_NC is not None:
            augmented = corrupt(augmented, draws.corruptions_NC)
        return augmented


def build_generator(seed: int, epoch: int) -> np.random.Generator:
    """The generator of an epoch's draws, independent of the order of its samples."""
    return np.random.default_rng((seed, epoch, 1))


def change_stroke_width(images_NHW: Tensor, strokes_N: Tensor) -> Tensor:
    """Thicken (above 0) or thin (below 0) bright strokes by up to a pixel on each side.

    An image is interpolated with its 3x3 dilation or erosion.
    """
    amounts = strokes_N[:, None, None]
    thicker = _dilate(images_NHW) - images_NHW
    thinner = _dilate(1 - images_NHW) - (1 - images_NHW)
    return images_NHW + amounts.clamp(min=0) * thicker + amounts.clamp(max=0) * thinner


def _dilate(images_NHW: Tensor) -> Tensor:
    """The maximum of each 3x3 neighbourhood, one axis after the other."""
    for axis in (1, 2):
        size = images_NHW.shape[axis]
        wider = images_NHW.clone()
        for shift in (-1, 1):
            target = wider.narrow(axis, max(0, shift), size - 1)
            source = images_NHW.narrow(axis, max(0, -shift), size - 1)
            torch.maximum(target, source, out=target)
        images_NHW = wider
    return images_NHW


def _build_fields() -> Tensor:
    """The displacement fields [C, P] whose coefficients are drawn.

    First x, y and 1, in units of half the image's width, which span the affine maps; then products
    of principal components along each axis, which approximate a smooth random field.
    """
    centred = (torch.arange(IMAGE_SIZE_PX) - (IMAGE_SIZE_PX - 1) / 2) / HALF_PX
    size = (IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    affine = torch.stack([centred.expand(size), centred[:, None].expand(size), torch.ones(size)])
    waves = torch.from_numpy(_build_waves()).float()
    elastic = torch.einsum("ay,bx->abyx", waves, waves)
    return torch.cat([affine.flatten(1), elastic.flatten(2).flatten(0, 1)])


def _build_waves() -> npt.NDArray[np.float64]:
    """The largest principal components [wave, pixel] of a smooth random function on the pixels.

    The function is a Gaussian process with a Gaussian covariance, in its Karhunen-Loève expansion.
    Smoothing white noise with a Gaussian (Simard, Steinkraus and Platt, 2003) has the same effect.
    """
    pixels = np.arange(IMAGE_SIZE_PX)
    distances = pixels[:, None] - pixels
    variances, components = np.linalg.eigh(np.exp(-0.5 * (distances / ELASTIC_LENGTH_PX) ** 2))
    largest = slice(None, -ELASTIC_WAVES - 1, -1)
    scaled: npt.NDArray[np.float64] = (components[:, largest] * np.sqrt(variances[largest])).T
    # The sign of an eigenvector depends on the library; fix it.
    return scaled * np.sign(scaled[:, :1])
