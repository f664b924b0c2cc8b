"""The line network: shapes, costs, log probabilities and loss."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tenfold.data.mnist import LabelledImages
from tenfold.digits import NUM_CLASSES
from tenfold.errors import RecipeError
from tenfold.models.build import build_model
from tenfold.models.line_network import LineNetwork, compute_ctc_loss, to_line_images
from tenfold.reading.ctc import compute_log_likelihood
from tenfold.recipes.configs import NO_LABEL, SequenceConfig

CONFIG = SequenceConfig(channels=(3, 4, 5, 6, 7))


def build(config: SequenceConfig = CONFIG, seed: int = 0) -> LineNetwork:
    model = build_model(config, seed)
    assert isinstance(model, LineNetwork)
    return model.eval()


@pytest.fixture(scope="module")
def images(test_images: LabelledImages) -> Tensor:
    return torch.tensor(test_images.images_NHW[:12]) / 255


@pytest.mark.parametrize("width", [8, 40, 256])
def test_there_are_logits_for_every_four_columns(width: int) -> None:
    with torch.inference_mode():
        logits_NTK = build().compute_columns(torch.rand(3, 32, width))
    assert logits_NTK.shape == (3, width // 4, NUM_CLASSES + 1)


def test_other_numbers_of_channels_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"--channels must be 5 whole numbers"):
        SequenceConfig(channels=(3, 4))


def test_log_probabilities_are_those_of_lines_with_one_digit(images: Tensor) -> None:
    model = build()
    with torch.inference_mode():
        logits_NK = model(images).double().numpy()
        columns_NTK = model.compute_columns(to_line_images(images)).double().log_softmax(2).numpy()
    assert logits_NK.shape == (12, NUM_CLASSES + 1)
    np.testing.assert_allclose(np.exp(logits_NK).sum(axis=1), 1, atol=1e-5)
    for logits_K, columns_TK in zip(logits_NK, columns_NTK, strict=True):
        expected = [compute_log_likelihood(columns_TK, [digit]) for digit in range(NUM_CLASSES)]
        np.testing.assert_allclose(logits_K[:NUM_CLASSES], expected, rtol=1e-4)


def test_the_loss_is_the_mean_negative_log_likelihood() -> None:
    generator = torch.Generator().manual_seed(0)
    logits_NTK = torch.randn(3, 20, NUM_CLASSES + 1, generator=generator)
    written = [[1, 2, 3], [7], [5, 5, 0, 9]]
    labels_NL = torch.full((3, 6), NO_LABEL)
    for labels_L, digits in zip(labels_NL, written, strict=True):
        labels_L[: len(digits)] = torch.tensor(digits)
    loss = compute_ctc_loss(logits_NTK, labels_NL, NO_LABEL)
    columns_NTK = logits_NTK.double().log_softmax(2).numpy()
    # PyTorch divides the loss of a line by its number of digits.
    expected = np.mean(
        [
            -compute_log_likelihood(columns_TK, digits) / len(digits)
            for columns_TK, digits in zip(columns_NTK, written, strict=True)
        ]
    )
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_a_label_longer_than_its_line_gives_a_finite_loss() -> None:
    logits_NTK = torch.randn(2, 3, NUM_CLASSES + 1, requires_grad=True)
    labels_NL = torch.tensor([[1, 1, 1, 1], [2, NO_LABEL, NO_LABEL, NO_LABEL]])
    loss = compute_ctc_loss(logits_NTK, labels_NL, NO_LABEL)
    loss.backward()
    assert torch.isfinite(loss)
    assert logits_NTK.grad is not None
    assert torch.isfinite(logits_NTK.grad).all()
