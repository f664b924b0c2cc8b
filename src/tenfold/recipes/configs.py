"""The parts of a recipe: models, optimizer with its schedule, augmentation. No torch."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, get_args

from tenfold.digits import IMAGE_SIZE_PX, NUM_CLASSES
from tenfold.errors import RecipeError
from tenfold.recipes.fields import boolean, check_fields, choice, flag_name, integers, number
from tenfold.recipes.own_model import ModuleConfig
from tenfold.recipes.upright import UprightConfig

NUM_INPUTS = IMAGE_SIZE_PX**2
# 400 MB of weights, and four times that in training. The largest named recipe has 1.5 million;
# classifiers of small grey images do not gain from more.
MAX_PARAMETERS = 100_000_000


@dataclass(frozen=True, kw_only=True)
class PerceptronConfig:
    """A perceptron: fully connected layers with ReLU between them."""

    kind: ClassVar[str] = "perceptron"
    rejects: ClassVar[bool] = False

    hidden_sizes: tuple[int, ...] = integers(
        (500, 125), 1, 10_000, "Neurons in each hidden layer.", sizes=(1, 8)
    )

    def __post_init__(self) -> None:
        check_fields(self)
        _check_parameters(self, "hidden_sizes")

    @property
    def sizes(self) -> tuple[int, ...]:
        """The inputs, the neurons of each hidden layer, and the outputs."""
        return (NUM_INPUTS, *self.hidden_sizes, NUM_CLASSES)

    def describe(self) -> str:
        """The layers in one line, such as 784-500-125-10."""
        return "-".join(map(str, self.sizes))

    def count_parameters(self) -> int:
        """Weights and biases."""
        return self.count_multiply_adds() + sum(self.sizes[1:])

    def count_multiply_adds(self) -> int:
        """The multiply-adds for one image."""
        return sum(inputs * outputs for inputs, outputs in itertools.pairwise(self.sizes))


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """A convolution with batch normalisation; `size_px` is that of its outputs before pooling."""

    num_inputs: int
    num_outputs: int
    kernel_px: int
    stride_px: int
    size_px: int
    is_pooled: bool

    def count_parameters(self) -> int:
        """Weights, and the scale and shift of batch normalisation."""
        return (self.num_inputs * self.kernel_px**2 + 2) * self.num_outputs

    def count_multiply_adds(self) -> int:
        """The multiply-adds for one image."""
        return self.num_inputs * self.num_outputs * (self.kernel_px * self.size_px) ** 2


@dataclass(frozen=True, kw_only=True)
class ConvolutionalConfig:
    """A convolutional network: stages of 3x3 convolutions, each at half the size of the last.

    Every convolution is followed by batch normalisation and ReLU, with 2x2 max pooling before them
    at the end of a stage; the first stage may be halved by its first convolution's stride instead.
    The mean and the maximum of each channel go to one linear layer.

    Several such networks may be side by side, each with weights and a loss of its own; their mean
    log probabilities decide. If digits are made upright, then for the last half of these columns,
    rounded up: the first of them leaves widths as they are, the last makes all equal, and one alone
    makes them half as different. Columns for images that are normalised in different ways are those
    of Cireşan et al. 2012, "Multi-column deep neural networks for image classification".
    """

    kind: ClassVar[str] = "convolutional"

    channels: tuple[int, ...] = integers(
        (32, 64, 128),
        1,
        1024,
        "Channels in each stage (convolutional networks only).",
        sizes=(1, 4),
    )
    depths: tuple[int, ...] = integers(
        (1, 2, 2), 1, 8, "Convolutions in each stage (convolutional networks only).", sizes=(1, 4)
    )
    first_kernel_px: int = number(
        5,
        1,
        7,
        "Kernel size of the first convolution, an odd number (convolutional networks only).",
    )
    first_stride_px: int = number(
        1,
        1,
        2,
        "Stride of the first convolution; 2 replaces the first stage's pooling (convolutional "
        "networks only).",
    )
    upright_px: int = number(
        0,
        0,
        IMAGE_SIZE_PX,
        "Make digits upright, centred and of one height first, in images of this size, for half of "
        "the columns, rounded up; 0 for images as they are (convolutional networks only).",
    )
    columns: int = number(
        1,
        1,
        32,
        "Networks side by side, whose mean log probabilities decide (convolutional networks only).",
    )
    rejects: bool = boolean(
        False, "Add a class for images that show no digit (convolutional networks only)."
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if len(self.depths) != len(self.channels):
            raise RecipeError(
                f"--depths must have as many values as --channels, {len(self.channels)}, not "
                f"{len(self.depths)}"
            )
        if self.first_kernel_px % 2 == 0:
            raise RecipeError(
                f"--first-kernel-px must be an odd number, not {self.first_kernel_px}"
            )
        if 0 < self.upright_px < self.min_size_px:
            raise RecipeError(
                f"--upright-px must be 0, or {self.min_size_px} or more for {len(self.channels)} "
                f"stages, not {self.upright_px}"
            )
        _check_parameters(self, "channels")

    @property
    def min_size_px(self) -> int:
        """The smallest images that leave four pixels to the last stage."""
        return 2 << (len(self.channels) - 1)

    @property
    def num_answers(self) -> int:
        """The number of logits."""
        return NUM_CLASSES + self.rejects

    def list_evenness(self) -> list[float | None]:
        """For each column, how far the widths of digits are made equal, from 0 to 1.

        None is for a column that sees images as they are.
        """
        num_upright = (self.columns + 1) // 2 if self.upright_px else 0
        last = num_upright - 1
        evenness = [i / last if last else 0.5 for i in range(num_upright)]
        return [*[None] * (self.columns - num_upright), *evenness]

    def list_convolutions(self, size_px: int = IMAGE_SIZE_PX) -> list[Convolution]:
        """The convolutions of a column for images of a size, in order."""
        convolutions: list[Convolution] = []
        num_inputs = 1
        for stage, (num_outputs, depth) in enumerate(zip(self.channels, self.depths, strict=True)):
            for i in range(depth):
                stride_px = 1 if convolutions else self.first_stride_px
                size_px = -(-size_px // stride_px)
                is_halved = i == depth - 1 and stage < len(self.depths) - 1
                convolution = Convolution(
                    num_inputs=num_inputs,
                    num_outputs=num_outputs,
                    kernel_px=3 if convolutions else self.first_kernel_px,
                    stride_px=stride_px,
                    size_px=size_px,
                    is_pooled=is_halved and not (stage == 0 and self.first_stride_px == 2),
                )
                convolutions.append(convolution)
                num_inputs, size_px = num_outputs, size_px // (2 if convolution.is_pooled else 1)
        return convolutions

    def describe(self) -> str:
        """The columns and stages in one line, such as 4 x conv 1x32 2x64 2x128, upright."""
        stages = zip(self.depths, self.channels, strict=True)
        text = "conv " + " ".join(f"{depth}x{channels}" for depth, channels in stages)
        if self.columns > 1:
            text = f"{self.columns} x {text}"
        return f"{text}, upright" if self.upright_px else text

    def count_parameters(self) -> int:
        """Weights, biases, and the scale and shift of batch normalisation."""
        last = (2 * self.channels[-1] + 1) * self.num_answers
        convolutions = sum(layer.count_parameters() for layer in self.list_convolutions())
        return self.columns * (convolutions + last)

    def count_multiply_adds(self) -> int:
        """The multiply-adds for one image, without making it upright."""
        last = 2 * self.channels[-1] * self.num_answers
        return sum(
            last + sum(layer.count_multiply_adds() for layer in self.list_convolutions(size_px))
            for size_px in (
                IMAGE_SIZE_PX if evenness is None else self.upright_px
                for evenness in self.list_evenness()
            )
        )


POOLING = 0  # in `SeparableConfig.blocks`


@dataclass(frozen=True, kw_only=True)
class SeparableConfig:
    """A convolutional network of few parameters: separable blocks that may share weights.

    A first convolution of stride 2, then blocks: a 3x3 convolution of each channel (depthwise), a
    1x1 convolution of all (pointwise), batch normalisation and ReLU, as in MobileNets (Howard et
    al., 2017). Blocks with the same number have the same weights, but each its own normalisation.
    At the end a weighted sum over the pixels of each channel goes to one linear layer.
    """

    kind: ClassVar[str] = "separable"
    rejects: ClassVar[bool] = False

    width: int = number(10, 1, 256, "Channels of every layer (separable networks only).")
    first_px: int = number(
        4,
        1,
        7,
        "Kernel size of the first convolution, which has stride 2 and no padding (separable "
        "networks only).",
    )
    blocks: tuple[int, ...] = integers(
        (1, 1, 1, POOLING, 1, 1, 1, POOLING),
        POOLING,
        16,
        "The blocks in order; equal numbers share weights, 0 pools the outputs of the block before "
        "it (separable networks only).",
        sizes=(1, 32),
    )

    def __post_init__(self) -> None:
        check_fields(self)
        pairs = zip((POOLING, *self.blocks), self.blocks, strict=False)
        if any(before == block == POOLING for before, block in pairs):
            blocks = " ".join(map(str, self.blocks))
            raise RecipeError(f"--blocks must have a block before each 0, not {blocks}")
        if self.last_size_px < 1:
            raise RecipeError("--blocks must pool 3 times at most, which leaves one pixel")

    @property
    def first_size_px(self) -> int:
        """The size of the outputs of the first convolution."""
        return (IMAGE_SIZE_PX - self.first_px) // 2 + 1

    @property
    def last_size_px(self) -> int:
        """The size of the last block's outputs."""
        return self.first_size_px >> self.blocks.count(POOLING)

    def list_blocks(self) -> list[tuple[int, bool]]:
        """The number of each block, and whether its outputs are pooled."""
        following = (*self.blocks[1:], None)
        return [
            (block, after == POOLING)
            for block, after in zip(self.blocks, following, strict=True)
            if block != POOLING
        ]

    def describe(self) -> str:
        """The width and the blocks in one line, such as separable 10: 1 1 1 | 1 1 1 |."""
        blocks = " ".join(str(block) if block != POOLING else "|" for block in self.blocks)
        return f"separable {self.width}: {blocks}"

    def count_parameters(self) -> int:
        """Weights, biases, and the scale and shift of batch normalisation."""
        blocks = self.list_blocks()
        num_different = len({number for number, _ in blocks})
        per_channel = self.first_px**2 + self.last_size_px**2 + NUM_CLASSES
        per_channel += (9 + self.width) * num_different + 2 * (len(blocks) + 1)
        return self.width * per_channel + NUM_CLASSES

    def count_multiply_adds(self) -> int:
        """The multiply-adds for one image."""
        size_px = self.first_size_px
        count = (self.first_px * size_px) ** 2
        for _, is_pooled in self.list_blocks():
            count += size_px**2 * (9 + self.width)
            size_px //= 2 if is_pooled else 1
        return self.width * (count + size_px**2 + NUM_CLASSES)


