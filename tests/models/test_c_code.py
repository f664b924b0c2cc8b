"""Networks with random layers and weights: the C code computes what PyTorch computes."""

import re
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from models.c_programs import classify_in_c, require_program
from tenfold.data.mnist import LabelledImages
from tenfold.models.build import build_model
from tenfold.models.c_code import build_c_code
from tenfold.models.quantisation import SummaryLayer, WeightedLayer, quantise, quantise_layers
from tenfold.models.seeding import seeding
from tenfold.recipes.configs import ConvolutionalConfig, PerceptronConfig, SeparableConfig

SANITIZED = ("-O1", "-fsanitize=undefined,address", "-fno-sanitize-recover=all")
Layers = list[WeightedLayer | SummaryLayer]


def draw_normalisation(num_channels: int, random: np.random.Generator) -> nn.BatchNorm2d:
    """Batch normalisation with scales of both signs, some of them 0 or next to it."""
    module = nn.BatchNorm2d(num_channels, momentum=1.0)
    scales = random.normal(size=num_channels)
    scales[random.random(num_channels) < 0.1] = random.choice([0, 1e-12])
    module.weight.data = torch.tensor(scales, dtype=torch.float32)
    module.bias.data = torch.tensor(random.normal(size=num_channels), dtype=torch.float32)
    return module


