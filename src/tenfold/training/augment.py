"""Augmentation: a batch of digit images in, the same batch altered at random out.

Rotation, shift, scale, shear and elastic deformation together are one displacement of the pixels,
so an image is sampled once. Displacements are linear in what is drawn at random, so those of a
batch are one matrix product with fields that are computed once.

Draws come apart from their use: `draw` makes a row for each image of the data set, and a batch
takes the rows of its samples. With a generator from (seed, epoch), what happens to a sample depends
on (seed, epoch, sample) and on nothing else: not on the batch, the order or the number of
processes.

Array names carry their axes: N images, H rows, W columns, C coefficients, P pixels.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from tenfold.digits import IMAGE_SIZE_PX
from tenfold.recipes.configs import (
    AugmentationConfig,
)

ELASTIC_LENGTH_PX = 6.0  # displacements of pixels so far apart have a correlation of 0.61
ELASTIC_WAVES = 6  # kept along each axis: they hold 99.8 % of such a field's variance
HALF_PX = IMAGE_SIZE_PX / 2


@dataclass(frozen=True)
class Draws:
    """What was drawn for N images; `draws[rows]` are those of some of them.

    `fields_N2C` are coefficients of displacement fields along x and y; `strokes_N` says how much
    thicker (or, below 0, thinner) strokes become, in shares of a pixel.
    """

    fields_N2C: Tensor
    strokes_N: Tensor

    def __getitem__(self, rows: Tensor) -> "Draws":
        return Draws(self.fields_N2C[rows], self.strokes_N[rows])


class Augmentation:
    """Alters batches of 28x28 images as a config says."""

    def __init__(self, config: AugmentationConfig, device: torch.device | None = None) -> None:
        self.config = config
        self.device = device
        self.fields_CP = _build_fields().to(device)

    def draw(self, num_images: int, generator: np.random.Generator) -> Draws:
        """Draw what happens to each image; the first rows are the same for any number of images."""
        config = self.config
        uniform, normal = generator.spawn(2)
        draws = uniform.uniform(-1, 1, (num_images, 7)).astype(np.float32)
        angles = np.radians(config.rotation_degrees) * draws[:, 0]
        widths, heights = np.exp(config.scale * draws[:, 1:3]).T
        shears = config.shear * draws[:, 3]
        shifts_N2 = config.shift_px / HALF_PX * draws[:, 4:6]

        # Where a pixel of the new image comes from: turn(shear(scale(pixel))) + shift + elastic.
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
        )

    def alter(self, images_NHW: Tensor, draws: Draws) -> Tensor:
        """The images, float32 [N, 28, 28] in [0, 1], altered as drawn; what comes in is black."""
        if self.config.stroke:
            images_NHW = change_strokes(images_NHW, draws.strokes_N)
        num_images = len(images_NHW)
        sources_N2P = (draws.fields_N2C.flatten(0, 1) @ self.fields_CP).view(num_images, 2, -1)
        sources_NHW2 = sources_N2P.unflatten(2, images_NHW.shape[1:]).permute(0, 2, 3, 1)
        altered = F.grid_sample(
            images_NHW[:, None],
            sources_NHW2,
            mode=self.config.interpolation,
            padding_mode="zeros",
            align_corners=False,
        )
        return altered[:, 0].clamp_(0, 1)  # bicubic interpolation goes a little beyond


def augment(
    images_NHW: Tensor, config: AugmentationConfig, generator: np.random.Generator
) -> Tensor:
    """Alter a batch of images, float32 [N, 28, 28] in [0, 1], with draws from `generator`."""
    augmentation = Augmentation(config)
    return augmentation.alter(images_NHW, augmentation.draw(len(images_NHW), generator))


def build_generator(seed: int, epoch: int) -> np.random.Generator:
    """The generator of an epoch's draws; another stream than that of the order of samples."""
    return np.random.default_rng((seed, epoch, 1))


def change_strokes(images_NHW: Tensor, strokes_N: Tensor) -> Tensor:
    """Thicken (above 0) or thin (below 0) bright strokes by a share of a pixel on each side.

    An image is mixed with itself after a dilation or an erosion by 3x3 pixels.
    """
    amounts = strokes_N[:, None, None]
    thicker = _dilate(images_NHW) - images_NHW
    thinner = _dilate(1 - images_NHW) - (1 - images_NHW)
    return images_NHW + amounts.clamp(min=0) * thicker + amounts.clamp(max=0) * thinner


def _dilate(images_NHW: Tensor) -> Tensor:
    """The maximum of each 3x3 neighbourhood, first along one axis, then along the other."""
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
    """The displacement fields [C, P] that a drawn row has coefficients of.

    First x, y and 1, in units of half the image's width: they make every affine map. Then products
    of the waves along each axis that a smooth random field is best made of.
    """
    centred = (torch.arange(IMAGE_SIZE_PX) - (IMAGE_SIZE_PX - 1) / 2) / HALF_PX
    size = (IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    affine = torch.stack([centred.expand(size), centred[:, None].expand(size), torch.ones(size)])
    waves = torch.from_numpy(_build_waves()).float()
    elastic = torch.einsum("ay,bx->abyx", waves, waves)
    return torch.cat([affine.flatten(1), elastic.flatten(2).flatten(0, 1)])


def _build_waves() -> npt.NDArray[np.float64]:
    """The largest principal components [wave, pixel] of a smooth random function on the pixels.

    A Gaussian process of unit variance whose correlation falls like a Gaussian (P. Simard,
    D. Steinkraus and J. Platt, 2003, smooth white noise with a Gaussian to the same effect), by its
    Karhunen-Loève expansion.
    """
    pixels = np.arange(IMAGE_SIZE_PX)
    distances = pixels[:, None] - pixels
    variances, components = np.linalg.eigh(np.exp(-0.5 * (distances / ELASTIC_LENGTH_PX) ** 2))
    largest = slice(None, -ELASTIC_WAVES - 1, -1)
    scaled: npt.NDArray[np.float64] = (components[:, largest] * np.sqrt(variances[largest])).T
    # Which sign an eigenvector has is the library's choice; make it ours.
    return scaled * np.sign(scaled[:, :1])
