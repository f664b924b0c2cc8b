import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenfold.data.mnist import LabelledImages
from tenfold.models.build import build_model
from tenfold.models.separable import SeparableNetwork
from tenfold.recipes.configs import SeparableConfig

CONFIG = SeparableConfig(width=5, first_px=4, blocks=(1, 2, 2, 0, 1, 0))


@pytest.fixture(scope="module")
def images(test_images: LabelledImages) -> Tensor:
    return torch.tensor(test_images.images_NHW[:20]) / 255


def build(config: SeparableConfig) -> SeparableNetwork:
    """A network with random batch normalisation, for which it matters that pooling comes first."""
    model = build_model(config, 0)
    assert isinstance(model, SeparableNetwork)
    generator = torch.Generator().manual_seed(0)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.weight.data.normal_(generator=generator)
            layer.bias.data.normal_(generator=generator)
    return model.eval()


def test_blocks_with_the_same_number_share_weights_but_not_normalisation() -> None:
    names = [name for name, _ in build(CONFIG).named_parameters()]
    assert [name for name in names if "depthwise" in name] == [
        "depthwise.1.weight",
        "depthwise.2.weight",
    ]
    assert sum("normalisations" in name for name in names) == 2 * 4


@torch.inference_mode()
def test_logits_equal_an_explicit_computation(images: Tensor) -> None:
    model = build(CONFIG)
    tensors = model.state_dict()

    def normalise(activations: Tensor, prefix: str) -> Tensor:
        scale, offset = tensors[f"{prefix}.weight"], tensors[f"{prefix}.bias"]
        scale = scale / (1 + 1e-5) ** 0.5  # the running statistics are those of the start
        normalised: Tensor = activations * scale[:, None, None] + offset[:, None, None]
        return normalised.clamp(min=0)

    patches = F.unfold(images[:, None], 4, stride=2)
    activations = torch.einsum("np...,cp->nc...", patches, tensors["first.weight"].flatten(1))
    activations = normalise(activations.unflatten(2, (13, 13)), "first_normalisation")
    for i, (number, is_pooled) in enumerate([(1, False), (2, False), (2, True), (1, True)]):
        # Depthwise, then pointwise, as one convolution.
        depthwise = tensors[f"depthwise.{number}.weight"][:, 0]
        pointwise = tensors[f"pointwise.{number}.weight"][:, :, 0, 0]
        weight = pointwise[:, :, None, None] * depthwise
        activations = F.conv2d(activations, weight, padding=1)
        if is_pooled:
            activations = F.max_pool2d(activations, 2)
        activations = normalise(activations, f"normalisations.{i}")
    sums = (activations * tensors["sum.weight"][:, 0]).sum((2, 3))
    expected = sums @ tensors["last.weight"].T + tensors["last.bias"]
    assert expected.std() > 0.01
    torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-4)
