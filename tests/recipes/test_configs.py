import dataclasses
import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from run_errors import catch_error
from tenfold.errors import RecipeError
from tenfold.recipes.catalogue import RECIPES
from tenfold.recipes.configs import (
    AugmentationConfig,
    ConvolutionalConfig,
    OptimizerConfig,
    PerceptronConfig,
    SeparableConfig,
)
from tenfold.recipes.upright import UprightConfig


def test_models_describe_their_layers() -> None:
    assert PerceptronConfig(hidden_sizes=(7,)).describe() == "784-7-10"
    convolutional = ConvolutionalConfig(channels=(4, 8), depths=(1, 2))
    assert convolutional.describe() == "conv 1x4 2x8"
    columns = dataclasses.replace(convolutional, columns=3, upright_px=24)
    assert columns.describe() == "3 x conv 1x4 2x8, upright"


def test_parameters_and_multiply_adds_are_counted() -> None:
    # 784 x 7 + 7 x 10, and a bias for each output.
    perceptron = PerceptronConfig(hidden_sizes=(7,))
    assert perceptron.count_multiply_adds() == 5558
    assert perceptron.count_parameters() == 5558 + 17
    # 25 products for each of 4 x 28 x 28 pixels, 9 x 4 for each of 8 x 14 x 14, and 16 x 10.
    convolutional = ConvolutionalConfig(channels=(4, 8), depths=(1, 1))
    assert convolutional.count_multiply_adds() == 78_400 + 56_448 + 160
    # Kernels, a factor and an offset for each of 12 channels, and the last layer.
    assert convolutional.count_parameters() == 100 + 288 + 24 + 170
    columns = dataclasses.replace(convolutional, columns=3, upright_px=14)
    of_upright = (78_400 + 56_448) // 4 + 160
    assert columns.count_multiply_adds() == 78_400 + 56_448 + 160 + 2 * of_upright
    assert columns.count_parameters() == 3 * (100 + 288 + 24 + 170)


@pytest.mark.parametrize(
    ("columns", "upright_px", "evenness"),
    [
        (1, 0, [None]),
        (3, 0, [None, None, None]),
        (1, 24, [0.5]),
        (2, 24, [None, 0.5]),
        (4, 24, [None, None, 0, 1]),
        (5, 24, [None, None, 0, 0.5, 1]),
    ],
)
def test_half_of_the_columns_see_digits_upright(
    columns: int, upright_px: int, evenness: list[float | None]
) -> None:
    config = ConvolutionalConfig(columns=columns, upright_px=upright_px)
    assert config.list_evenness() == evenness


def test_convolutions_are_listed_in_order() -> None:
    config = ConvolutionalConfig(channels=(4, 6, 8), depths=(2, 1, 1), first_kernel_px=7)
    assert [dataclasses.astuple(layer) for layer in config.list_convolutions()] == [
        (1, 4, 7, 1, 28, False),
        (4, 4, 3, 1, 28, True),
        (4, 6, 3, 1, 14, True),
        (6, 8, 3, 1, 7, False),  # followed by the mean and the maximum of each channel
    ]


def test_a_stride_replaces_the_pooling_of_the_first_stage() -> None:
    config = ConvolutionalConfig(channels=(4, 6, 8), depths=(2, 1, 1), first_stride_px=2)
    assert [dataclasses.astuple(layer) for layer in config.list_convolutions()] == [
        (1, 4, 5, 2, 14, False),
        (4, 4, 3, 1, 14, False),
        (4, 6, 3, 1, 14, True),
        (6, 8, 3, 1, 7, False),
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": (4, 8, 16)}, "--depths must have as many values as --channels, 3, not 2"),
        ({"depths": (1,)}, "--depths must have as many values as --channels, 2, not 1"),
        ({"first_kernel_px": 4}, "--first-kernel-px must be an odd number, not 4"),
        ({"first_kernel_px": 9}, "--first-kernel-px must be a whole number from 1 to 7, not 9"),
        ({"upright_px": 3}, "--upright-px must be 0, or 4 or more for 2 stages, not 3"),
        ({"upright_px": 29}, "--upright-px must be a whole number from 0 to 28, not 29"),
        ({"columns": 0}, "--columns must be a whole number from 1 to 32, not 0"),
        (
            {"channels": (0, 1)},
            "--channels must be 1 to 4 whole numbers, each from 1 to 1,024, not (0, 1)",
        ),
    ],
)
def test_invalid_convolutions_are_refused(changes: dict[str, Any], message: str) -> None:
    fields: dict[str, Any] = {"channels": (4, 8), "depths": (1, 2), **changes}
    assert catch_error(lambda: ConvolutionalConfig(**fields), RecipeError) == message


@pytest.mark.parametrize(
    ("recipe", "changes", "message"),
    [
        (
            "classic",
            {"hidden_sizes": (10_000,) * 8},
            "--hidden-sizes: 10000 10000 10000 10000 10000 10000 10000 10000 makes a model of 708 "
            "million parameters; at most 100 million are allowed",
        ),
        (
            "robust",
            {"channels": (1024,) * 4, "depths": (8,) * 4},
            "--channels: 1024 1024 1024 1024 makes a model of 293 million parameters; at most 100 "
            "million are allowed",
        ),
        (
            "robust",
            {"channels": (512,) * 3, "columns": 32},
            "--channels: 512 512 512 in 32 columns makes a model of 303 million parameters; at "
            "most 100 million are allowed",
        ),
    ],
)
def test_a_model_with_too_many_parameters_is_refused(
    recipe: str, changes: dict[str, Any], message: str
) -> None:
    assert catch_error(lambda: RECIPES[recipe].replace(**changes), RecipeError) == message


