import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenfold.data.mnist import LabelledImages
from tenfold.models.build import build_model
from tenfold.models.convolutional import MultiColumnNetwork
from tenfold.models.perceptron import Perceptron
from tenfold.recipes.catalogue import RECIPES
from tenfold.recipes.configs import ConvolutionalConfig, PerceptronConfig
from tenfold.recipes.recipe import Recipe
from tenfold.training.flat_parameters import FlatParameters, flatten_parameters
from tenfold.training.gradients import (
    AutogradGradients,
    PerceptronGradients,
    build_gradients,
    choose_precision,
)
from tenfold.training.products import has_onednn, is_onednn_faster

CLASSIC = RECIPES["classic"]
SMALL_CONVOLUTIONAL = Recipe(
    name="small", summary="fast to train", model=ConvolutionalConfig(channels=(4, 8), depths=(1, 1))
)
HAS_ONEDNN = has_onednn()
LIBRARIES = [
    "mkl",
    pytest.param(
        "onednn", marks=pytest.mark.skipif(not HAS_ONEDNN, reason="PyTorch is without oneDNN")
    ),
]


def build_perceptron(config: PerceptronConfig, seed: int) -> Perceptron:
    model = build_model(config, seed)
    assert isinstance(model, Perceptron)
    return model


def prepare(
    config: PerceptronConfig, batch_size: int, library: str
) -> tuple[Perceptron, FlatParameters, PerceptronGradients]:
    model = build_perceptron(config, seed=1)
    flat = flatten_parameters(model)
    gradients = PerceptronGradients(model, batch_size)
    gradients.products.prefers_onednn = library == "onednn"
    return model, flat, gradients


def take_batch(test_images: LabelledImages, first: int, num_images: int) -> tuple[Tensor, Tensor]:
    rows = slice(first, first + num_images)
    images = torch.tensor(test_images.images_NHW[rows]) / 255
    return images, torch.tensor(test_images.labels_N[rows], dtype=torch.int64)


