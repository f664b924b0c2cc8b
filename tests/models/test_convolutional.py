import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenfold.data.mnist import LabelledImages
from tenfold.models.build import build_model
from tenfold.models.convolutional import ConvolutionalNetwork, MultiColumnNetwork
from tenfold.models.upright import make_upright
from tenfold.recipes.configs import ConvolutionalConfig

CONFIG = ConvolutionalConfig(channels=(4, 6, 8), depths=(1, 2, 1))
CONFIGS = [
    CONFIG,
    ConvolutionalConfig(channels=(5,), depths=(1,), first_kernel_px=1),
    ConvolutionalConfig(channels=(5, 3), depths=(2, 2), first_kernel_px=7),
    ConvolutionalConfig(channels=(2, 3, 4, 5), depths=(1, 1, 1, 2)),
    ConvolutionalConfig(channels=(4, 6, 3), depths=(2, 1, 1), first_stride_px=2),
]


@pytest.fixture(scope="module")
def images(test_images: LabelledImages) -> Tensor:
    return torch.tensor(test_images.images_NHW[:20]) / 255


def build(config: ConvolutionalConfig, seed: int = 0) -> ConvolutionalNetwork:
    """A network with random batch normalisation.

    With negative weights, it matters that pooling comes first.
    """
    model = build_model(config, seed)
    assert isinstance(model, ConvolutionalNetwork)
    generator = torch.Generator().manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor in (layer.weight.data, layer.bias.data, layer.running_mean):
                assert tensor is not None
                tensor.normal_(generator=generator)
            assert layer.running_var is not None
            layer.running_var.uniform_(0.5, 2, generator=generator)
    return model


def compute(
    model: ConvolutionalNetwork, config: ConvolutionalConfig, images: Tensor, *, training: bool
) -> Tensor:
    """The logits from the tensors of a network, computed explicitly."""
    tensors = model.state_dict()
    activations, number = images.view(-1, 1, 28, 28), 0
    for stage, depth in enumerate(config.depths):
        for i in range(depth):
            weight = tensors[f"blocks.{number}.convolution.weight"]
            stride = config.first_stride_px if number == 0 else 1
            activations = F.conv2d(activations, weight, stride=stride, padding=weight.shape[2] // 2)
            is_halved = stage == 0 and config.first_stride_px == 2
            if i == depth - 1 and stage < len(config.depths) - 1 and not is_halved:
                activations = F.max_pool2d(activations, kernel_size=2, stride=2)
            names = ("running_mean", "running_var", "weight", "bias")
            mean, variance, scale, offset = (
                tensors[f"blocks.{number}.normalisation.{name}"][:, None, None] for name in names
            )
            if training:
                mean = activations.mean((0, 2, 3), keepdim=True)
                variance = activations.var((0, 2, 3), keepdim=True, correction=0)
            activations = (activations - mean) / torch.sqrt(variance + 1e-5) * scale + offset
            activations = activations.clamp(min=0)
            number += 1
    pixels = activations.flatten(2)
    summary = torch.cat([pixels.mean(2), pixels.max(2).values], 1)
    logits: Tensor = summary @ tensors["last.weight"].T + tensors["last.bias"]
    return logits


def test_layers_have_the_configured_shapes() -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in build(CONFIG).named_parameters()}
    weights = [shape for name, shape in shapes.items() if name.endswith("convolution.weight")]
    assert weights == [(4, 1, 5, 5), (6, 4, 3, 3), (6, 6, 3, 3), (8, 6, 3, 3)]
    assert (shapes["last.weight"], shapes["last.bias"]) == ((10, 16), (10,))
    # A bias would have no effect before batch normalisation.
    assert not [name for name in shapes if name.endswith("convolution.bias")]


@pytest.mark.parametrize("training", [False, True], ids=["evaluating", "training"])
@pytest.mark.parametrize("config", CONFIGS)
def test_logits_equal_an_explicit_computation(
    config: ConvolutionalConfig, training: bool, images: Tensor
) -> None:
    model = build(config).train(training)
    with torch.inference_mode():
        expected = compute(model, config, images, training=training)
        logits = model(images)
        assert model(images[:1]).isfinite().all()  # a batch may be one image
    assert logits.shape == (20, 10)
    assert logits.dtype == torch.float32
    assert logits.std() > 0.1
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


def test_logits_depend_on_neither_batch_nor_memory_layout(images: Tensor) -> None:
    model = build(CONFIG).eval()
    columns_first = images.transpose(1, 2).contiguous().transpose(1, 2)
    with torch.inference_mode():
        logits = model(images)
        torch.testing.assert_close(model(columns_first), logits, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(model(images[7:8]), logits[7:8], rtol=1e-5, atol=1e-5)


def test_activations_are_channels_last(images: Tensor) -> None:
    model = build(CONFIG).eval()
    layouts = []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(
                lambda _, inputs, output: layouts.append(
                    output.is_contiguous(memory_format=torch.channels_last)
                )
            )
    with torch.inference_mode():
        model(images)
    assert layouts == [True] * 4


@pytest.mark.parametrize("size_px", [8, 17, 24, 28])
@torch.inference_mode()
def test_an_upright_network_is_one_of_upright_images(size_px: int, images: Tensor) -> None:
    upright = dataclasses.replace(CONFIG, upright_px=size_px)
    model, plain = build(upright).eval(), build(CONFIG).eval()
    assert make_upright(images, size_px).shape == (20, size_px, size_px)
    assert torch.equal(model(images), plain(make_upright(images, size_px)))


@torch.inference_mode()
def test_columns_are_averaged(images: Tensor) -> None:
    model = build_model(dataclasses.replace(CONFIG, columns=3, upright_px=24), 0)
    assert isinstance(model, MultiColumnNetwork)
    logits = model(images)  # in training mode: of each column
    assert logits.shape == (3, 20, 10)
    assert (logits[0] - logits[1]).abs().mean() > 0.01
    model.eval()
    plain, probabilities = build(CONFIG).eval(), []
    views = (images, make_upright(images, 24, evenness=0), make_upright(images, 24, evenness=1))
    for column, view in zip(model.columns, views, strict=True):
        plain.load_state_dict(column.state_dict())
        probabilities.append(plain(view).softmax(1))
    means = torch.stack(probabilities).log().mean(0).softmax(1)
    torch.testing.assert_close(model(images).softmax(1), means)
