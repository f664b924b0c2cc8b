import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tenfold.data.mnist import LabelledImages
from tenfold.models.build import build_model
from tenfold.models.upright import DEVIATION_Y, SQUARE_PX, UprightNetwork, make_upright
from tenfold.recipes.upright import UprightConfig

CONFIG = UprightConfig(widths=(3, 5, 4), dilations=(1, 2))


def measure(image_HW: Tensor) -> tuple[float, float, float, float, float]:
    """The middle, both deviations and the slant of the ink."""
    values = image_HW.numpy().astype(np.float64)
    y_HW, x_HW = np.mgrid[: len(values), : values.shape[1]] - (len(values) - 1) / 2
    x, y = np.average(x_HW, weights=values), np.average(y_HW, weights=values)
    xx, yy, xy = (
        np.average(each, weights=values)
        for each in ((x_HW - x) ** 2, (y_HW - y) ** 2, (x_HW - x) * (y_HW - y))
    )
    return x, y, xx**0.5, yy**0.5, xy / yy


@pytest.mark.parametrize("row", range(8))
def test_a_digit_becomes_upright_centred_and_of_one_height(
    test_images: LabelledImages, row: int
) -> None:
    upright = make_upright(torch.tensor(test_images.images_NHW[row : row + 1]) / 255)[0]
    x, y, _, height, slant = measure(upright)
    assert abs(x) < 0.2
    assert abs(y) < 0.2
    assert abs(slant) < 0.03
    assert height == pytest.approx(DEVIATION_Y * 28 / SQUARE_PX, rel=0.03)


@pytest.mark.parametrize("evenness", [0, 0.5, 1])
def test_a_sheared_moved_and_smaller_digit_becomes_the_same(
    test_images: LabelledImages, evenness: float
) -> None:
    image_HW = test_images.images_NHW[0].astype(np.float32) / 255
    matrix = np.array([[0.8, 0.25, -1], [0, 0.8, 5]], np.float32)
    other_HW = cv2.warpAffine(image_HW, matrix, (28, 28), flags=cv2.INTER_LINEAR)
    first, second = make_upright(torch.tensor(np.stack([image_HW, other_HW])), evenness=evenness)
    # The width is 0.8 times as large, which evens out.
    ratio = measure(second)[2] / measure(first)[2]
    assert ratio == pytest.approx(0.8 ** (1 - evenness), rel=0.04)
    rows = [each.sum(1) / each.sum() for each in (first, second)]
    assert float((rows[0] - rows[1]).abs().sum()) < 0.1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_image_without_a_digit_has_finite_logits(value: float) -> None:
    model = build_model(CONFIG, 0).eval()
    assert model(torch.full((2, 28, 28), value)).isfinite().all()
    dot = torch.zeros(1, 28, 28)
    dot[0, 3, 4] = 1
    assert model(dot).isfinite().all()


@torch.inference_mode()
def test_logits_equal_an_explicit_computation(test_images: LabelledImages) -> None:
    images = torch.tensor(test_images.images_NHW[:20]) / 255
    model = build_model(CONFIG, 0).eval()
    assert isinstance(model, UprightNetwork)
    generator = torch.Generator().manual_seed(0)
    for parameter in (*model.shifts, model.sum.planes):
        parameter.normal_(generator=generator)
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.uniform_(0.5, 2, generator=generator)
    tensors = model.state_dict()

    def activate(activations: Tensor, number: int) -> Tensor:
        mean, variance = (
            tensors[f"normalisations.{number}.running_{each}"][:, None, None]
            for each in ("mean", "var")
        )
        moved = (activations - mean) / (variance + 1e-5) ** 0.5 + tensors[f"shifts.{number}"]
        result: Tensor = moved * (moved + 3).clamp(0, 6) / 6
        return result

    first = F.conv2d(make_upright(images)[:, None], tensors["first.weight"], padding=1)
    activations = activate(F.max_pool2d(first, 2), 0)
    for i, dilation in enumerate(CONFIG.dilations):
        depthwise = tensors[f"depthwise.{i}.weight"][:, 0]
        weight = tensors[f"pointwise.{i}.weight"] * depthwise
        activations = activate(F.conv2d(activations, weight, dilation=dilation), i + 1)
    place = (torch.arange(8) + 0.5) / 4 - 1
    mean, right, down = tensors["sum.planes"].T[..., None, None]
    weights = (mean + right * place + down * place[:, None]) / 64
    expected = (activations * weights).sum((2, 3)) @ tensors["last.weight"].T
    expected = expected + tensors["last.bias"]
    assert expected.std() > 0.01
    torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-4)