ModelConfig = (
    PerceptronConfig | ConvolutionalConfig | SeparableConfig | UprightConfig | ModuleConfig
)
MODEL_KINDS: Mapping[str, type[ModelConfig]] = MappingProxyType(
    {kind.kind: kind for kind in get_args(ModelConfig)}
)


def _check_parameters(config: PerceptronConfig | ConvolutionalConfig, field_name: str) -> None:
    """Raise RecipeError for a model that may not fit into memory, naming the field."""
    count = config.count_parameters()
    if count > MAX_PARAMETERS:
        sizes = " ".join(map(str, getattr(config, field_name)))
        if isinstance(config, ConvolutionalConfig) and config.columns > 1:
            sizes += f" in {config.columns} columns"
        raise RecipeError(
            f"{flag_name(field_name)}: {sizes} makes a model of {count / 1e6:.0f} million "
            f"parameters; at most {MAX_PARAMETERS / 1e6:.0f} million are allowed"
        )


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """The optimizer and its learning-rate schedule."""

    optimizer: str = choice("adam", "sgd", help="The optimizer.")
    learning_rate: float = number(
        0.001, 1e-7, 10.0, "The learning rate; with --schedule one-cycle, its peak."
    )
    momentum: float = number(0.9, 0.0, 0.9999, "Nesterov momentum of SGD.")
    weight_decay: float = number(
        0.0, 0.0, 1.0, "Weight decay: decoupled with Adam (AdamW), added to the gradient with SGD."
    )
    schedule: str = choice(
        "constant",
        "one-cycle",
        help="The learning-rate schedule; one-cycle rises linearly to the peak, then falls to 0.",
    )
    warmup: float = number(
        0.1,
        0.0,
        0.9,
        "The share of steps in which the learning rate of --schedule one-cycle rises.",
    )

    def __post_init__(self) -> None:
        check_fields(self)

    def scale_at(self, step: int, num_steps: int) -> float:
        """The factor of the learning rate at a step, counted from 0."""
        if self.schedule == "constant":
            return 1.0
        num_rising = round(self.warmup * num_steps)
        if step < num_rising:
            return (step + 1) / num_rising
        return (num_steps - step) / (num_steps - num_rising)


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """Random augmentation of training images; none by default."""

    rotation_degrees: float = number(0.0, 0.0, 180.0, "The largest rotation, in either direction.")
    shift_px: float = number(0.0, 0.0, 14.0, "The largest shift along each axis.")
    scale: float = number(0.0, 0.0, 1.0, "Width and height are each scaled by e^-SCALE to e^SCALE.")
    shear: float = number(0.0, 0.0, 1.0, "The largest horizontal shear.")
    elastic_px: float = number(0.0, 0.0, 10.0, "Standard deviation of the elastic distortion.")
    stroke: float = number(0.0, 0.0, 1.0, "The largest change of stroke width, in pixels.")
    interpolation: str = choice(
        "bilinear",
        "bicubic",
        help="The interpolation of augmented images; bicubic keeps them sharper.",
    )
    corrupted_share: float = number(
        0.0,
        0.0,
        1.0,
        "The share of images that are also transformed twice as much and corrupted: tone, shading, "
        "inverted bands, lines, blur or noise.",
    )

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def is_none(self) -> bool:
        """Whether images are not augmented."""
        return not self.describe()

    def describe(self) -> str:
        """The augmentation in one line; empty if there is none."""
        parts = (
            (self.rotation_degrees, "rotation ±{:g}°"),
            (self.shift_px, "shift ±{:g} px"),
            (self.scale, "scale e^±{:g}"),
            (self.shear, "shear ±{:g}"),
            (self.elastic_px, "elastic {:g} px"),
            (self.stroke, "stroke ±{:g} px"),
            (100 * self.corrupted_share, "{:g} % corrupted"),
        )
        return ", ".join(text.format(strength) for strength, text in parts if strength)
