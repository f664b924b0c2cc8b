"""The page network: which pixels of a picture show paper, writing, or ruled lines and other marks.

A U-Net (Ronneberger et al. 2015) with a summary of the whole picture at its coarsest level. Array
names carry their axes: N pages, H rows, W columns, C colours, K classes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenfold.digits import WHITE

CHANNELS = (16, 32, 48, 72, 96)
NUM_PIXEL_CLASSES = 3


class PageNetwork(nn.Module):
    """Maps pages, uint8 [N, H, W, 3] with sides of a multiple of 32, to logits [N, H/2, W/2, 3]."""

    def __init__(self) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth, coarsest = CHANNELS
        self.to_half = _convolve(3, half, stride=2)
        self.to_quarter = _downsample(half, quarter)
        self.to_eighth = _downsample(quarter, eighth)
        self.to_sixteenth = _downsample(eighth, sixteenth)
        self.to_coarsest = nn.Sequential(
            _downsample(sixteenth, coarsest), _convolve(coarsest, coarsest)
        )
        self.summary = nn.Sequential(nn.Conv2d(coarsest, coarsest, 1), nn.ReLU())
        self.up_sixteenth = _convolve(coarsest + sixteenth, sixteenth)
        self.up_eighth = _convolve(sixteenth + eighth, eighth)
        self.up_quarter = _convolve(eighth + quarter, quarter)
        self.up_half = _convolve(quarter + half, half)
        self.last = nn.Conv2d(half, NUM_PIXEL_CLASSES, 3, padding=1)

    def forward(self, pages: Tensor) -> Tensor:
        """Logits of paper, writing and rules for every second pixel of every second row."""
        scaled = pages.permute(0, 3, 1, 2).float() / WHITE
        mean = scaled.mean((1, 2, 3), keepdim=True)
        variance = ((scaled - mean) ** 2).mean((1, 2, 3), keepdim=True)
        half = self.to_half((scaled - mean) / (variance + 1e-4).sqrt())
        quarter = self.to_quarter(half)
        eighth = self.to_eighth(quarter)
        sixteenth = self.to_sixteenth(eighth)
        features = self.to_coarsest(sixteenth)
        features = features + self.summary(features.mean((2, 3), keepdim=True))
        for up, skipped in (
            (self.up_sixteenth, sixteenth),
            (self.up_eighth, eighth),
            (self.up_quarter, quarter),
            (self.up_half, half),
        ):
            larger = F.interpolate(features, scale_factor=2.0, mode="nearest")
            features = up(torch.cat([larger, skipped], 1))
        logits: Tensor = self.last(features)
        return logits.permute(0, 2, 3, 1)


def compute_page_loss(logits_NHWK: Tensor, classes_NHW: Tensor) -> Tensor:
    """Cross-entropy in which writing counts more, plus the Dice loss of the writing.

    `classes_NHW` are those of all pixels, twice as many along each axis as the logits. Dice loss:
    Milletari et al. 2016, "V-Net".
    """
    targets = F.one_hot(classes_NHW.long(), NUM_PIXEL_CLASSES).permute(0, 3, 1, 2).float()
    targets = F.avg_pool2d(targets, 2)
    log_probabilities = logits_NHWK.permute(0, 3, 1, 2).log_softmax(1)
    text, rules = targets[:, 1], targets[:, 2]
    near_text = F.max_pool2d(targets[:, 1:2], 5, 1, 2)[:, 0]
    weights = 1 + 4 * text + 2 * rules + 1.5 * near_text
    cross_entropy = (-(targets * log_probabilities).sum(1) * weights).sum() / weights.sum()
    found = log_probabilities[:, 1].exp()
    shared, total = (found * text).sum((1, 2)), (found + text).sum((1, 2))
    dice = 1 - (2 * shared + 20) / (total + 20)  # 20 pixels: a blank page has none
    return cross_entropy + 0.3 * dice.mean()


def _convolve(num_inputs: int, num_outputs: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(num_inputs, num_outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(num_outputs),
        nn.ReLU(),
    )


def _downsample(num_inputs: int, num_outputs: int) -> nn.Module:
    return nn.Sequential(
        _convolve(num_inputs, num_outputs, stride=2), _convolve(num_outputs, num_outputs)
    )