def differentiate(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Loss and flat gradient by autograd, in the precision of the model."""
    model = copy.deepcopy(model)
    model.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    return loss.detach(), torch.cat([gradient.flatten() for gradient in gradients])


def assert_equal_to_autograd(
    model: nn.Module, loss: Tensor, gradients: Tensor, images: Tensor, labels: Tensor
) -> None:
    # Single precision has seven digits, and errors are relative to the largest gradient.
    single_loss, single = differentiate(model, images, labels)
    torch.testing.assert_close(loss, single_loss, rtol=1e-6, atol=0)
    largest = single.abs().max().item()
    torch.testing.assert_close(gradients, single, rtol=1e-5, atol=1e-6 * largest)
    double_loss, double = differentiate(model.double(), images.double(), labels)
    torch.testing.assert_close(loss.double(), double_loss, rtol=1e-6, atol=0)
    torch.testing.assert_close(gradients.double(), double, rtol=1e-5, atol=1e-6 * largest)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("num_images", [1, 37, 200])
@pytest.mark.parametrize("hidden_sizes", [(500, 125), (3,), (1, 1), (300,), (64, 48, 40, 33)])
def test_explicit_gradients_equal_those_of_autograd(
    hidden_sizes: tuple[int, ...], num_images: int, library: str, test_images: LabelledImages
) -> None:
    config = PerceptronConfig(hidden_sizes=hidden_sizes)
    model, flat, gradients = prepare(config, num_images, library)
    images, labels = take_batch(test_images, 0, num_images)
    loss = gradients(images, labels)
    assert_equal_to_autograd(model, loss.clone(), flat.gradients.clone(), images, labels)


@pytest.mark.parametrize("library", LIBRARIES)
def test_batch_sizes_may_change_and_gradients_do_not_accumulate(
    library: str, test_images: LabelledImages
) -> None:
    model, flat, gradients = prepare(PerceptronConfig(), 100, library)
    for first, num_images in ((0, 100), (100, 100), (200, 17), (300, 100), (400, 1)):
        images, labels = take_batch(test_images, first, num_images)
        loss = gradients(images, labels)
        same = copy.deepcopy(model)
        assert_equal_to_autograd(same, loss.clone(), flat.gradients.clone(), images, labels)


@pytest.mark.parametrize("library", LIBRARIES)
def test_gradients_are_precise_for_tiny_losses(library: str, test_images: LabelledImages) -> None:
    model, flat, gradients = prepare(PerceptronConfig(), 100, library)
    images, labels = take_batch(test_images, 0, 100)
    for _ in range(150):
        gradients(images, labels)
        flat.values.sub_(flat.gradients, alpha=0.2)
    loss = gradients(images, labels)
    assert loss < 0.1
    _, expected = differentiate(model, images, labels)
    largest = expected.abs().max().item()
    torch.testing.assert_close(flat.gradients, expected, rtol=1e-4, atol=1e-5 * largest)


def test_relu_passes_no_gradient_at_zero(test_images: LabelledImages) -> None:
    model = build_perceptron(PerceptronConfig(hidden_sizes=(30, 20)), seed=1)
    flat = flatten_parameters(model)
    for parameter in model.layers[0].parameters():
        parameter.data.zero_()  # every output of the first layer is 0 exactly
    images, labels = take_batch(test_images, 0, 10)
    PerceptronGradients(model, 10)(images, labels)
    _, expected = differentiate(model, images, labels)
    assert not expected[: 784 * 30].any()
    torch.testing.assert_close(flat.gradients, expected, rtol=1e-5, atol=1e-8)


def test_flat_images_are_accepted_and_only_gradients_change(test_images: LabelledImages) -> None:
    model = build_perceptron(PerceptronConfig(hidden_sizes=(30,)), seed=1)
    flat = flatten_parameters(model)
    gradients = PerceptronGradients(model, 10)
    images, labels = take_batch(test_images, 0, 10)
    before = images.clone(), labels.clone(), flat.values.clone()
    gradients(images, labels)
    expected = flat.gradients.clone()
    gradients(images.flatten(1), labels)
    assert torch.equal(flat.gradients, expected)
    assert all(map(torch.equal, (images, labels, flat.values), before))


def build_plain() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 20), nn.Tanh(), nn.Linear(20, 10))


def test_perceptrons_use_explicit_gradients() -> None:
    model = build_perceptron(PerceptronConfig(hidden_sizes=(5,)), seed=1)
    flatten_parameters(model)
    assert isinstance(build_gradients(model, CLASSIC), PerceptronGradients)


@pytest.mark.parametrize(
    "build", [build_plain, lambda: build_model(SMALL_CONVOLUTIONAL.model, seed=1)]
)
def test_other_models_use_autograd(
    build: Callable[[], nn.Module], test_images: LabelledImages
) -> None:
    model = build()
    flat = flatten_parameters(model)
    gradients = build_gradients(model, CLASSIC.replace(batch_size=50))
    assert isinstance(gradients, AutogradGradients)
    for first in (0, 50):  # the second batch does not add to the first
        images, labels = take_batch(test_images, first, 50)
        loss = gradients(images, labels)
        assert not loss.requires_grad
        expected_loss, expected = differentiate(model, images, labels)
        assert torch.equal(loss, expected_loss)
        found = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        assert torch.equal(torch.cat([gradient.flatten() for gradient in found]), expected)
        assert flat.gradients.norm() == pytest.approx(expected.norm())  # they are in the buffer


def test_columns_learn_as_if_each_were_alone(test_images: LabelledImages) -> None:
    recipe = SMALL_CONVOLUTIONAL.replace(columns=2, upright_px=20)
    model = build_model(recipe.model, seed=1)
    assert isinstance(model, MultiColumnNetwork)
    images, labels = take_batch(test_images, 0, 50)
    alone = [differentiate(column, images, labels) for column in model.columns]
    flatten_parameters(model)
    loss = build_gradients(model, recipe)(images, labels)
    torch.testing.assert_close(loss, torch.stack([each for each, _ in alone]).mean())
    found = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    expected = torch.cat([gradient for _, gradient in alone])
    torch.testing.assert_close(torch.cat([each.flatten() for each in found]), expected)


def test_bfloat16_gradients_are_close_to_float32(test_images: LabelledImages) -> None:
    model = build_model(SMALL_CONVOLUTIONAL.model, seed=1)
    flat = flatten_parameters(model)
    images, labels = take_batch(test_images, 0, 100)
    found = {}
    for precision in ("float32", "bfloat16"):
        gradients = build_gradients(model, SMALL_CONVOLUTIONAL.replace(precision=precision))
        loss = gradients(images, labels)
        assert loss.dtype == flat.gradients.dtype == flat.values.dtype == torch.float32
        found[precision] = (loss, flat.gradients.clone())
    loss, gradient = found["float32"]
    rounded_loss, rounded_gradient = found["bfloat16"]
    # It has 8 binary digits: they agree to a few hundredths. Without support it is float32.
    is_rounded = choose_precision("bfloat16") == "bfloat16"
    assert torch.equal(rounded_gradient, gradient) != is_rounded
    assert rounded_loss.item() == pytest.approx(loss.item(), rel=0.01)
    assert (rounded_gradient - gradient).norm() < 0.05 * gradient.norm()


def test_float32_replaces_unsupported_bfloat16() -> None:
    assert choose_precision("float32") == "float32"
    has_it = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    assert choose_precision("bfloat16") == ("bfloat16" if has_it else "float32")


@pytest.mark.parametrize(
    ("cpu_name", "capability", "expected"),
    [
        ("AMD EPYC 9655 96-Core Processor", "AVX512", True),
        ("AMD EPYC 7763 64-Core Processor", "AVX2", False),
        ("Intel(R) Xeon(R) Platinum 8481C", "AVX512", False),
        ("Neoverse-V2", "DEFAULT", False),
    ],
)
def test_onednn_is_used_on_amd_with_avx512_only(
    cpu_name: str, capability: str, expected: bool
) -> None:
    assert is_onednn_faster(cpu_name, capability) is expected
