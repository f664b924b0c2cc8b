"""The network that reads lines: convolutions over a strip, an answer for every four columns.

In: strips as float32 in [0, 1], [N, 32, W], W a multiple of 4. Out: logits [N, W / 4, 11], the ten
digits and, last, that no digit begins or goes on there. What they spell is decided by connectionist
temporal classification (Graves et al. 2006): neighbours of one answer are one digit.

Array names carry their axes: N strips or images, T columns, K answers.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenfold.digits import NUM_CLASSES
from tenfold.recipes.configs import (
    SequenceConfig,
)

# An MNIST image at this size has digits as high as a strip's: 20 of 28 pixels become 28.
ENLARGED_PX = 40
STRIP_PX = 32


class SequenceNetwork(nn.Module):
    """The config's convolutions, and one answer for each column that is left."""

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for one in config.list_convolutions():
            rows, columns = one.kernel
            blocks += [
                nn.Conv2d(
                    one.num_inputs,
                    one.num_outputs,
                    one.kernel,
                    padding=(rows // 2 if rows % 2 else 0, columns // 2),
                    bias=False,
                ),
                nn.BatchNorm2d(one.num_outputs),
                nn.ReLU(),
            ]
            if one.pool:
                blocks.append(nn.MaxPool2d(one.pool))
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Conv2d(config.channels[-1], NUM_CLASSES + 1, 1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def read(self, strips: Tensor) -> Tensor:
        """Strips [N, 32, W] to logits [N, W / 4, 11]."""
        logits: Tensor = self.last(self.blocks(strips[:, None]))
        return logits.squeeze(2).transpose(1, 2)

    def forward(self, images: Tensor) -> Tensor:
        """Digit images, [N, 28, 28], to log probabilities [N, 11].

        The first ten are of the lines that have one digit; the last is of all others.
        """
        log_probabilities_NTK = self.read(frame_images(images)).log_softmax(2)
        num_images, num_columns, _ = log_probabilities_NTK.shape
        lengths = torch.full((num_images,), num_columns)
        digits = [
            -F.ctc_loss(
                log_probabilities_NTK.transpose(0, 1),
                torch.full((num_images, 1), digit),
                lengths,
                torch.ones_like(lengths),
                blank=NUM_CLASSES,
                reduction="none",
            )
            for digit in range(NUM_CLASSES)
        ]
        digits_NK = torch.stack(digits, 1)
        others_N = (1 - digits_NK.exp().sum(1)).clamp(min=1e-12).log()
        return torch.cat([digits_NK, others_N[:, None]], 1)


def frame_images(images: Tensor) -> Tensor:
    """Digit images, [N, 28, 28], as strips of one digit, [N, 32, 40]."""
    large = F.interpolate(
        images[:, None], (ENLARGED_PX, ENLARGED_PX), mode="bilinear", align_corners=False
    )
    margin = (ENLARGED_PX - STRIP_PX) // 2
    return large[:, 0, margin : margin + STRIP_PX]


def measure_sequence_loss(logits_NTK: Tensor, labels_NL: Tensor, filler: int) -> Tensor:
    """The mean loss of strips whose digits are `labels_NL`, int64 [N, L], `filler` at the end."""
    num_lines, num_columns, _ = logits_NTK.shape
    lengths = (labels_NL != filler).sum(1)
    return F.ctc_loss(
        logits_NTK.log_softmax(2).transpose(0, 1),
        labels_NL[labels_NL != filler],
        torch.full((num_lines,), num_columns),
        lengths,
        blank=NUM_CLASSES,
        zero_infinity=True,
    )
