"""The config of the upright network: fewest parameters, for digits that are first made upright."""

import itertools
from dataclasses import dataclass
from typing import ClassVar

from tenfold.digits import IMAGE_SIZE_PX, NUM_CLASSES
from tenfold.errors import RecipeError
from tenfold.recipes.fields import check_fields, integers

KERNEL_PX = 3
NUM_PLANE = 3  # weights of a plane over an image: one for all pixels, and slopes to right and down


@dataclass(frozen=True, kw_only=True)
class UprightConfig:
    """A separable network that makes each digit upright, and of one size, by its moments.

    A 3x3 convolution and 2x2 max pooling, then blocks without padding: a 3x3 convolution of each
    channel (depthwise), which may be dilated, and a 1x1 convolution of all (pointwise). Each
    is followed by batch normalisation with a shift but no scale, and by hard swish. At the end a
    sum over the pixels of each channel, whose weights lie on a plane, goes to one linear layer.
    """

    kind: ClassVar[str] = "upright"
    rejects: ClassVar[bool] = False

    widths: tuple[int, ...] = integers(
        (7, 8, 10, 10),
        1,
        256,
        "Channels of the first convolution and of each block (upright networks only).",
        sizes=(2, 8),
    )
    dilations: tuple[int, ...] = integers(
        (1, 1, 2), 1, 6, "Dilation of each block (upright networks only).", sizes=(1, 7)
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if len(self.dilations) != len(self.widths) - 1:
            raise RecipeError(
                f"--dilations must have one value fewer than --widths, {len(self.widths) - 1}, not "
                f"{len(self.dilations)}"
            )
        if self.last_size_px < 1:
            raise RecipeError("--dilations must be 6 in all at most, which leaves two pixels")

    @property
    def first_size_px(self) -> int:
        """The size of the first convolution's pooled outputs."""
        return IMAGE_SIZE_PX // 2

    @property
    def last_size_px(self) -> int:
        """The size of the last block's outputs."""
        return self.first_size_px - 2 * sum(self.dilations)

    def describe(self) -> str:
        """The widths and dilations in one line, such as upright 7-8-10-10, dilated 1-1-2."""
        widths, dilations = ("-".join(map(str, each)) for each in (self.widths, self.dilations))
        return f"upright {widths}, dilated {dilations}"

    def count_parameters(self) -> int:
        """Weights, biases, and the shifts of batch normalisation."""
        count = KERNEL_PX**2 * self.widths[0] + sum(self.widths)
        for inputs, outputs in itertools.pairwise(self.widths):
            count += (KERNEL_PX**2 + outputs) * inputs
        return count + NUM_PLANE * self.widths[-1] + (self.widths[-1] + 1) * NUM_CLASSES

    def count_multiply_adds(self) -> int:
        """The multiply-adds of the layers for one image, without making it upright."""
        count = (KERNEL_PX * IMAGE_SIZE_PX) ** 2 * self.widths[0]
        size_px = self.first_size_px
        for (inputs, outputs), dilation in zip(
            itertools.pairwise(self.widths), self.dilations, strict=True
        ):
            size_px -= 2 * dilation
            count += size_px**2 * (KERNEL_PX**2 + outputs) * inputs
        return count + self.widths[-1] * (size_px**2 + NUM_CLASSES)