def draw_convolution(num_inputs: int, size_px: int, random: np.random.Generator) -> nn.Conv2d:
    """A convolution with bias or without, across all channels, two halves, or none."""
    kernel_px = int(random.choice([1, 3, 5]))
    groups = int(random.choice([1, 2, num_inputs])) if num_inputs > 1 else 1
    return nn.Conv2d(
        num_inputs,
        max(groups, 4) * int(random.integers(1, 4)),
        kernel_px,
        stride=int(random.integers(1, 3)) if size_px > 10 else 1,
        padding=int(random.integers(0, kernel_px // 2 + 1)) if size_px > 10 else kernel_px // 2,
        groups=groups,
        bias=bool(random.random() < 0.5),
    )


@torch.no_grad()
def draw_layers(images_NHW: npt.NDArray[np.uint8], seed: int) -> Layers:
    """Convolutions, two of them with the same weights, a summary or none, and linear layers.

    The statistics of batch normalisations are those of the images.
    """
    random = np.random.default_rng(seed)
    layers: Layers = []
    activations = torch.tensor(images_NHW)[:, None] / 255

    def add(layer: WeightedLayer) -> None:
        nonlocal activations
        layers.append(layer)
        activations = layer.compute(activations)
        if layer.normalisation is not None:
            layer.normalisation.eval()

    with seeding(seed):
        for _ in range(random.integers(1, 4)):
            _, num_channels, size_px, _ = activations.shape
            convolution = draw_convolution(num_channels, size_px, random)
            normalisation = draw_normalisation(convolution.out_channels, random)
            is_pooled = bool(size_px > 7 and random.random() < 0.6)
            add(
                WeightedLayer(weights=convolution, normalisation=normalisation, is_pooled=is_pooled)
            )
        num_channels = activations.shape[1]
        # Its outputs are negative, too, and padding is zeros: no kernel that needs any follows.
        add(WeightedLayer(weights=nn.Conv2d(num_channels, num_channels, 3), has_relu=False))
        add(WeightedLayer(weights=nn.Conv2d(num_channels, num_channels, 1)))
        shared = nn.Conv2d(num_channels, num_channels, 3, padding="same")
        for _ in range(2):
            normalisation = draw_normalisation(num_channels, random)
            add(WeightedLayer(weights=shared, normalisation=normalisation))
        if kind := random.integers(3):
            layers.append(SummaryLayer(has_maximum=bool(kind == 2)))
            activations = torch.zeros(1, num_channels * int(kind), 1, 1)
        add(WeightedLayer(weights=nn.Linear(activations[0].numel(), 20)))
        add(WeightedLayer(weights=nn.Linear(20, 10), has_relu=False))
    return layers


@pytest.fixture(scope="module")
def images_NHW(  # noqa: N802
    test_images: LabelledImages,
) -> npt.NDArray[np.uint8]:
    """Digits, noise, and images in one colour, which are brighter than any digit."""
    noise_NHW = np.random.default_rng(0).integers(0, 256, (30, 28, 28), np.uint8)
    plain_NHW = np.tile(np.array([0, 1, 128, 255], np.uint8)[:, None, None], (1, 28, 28))
    return np.concatenate([test_images.images_NHW[:60], noise_NHW, plain_NHW])


@pytest.mark.parametrize("seed", range(8))
def test_random_networks_give_the_same_scores_in_c(
    seed: int, images_NHW: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    layers = draw_layers(images_NHW[:60], seed)
    network = quantise_layers(layers, images_NHW[:60] // 2)  # the rest saturates
    code = build_c_code(network, {}).text
    returned_N, scores_NK = classify_in_c(code, images_NHW, tmp_path, *SANITIZED)
    expected_NK = network.compute_scores(images_NHW)
    np.testing.assert_array_equal(scores_NK, expected_NK)
    np.testing.assert_array_equal(returned_N, expected_NK.argmax(1))
    assert len(np.unique(expected_NK)) > 100
    # The second use of the shared weights adds biases and multipliers alone.
    num_layers = sum(isinstance(layer, WeightedLayer) for layer in layers)
    assert len(re.findall(r"^static const int8_t weights_", code, re.MULTILINE)) == num_layers - 1


def test_named_networks_give_the_same_scores_in_c(
    images_NHW: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    for config, num_answers in (
        (PerceptronConfig(hidden_sizes=(20,)), 10),
        (PerceptronConfig(hidden_sizes=(30, 20, 10)), 10),
        (ConvolutionalConfig(channels=(3, 4, 6), depths=(1, 2, 1), rejects=True), 11),
        (ConvolutionalConfig(channels=(4, 8), depths=(1, 1), first_stride_px=2), 10),
        (SeparableConfig(width=8, blocks=(1, 2, 0, 1, 0)), 10),
    ):
        network = quantise(build_model(config, 1), images_NHW[:60])
        code = build_c_code(network, {}).text
        returned_N, scores_NK = classify_in_c(
            code, images_NHW, tmp_path, *SANITIZED, num_answers=num_answers
        )
        np.testing.assert_array_equal(scores_NK, network.compute_scores(images_NHW))
        np.testing.assert_array_equal(returned_N, scores_NK.argmax(1))


def test_the_first_of_equal_scores_counts(
    images_NHW: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    model = build_model(PerceptronConfig(hidden_sizes=(5,)), 0)
    for parameter in model.parameters():
        parameter.data.zero_()
    model.layers[1].bias.data[3:] = 1.0  # type: ignore[index, union-attr]
    network = quantise(model, images_NHW)
    returned_N, scores_NK = classify_in_c(build_c_code(network, {}).text, images_NHW, tmp_path)
    assert set(returned_N) == {3}
    assert network.unit * scores_NK[0] == pytest.approx([0.0] * 3 + [1.0] * 7)


def test_a_bare_metal_compiler_needs_only_its_own_headers(
    images_NHW: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    gcc = require_program("arm-none-eabi-gcc")
    headers = subprocess.run(
        [gcc, "-print-file-name=include"], capture_output=True, text=True, check=True
    ).stdout.strip()
    network = quantise_layers(draw_layers(images_NHW[:60], 1), images_NHW[:60])
    code = build_c_code(network, {})
    (tmp_path / "model.c").write_text(code.text)
    flags = "-std=c99 -Wall -Wextra -Werror -Os -mcpu=cortex-m0plus -mthumb -ffreestanding -c"
    subprocess.run(
        [gcc, *flags.split(), "-nostdinc", "-isystem", headers, "model.c"], cwd=tmp_path, check=True
    )
    missing = subprocess.run(
        ["arm-none-eabi-nm", "--undefined-only", "--format=just-symbols", "model.o"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    # The compiler's own functions for numbers of 64 bits; no memory functions, no floating point.
    assert {*missing} <= {"__aeabi_lmul", "__aeabi_llsl", "__aeabi_lasr", "__aeabi_llsr"}
    sizes = subprocess.run(
        ["arm-none-eabi-size", "-A", "model.o"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    sections = {name: int(size) for name, size in re.findall(r"^\.(\w+) +(\d+)", sizes, re.M)}
    assert (sections["data"], sections["bss"]) == (0, code.num_memory_bytes)
    assert code.num_constant_bytes == sections["rodata"]


def test_the_comment_cannot_be_ended_by_a_name(
    images_NHW: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    network = quantise(build_model(PerceptronConfig(hidden_sizes=(5,)), 0), images_NHW)
    facts = {"recipe": "*/ int x; /* \\\n??/", "classes": "été, /*/ " * 30}
    code = build_c_code(network, facts).text
    comment = code[: code.index("#include")]
    assert comment.count("*/") == comment.count("/*") == 1
    assert "été" in comment
    assert max(map(len, code.splitlines())) <= 100
    classify_in_c(code, images_NHW[:1], tmp_path)
