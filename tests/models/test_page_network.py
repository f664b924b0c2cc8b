"""The page network: shapes and loss."""

import pytest
import torch
from torch import Tensor

from tenfold.models.page_network import NUM_PIXEL_CLASSES, PageNetwork, compute_page_loss


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 160)])
def test_there_are_logits_for_every_second_pixel(height: int, width: int) -> None:
    torch.manual_seed(0)
    pages_NHWC = torch.randint(256, (2, height, width, 3), dtype=torch.uint8)
    with torch.inference_mode():
        logits_NHWK = PageNetwork().eval()(pages_NHWC)
    assert logits_NHWK.shape == (2, height // 2, width // 2, NUM_PIXEL_CLASSES)


def test_brightness_and_contrast_of_a_page_do_not_matter() -> None:
    torch.manual_seed(0)
    pages_NHWC = torch.randint(60, 120, (1, 32, 32, 3), dtype=torch.uint8)
    network = PageNetwork().eval()
    with torch.inference_mode():
        first, second = network(pages_NHWC), network(2 * pages_NHWC + 10)
    torch.testing.assert_close(first, second, rtol=0.02, atol=0.02)


def build_logits(classes_NHW: Tensor) -> Tensor:
    """Logits that are sure of the classes of every second pixel."""
    one_hot = torch.nn.functional.one_hot(classes_NHW[:, ::2, ::2].long(), NUM_PIXEL_CLASSES)
    return 20 * one_hot.float()


def test_missed_writing_costs_more_than_a_missed_rule() -> None:
    classes_NHW = torch.zeros(1, 32, 32, dtype=torch.uint8)
    classes_NHW[:, 8:12] = 1
    classes_NHW[:, 24:28] = 2
    right, without_text, without_rule = (
        float(compute_page_loss(build_logits(found_NHW), classes_NHW))
        for found_NHW in (
            classes_NHW,
            torch.where(classes_NHW == 1, 0, classes_NHW),
            torch.where(classes_NHW == 2, 0, classes_NHW),
        )
    )
    assert right < 0.01
    assert without_text > without_rule + 0.3 > 0.5


def test_a_blank_page_has_a_finite_loss() -> None:
    classes_NHW = torch.zeros(1, 32, 32, dtype=torch.uint8)
    assert float(compute_page_loss(build_logits(classes_NHW), classes_NHW)) < 0.01


def test_the_loss_falls_on_one_batch() -> None:
    torch.manual_seed(0)
    classes_NHW = torch.zeros(2, 64, 64, dtype=torch.uint8)
    classes_NHW[:, 20:40, 20:26] = 1
    classes_NHW[:, 50:52] = 2
    pages_NHWC = (220 - 90 * classes_NHW[..., None]).expand(-1, -1, -1, 3).contiguous()
    network = PageNetwork()
    optimizer = torch.optim.SGD(network.parameters(), 0.2)
    losses = []
    for _ in range(15):
        loss = compute_page_loss(network(pages_NHWC), classes_NHW)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]
