"""The line network: convolutions over a line image, trained with CTC.

Connectionist temporal classification (Graves et al. 2006): every four columns have logits of the
ten digits and of a blank. Array names carry their axes: N images, T columns, K classes, L labels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenfold.digits import NUM_CLASSES
from tenfold.recipes.configs import SequenceConfig

# At this size an MNIST image has digits as high as those of a line image: 28 instead of 20 pixels.
ENLARGED_PX = 40
HEIGHT_PX = 32  # of a line image


class LineNetwork(nn.Module):
    """The config's convolutions, and a 1x1 convolution to the logits of each remaining column."""

    def __init__(self, config: SequenceConfig) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for layer in config.list_convolutions():
            channels, (rows, columns) = (layer.num_inputs, layer.num_outputs), layer.kernel
            padding = (rows // 2 if rows % 2 else 0, columns // 2)
            blocks += [
                nn.Conv2d(*channels, layer.kernel, padding=padding, bias=False),
                nn.BatchNorm2d(layer.num_outputs),
                nn.ReLU(),
            ]
            if layer.pool != (1, 1):
                blocks.append(nn.MaxPool2d(layer.pool))
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Conv2d(config.channels[-1], NUM_CLASSES + 1, 1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def compute_columns(self, lines: Tensor) -> Tensor:
        """Map line images [N, 32, W] in [0, 1], W a multiple of 4, to logits [N, W / 4, 11]."""
        logits: Tensor = self.last(self.blocks(lines[:, None]))
        return logits.squeeze(2).transpose(1, 2)

    def forward(self, images: Tensor) -> Tensor:
        """Map digit images, [N, 28, 28], to log probabilities [N, 11].

        The first ten are of lines with one digit, the last of all other lines.
        """
        log_probabilities_NTK = self.compute_columns(to_line_images(images)).log_softmax(2)
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


def to_line_images(images: Tensor) -> Tensor:
    """Digit images, [N, 28, 28], as line images of one digit, [N, 32, 40]."""
    large = F.interpolate(
        images[:, None], (ENLARGED_PX, ENLARGED_PX), mode="bilinear", align_corners=False
    )
    margin = (ENLARGED_PX - HEIGHT_PX) // 2
    return large[:, 0, margin : margin + HEIGHT_PX]


def compute_ctc_loss(logits_NTK: Tensor, labels_NL: Tensor, padding: int) -> Tensor:
    """The mean CTC loss of lines; labels are int64 [N, L] with `padding` at the end."""
    num_lines, num_columns, _ = logits_NTK.shape
    is_label_NL = labels_NL != padding
    return F.ctc_loss(
        logits_NTK.log_softmax(2).transpose(0, 1),
        labels_NL[is_label_NL],
        torch.full((num_lines,), num_columns),
        is_label_NL.sum(1),
        blank=NUM_CLASSES,
        zero_infinity=True,
    )