def test_large_models_are_accepted() -> None:
    RECIPES["classic"].replace(hidden_sizes=(5_000,) * 4)


def list_scales(num_steps: int, **fields: Any) -> list[float]:
    config = OptimizerConfig(**fields)
    return [config.scale_at(step, num_steps) for step in range(num_steps)]


def test_a_constant_schedule_is_constant() -> None:
    assert list_scales(7, warmup=0.5) == [1.0] * 7


def test_one_cycle_rises_and_falls_linearly() -> None:
    scales = list_scales(10, schedule="one-cycle", warmup=0.4)
    # Up by quarters in the first 4 steps, then from the peak down by sixths, to 0 at step 10.
    up, down = [1, 2, 3, 4], [6, 5, 4, 3, 2, 1]
    assert scales == pytest.approx([i / 4 for i in up] + [i / 6 for i in down])


def test_one_cycle_without_warmup_falls_from_its_first_step() -> None:
    scales = list_scales(4, schedule="one-cycle", warmup=0)
    assert scales == pytest.approx([1, 3 / 4, 2 / 4, 1 / 4])


@given(num_steps=st.integers(1, 500), warmup=st.floats(0, 0.9))
def test_one_cycle_has_one_peak(num_steps: int, warmup: float) -> None:
    scales = list_scales(num_steps, schedule="one-cycle", warmup=warmup)
    rising = round(warmup * num_steps)
    peak = int(np.argmax(scales))
    assert all(0 < scale <= 1 for scale in scales)
    assert scales == sorted(scales[:peak]) + sorted(scales[peak:], reverse=True)
    assert peak - 1 <= rising <= peak + 1
    assert scales[peak] == 1
    if rising < num_steps:
        assert scales[-1] == pytest.approx(1 / (num_steps - rising))
    if rising:
        assert scales[0] == pytest.approx(1 / rising)


@pytest.mark.parametrize(
    ("strength", "described"),
    [
        ({"rotation_degrees": 12.5}, "rotation ±12.5°"),
        ({"shift_px": 2}, "shift ±2 px"),
        ({"scale": 0.1}, "scale e^±0.1"),
        ({"shear": 0.2}, "shear ±0.2"),
        ({"elastic_px": 0.001}, "elastic 0.001 px"),
        ({"stroke": 0.5, "rotation_degrees": 9}, "rotation ±9°, stroke ±0.5 px"),
    ],
)
def test_augmentation_is_described(strength: dict[str, Any], described: str) -> None:
    config = AugmentationConfig(**strength)
    assert not config.is_none
    assert config.describe() == described


def test_interpolation_alone_is_no_augmentation() -> None:
    assert AugmentationConfig().is_none
    assert AugmentationConfig(interpolation="bicubic").is_none


def test_separable_blocks_are_listed_with_their_pooling() -> None:
    config = SeparableConfig(width=4, first_px=4, blocks=(1, 2, 0, 1, 0))
    assert config.list_blocks() == [(1, False), (2, True), (1, True)]
    assert (config.first_size_px, config.last_size_px) == (13, 3)
    assert config.describe() == "separable 4: 1 2 | 1 |"
    # Two blocks of 4 x 9 + 4 x 4 weights, four normalisations, the first, the sum and the last.
    assert config.count_parameters() == 2 * 52 + 4 * 8 + 4 * 16 + 4 * 9 + 50
    products = 4 * 16 * 169 + 2 * 169 * 52 + 36 * 52 + 4 * 9 + 40
    assert config.count_multiply_adds() == products


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ((0, 1), "--blocks must have a block before each 0, not 0 1"),
        ((1, 0, 0), "--blocks must have a block before each 0, not 1 0 0"),
        ((1, 0, 1, 0, 1, 0, 1, 0), "--blocks must pool 3 times at most, which leaves one pixel"),
        ((17,), "--blocks must be 1 to 32 whole numbers, each from 0 to 16, not (17,)"),
    ],
)
def test_invalid_blocks_are_refused(blocks: tuple[int, ...], message: str) -> None:
    assert catch_error(lambda: SeparableConfig(blocks=blocks), RecipeError) == message


def test_an_upright_network_has_few_parameters() -> None:
    config = UprightConfig(widths=(3, 5, 4), dilations=(1, 2))
    assert (config.first_size_px, config.last_size_px) == (14, 8)
    assert config.describe() == "upright 3-5-4, dilated 1-2"
    # The first convolution, two blocks, shifts, planes and the last layer.
    assert config.count_parameters() == 27 + (27 + 15) + (45 + 20) + 12 + 12 + 50
    products = 27 * 784 + 144 * (27 + 15) + 64 * (45 + 20) + 4 * 64 + 40
    assert config.count_multiply_adds() == products
    assert UprightConfig().count_parameters() == 699


@pytest.mark.parametrize(
    ("widths", "dilations", "message"),
    [
        ((3, 5, 4), (1,), "--dilations must have one value fewer than --widths, 2, not 1"),
        ((3, 5, 4), (4, 3), "--dilations must be 6 in all at most, which leaves two pixels"),
        ((3,), (1,), "--widths must be 2 to 8 whole numbers, each from 1 to 256, not (3,)"),
    ],
)
def test_invalid_widths_and_dilations_are_refused(
    widths: tuple[int, ...], dilations: tuple[int, ...], message: str
) -> None:
    build = functools.partial(UprightConfig, widths=widths, dilations=dilations)
    assert catch_error(build, RecipeError) == message
