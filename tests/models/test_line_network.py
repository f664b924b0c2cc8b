"""The line network: shapes, loss, and the start from PP-OCR's weights."""

import numpy as np
import pytest
import torch

from tenfold.models.line_network import LineNetwork, compute_ctc_loss
from tenfold.reading.ctc import compute_log_likelihood

NUM_CLASSES, PADDING = 11, 255


@pytest.mark.parametrize("width", [8, 40, 256])
def test_there_are_logits_for_every_four_columns(width: int) -> None:
    torch.manual_seed(0)
    with torch.inference_mode():
        lines_NHW = torch.randint(256, (3, 40, width), dtype=torch.uint8)
        logits_NTK = LineNetwork(NUM_CLASSES).eval()(lines_NHW)
    assert logits_NTK.shape == (3, width // 4, NUM_CLASSES)


def test_a_coarse_network_has_the_columns_of_pp_ocr() -> None:
    """Eight pixels of a line that is 48 high, so 6.4 of one that is 40 high."""
    network = LineNetwork(NUM_CLASSES, is_coarse=True).eval()
    with torch.inference_mode():
        for width, num_columns in ((8, 1), (64, 10), (256, 40)):
            logits_NTK = network(torch.zeros(2, 40, width, dtype=torch.uint8))
            assert logits_NTK.shape == (2, num_columns, NUM_CLASSES)


def test_the_loss_is_the_mean_negative_log_likelihood() -> None:
    generator = torch.Generator().manual_seed(0)
    logits_NTK = torch.randn(3, 20, NUM_CLASSES, generator=generator)
    written = [[1, 2, 3], [7], [5, 5, 0, 9]]
    labels_NL = torch.full((3, 6), PADDING)
    for labels_L, digits in zip(labels_NL, written, strict=True):
        labels_L[: len(digits)] = torch.tensor(digits)
    loss = compute_ctc_loss(logits_NTK, labels_NL, PADDING)
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
    logits_NTK = torch.randn(2, 3, NUM_CLASSES, requires_grad=True)
    labels_NL = torch.tensor([[1, 1, 1, 1], [2, PADDING, PADDING, PADDING]])
    loss = compute_ctc_loss(logits_NTK, labels_NL, PADDING)
    loss.backward()
    assert torch.isfinite(loss)
    assert logits_NTK.grad is not None
    assert torch.isfinite(logits_NTK.grad).all()
