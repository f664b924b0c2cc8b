"""The network that reads lines: its sizes, its answers, and its loss, each computed otherwise."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tenfold.data.mnist import LabelledImages
from tenfold.digits import NUM_CLASSES
from tenfold.errors import RecipeError
from tenfold.models.build import build_model
from tenfold.models.line_network import LineNetwork, compute_ctc_loss, to_line_images
from tenfold.reading.ctc import compute_log_likelihood
from tenfold.recipes.configs import (
    NO_LABEL,
    SequenceConfig,
)

CONFIG = SequenceConfig(channels=(3, 4, 5, 6, 7))


def build(config: SequenceConfig = CONFIG, seed: int = 0) -> LineNetwork:
    model = build_model(config, seed)
    assert isinstance(model, LineNetwork)
    return model.eval()


@pytest.fixture(scope="module")
def images(test_images: LabelledImages) -> Tensor:
    return torch.tensor(test_images.images_NHW[:12]) / 255


@pytest.mark.parametrize("width", [8, 40, 256])
def test_there_is_an_answer_for_every_four_columns(width: int) -> None:
    with torch.inference_mode():
        assert build().compute_columns(torch.rand(3, 32, width)).shape == (
            3,
            width // 4,
            NUM_CLASSES + 1,
        )


@pytest.mark.parametrize("config", [CONFIG, SequenceConfig()])
def test_parameters_and_multiply_adds_are_as_many_as_the_config_says(
    config: SequenceConfig,
) -> None:
    model = build(config)
    assert sum(one.numel() for one in model.parameters()) == config.count_parameters()
    counted = 0

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal counted
        assert isinstance(layer, nn.Conv2d)
        counted += layer.weight.numel() * output.shape[2] * output.shape[3]

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        model.compute_columns(torch.zeros(1, 32, 40))
    assert counted == config.count_multiply_adds()


def test_channels_are_five() -> None:
    with pytest.raises(RecipeError, match="--channels: expected"):
        SequenceConfig(channels=(3, 4))


def test_an_image_is_the_digit_that_its_strip_spells(images: Tensor) -> None:
    model = build()
    with torch.inference_mode():
        answers_NK = model(images).double().numpy()
        columns_NTK = model.compute_columns(to_line_images(images)).double().log_softmax(2).numpy()
    assert answers_NK.shape == (12, NUM_CLASSES + 1)
    np.testing.assert_allclose(np.exp(answers_NK).sum(axis=1), 1, atol=1e-5)
    for answers_K, columns_TK in zip(answers_NK, columns_NTK, strict=True):
        expected = [compute_log_likelihood(columns_TK, [digit]) for digit in range(NUM_CLASSES)]
        np.testing.assert_allclose(answers_K[:NUM_CLASSES], expected, rtol=1e-4)


def test_the_loss_is_the_mean_evidence_against_what_is_written() -> None:
    generator = torch.Generator().manual_seed(0)
    logits_NTK = torch.randn(3, 20, NUM_CLASSES + 1, generator=generator)
    written = [[1, 2, 3], [7], [5, 5, 0, 9]]
    labels_NL = torch.full((3, 6), NO_LABEL)
    for labels_L, digits in zip(labels_NL, written, strict=True):
        labels_L[: len(digits)] = torch.tensor(digits)
    loss = compute_ctc_loss(logits_NTK, labels_NL, NO_LABEL)
    columns_NTK = logits_NTK.double().log_softmax(2).numpy()
    # PyTorch's mean counts a line by its digits.
    expected = np.mean(
        [
            -compute_log_likelihood(columns_TK, digits) / len(digits)
            for columns_TK, digits in zip(columns_NTK, written, strict=True)
        ]
    )
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_what_cannot_be_spelled_does_not_break_the_loss() -> None:
    logits_NTK = torch.randn(2, 3, NUM_CLASSES + 1, requires_grad=True)
    labels_NL = torch.tensor([[1, 1, 1, 1], [2, NO_LABEL, NO_LABEL, NO_LABEL]])
    loss = compute_ctc_loss(logits_NTK, labels_NL, NO_LABEL)
    loss.backward()
    assert torch.isfinite(loss)
    assert logits_NTK.grad is not None
    assert torch.isfinite(logits_NTK.grad).all()
