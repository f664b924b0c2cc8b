"""The upright network: it makes each digit upright and of one size, and so needs few parameters."""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenfold.digits import IMAGE_SIZE_PX, NUM_CLASSES
from tenfold.recipes.upright import KERNEL_PX, NUM_PLANE, UprightConfig

# What every digit is made to be, in pixels: how far its ink is from its middle, as standard
# deviations along the axes; and the side of the square that is looked at, which is enlarged.
DEVIATION_X, DEVIATION_Y, SQUARE_PX = 4.2, 5.2, 25.0
MIN_INK, MIN_VARIANCE = 1e-3, 0.1  # of an image with less there is nothing to measure


def make_upright(images: Tensor, size_px: int = IMAGE_SIZE_PX, evenness: float = 0.5) -> Tensor:
    """Images [N, 28, 28], sheared until rows are centred below one another, and scaled.

    The result, [N, size_px, size_px], shows the same section whatever its size. Widths stay as they
    are with an `evenness` of 0, and become the same with 1.

    Moments of the ink give the shear, as in LeCun et al. 1998, "Gradient-based learning applied to
    document recognition", table 2 (deslanting); the height of all becomes the same. The factor of a
    width is that which would make it the same, to the power of `evenness`.
    """
    middle_px = (IMAGE_SIZE_PX - 1) / 2
    place = torch.arange(IMAGE_SIZE_PX, device=images.device, dtype=images.dtype) - middle_px
    rows, columns = images.sum(2), images.sum(1)
    ink = rows.sum(1).clamp_min(MIN_INK)
    y, x = (rows * place).sum(1) / ink, (columns * place).sum(1) / ink
    variance_y = ((rows * place**2).sum(1) / ink - y**2).clamp_min(MIN_VARIANCE)
    variance_x = ((columns * place**2).sum(1) / ink - x**2).clamp_min(MIN_VARIANCE)
    covariance = ((images * place[:, None]).sum(1) * place).sum(1) / ink - x * y
    shear = covariance / variance_y
    sheared = (variance_x - shear * covariance).clamp_min(MIN_VARIANCE)
    scale_x = (sheared.sqrt() / DEVIATION_X) ** evenness
    scale_y = variance_y.sqrt() / DEVIATION_Y
    half_px = IMAGE_SIZE_PX / 2  # of the image, whose edges grid_sample has at -1 and 1
    at = torch.arange(size_px, device=images.device, dtype=images.dtype) - (size_px - 1) / 2
    at = at / half_px * (SQUARE_PX / size_px)
    source_y = scale_y[:, None] * at + y[:, None] / half_px
    slant = (shear * scale_y)[:, None] * at + x[:, None] / half_px
    source_x = scale_x[:, None, None] * at + slant[:, :, None]
    grid = torch.stack([source_x, source_y[:, :, None].expand_as(source_x)], 3)
    return F.grid_sample(images[:, None], grid, align_corners=False)[:, 0]


class PlaneSum(nn.Module):
    """A weighted sum over the pixels of each channel; the weights of a channel lie on a plane."""

    def __init__(self, num_channels: int, size_px: int) -> None:
        super().__init__()
        mean = torch.eye(NUM_PLANE)[0]
        self.planes = nn.Parameter(mean.repeat(num_channels, 1))
        place = (torch.arange(size_px) + 0.5) / size_px * 2 - 1
        right, down = place.expand(size_px, size_px), place[:, None].expand(size_px, size_px)
        basis = torch.stack([torch.ones(size_px, size_px), right, down]) / size_px**2
        self.register_buffer("basis", basis.flatten(1), persistent=False)

    @property
    def weight(self) -> Tensor:
        """The weights of the pixels, [channels, pixels]."""
        basis = self.get_buffer("basis")
        return self.planes @ basis

    def forward(self, activations: Tensor) -> Tensor:
        """Map activations [N, C, H, W] to sums [N, C]."""
        return (activations.flatten(2) * self.weight).sum(2)


class UprightNetwork(nn.Module):
    """The images made upright, the config's convolutions, a sum over the pixels, a linear layer."""

    def __init__(self, config: UprightConfig) -> None:
        super().__init__()
        widths = config.widths
        self.first = nn.Conv2d(1, widths[0], KERNEL_PX, padding=1, bias=False)
        pairs = list(itertools.pairwise(widths))
        self.depthwise = nn.ModuleList(
            nn.Conv2d(inputs, inputs, KERNEL_PX, groups=inputs, dilation=dilation, bias=False)
            for (inputs, _), dilation in zip(pairs, config.dilations, strict=True)
        )
        self.pointwise = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 1, bias=False) for inputs, outputs in pairs
        )
        # The weights before a normalisation, or after the activation behind it, do as a scale.
        self.normalisations = nn.ModuleList(nn.BatchNorm2d(w, affine=False) for w in widths)
        self.shifts = nn.ParameterList(nn.Parameter(torch.zeros(w, 1, 1)) for w in widths)
        self.sum = PlaneSum(widths[-1], config.last_size_px)
        self.last = nn.Linear(widths[-1], NUM_CLASSES)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        """Map images, [N, 28, 28] in [0, 1], to logits [N, 10]."""
        activations = F.max_pool2d(self.first(make_upright(images)[:, None]), 2)
        activations = F.hardswish(self.normalisations[0](activations) + self.shifts[0])
        for depthwise, pointwise, normalisation, shift in zip(
            self.depthwise,
            self.pointwise,
            self.normalisations[1:],
            list(self.shifts)[1:],
            strict=True,
        ):
            activations = pointwise(depthwise(activations))
            activations = F.hardswish(normalisation(activations) + shift)
        logits: Tensor = self.last(self.sum(activations))
        return logits
