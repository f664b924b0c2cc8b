"""The line networks: a text line as digits and signs, trained with CTC.

Their architecture is that of PP-OCRv6's small recogniser (PaddleOCR, Apache-2.0): a convolutional
backbone with squeeze-and-excitation, and a neck with two blocks of self-attention (SVTR, Du et al.
2022). They differ in their labels, and in that they look at ink alone. The columns of one are twice
as fine. Connectionist temporal classification: Graves et al. 2006.

Array names carry their axes: N lines, H rows, W columns of pixels, T columns, K classes, L labels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenfold.digits import WHITE

NECK, HEADS = 120, 8
COARSE_HEIGHT_PX = 48


class LineNetwork(nn.Module):
    """Maps line images, uint8 [N, 40, W], to logits [N, T, K]: labels and, last, the blank.

    W is a multiple of 4, and T = W / 4. If `is_coarse`, the geometry is that of PP-OCRv6, so that
    little training is enough: images are enlarged to 48 pixels, and T is about W / 6.4.
    """

    def __init__(self, num_classes: int, *, is_coarse: bool = False) -> None:
        super().__init__()
        self.is_coarse = is_coarse
        self.stem1 = nn.Conv2d(1, 48, 3, 2, 1)
        self.stem2a, self.stem2b = nn.Conv2d(48, 24, 2), nn.Conv2d(24, 48, 2)
        self.stem3, self.stem4 = nn.Conv2d(96, 48, 3, 2, 1), nn.Conv2d(48, 96, 1)
        self.blocks = nn.Sequential(
            *(_Block(96, 96, excites=True), _Block(96, 96), _Block(96, 96)),
            _Block(96, 192, stride=(2, 1)),
            *(_Block(192, 192, excites=i % 2 == 0) for i in range(6)),
            _Block(192, 384, stride=(2, 1)),
            *(_Block(384, 384, excites=True), _Block(384, 384)),
        )
        self.around, self.narrow = nn.Conv2d(384, NECK, 1), nn.Conv2d(384, NECK, 1)
        self.mix = nn.Conv2d(NECK, NECK, (1, 7), padding=(0, 3), groups=NECK)
        self.attention = nn.Sequential(_Attention(), _Attention())
        self.normalise = nn.LayerNorm(NECK, eps=1e-6)
        self.last = nn.Linear(NECK, num_classes)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, lines: Tensor) -> Tensor:
        """Logits of each column."""
        ink = lines[:, None].float() / WHITE
        if self.is_coarse:
            ink = F.interpolate(ink, (COARSE_HEIGHT_PX, lines.shape[2] // 4 * 5), mode="bilinear")
        first = F.relu(self.stem1(1 - 2 * ink))
        padding = (0, 1, 0, 1)  # right and below
        convolved = F.relu(self.stem2a(F.pad(first, padding)))
        convolved = F.relu(self.stem2b(F.pad(convolved, padding)))
        pooled = F.max_pool2d(F.pad(first, padding), 2, 1)
        features = F.relu(self.stem4(F.relu(self.stem3(torch.cat([pooled, convolved], 1)))))
        features = F.avg_pool2d(self.blocks(features), (3, 2 if self.is_coarse else 1))
        narrow = F.silu(self.narrow(features))
        narrow = narrow + F.silu(self.mix(narrow))
        columns = self.normalise(self.attention(narrow.squeeze(2).transpose(1, 2)))
        around = F.silu(self.around(features)).squeeze(2).transpose(1, 2)
        logits: Tensor = self.last(columns + around)
        return logits


class LineNetworks(nn.Module):
    """A fine and a coarse line network as one: the logits of each."""

    def __init__(self, fine: nn.Module, coarse: nn.Module) -> None:
        super().__init__()
        self.fine, self.coarse = fine, coarse

    def forward(self, lines: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of each column of both."""
        return self.fine(lines), self.coarse(lines)


def compute_ctc_loss(logits_NTK: Tensor, labels_NL: Tensor, padding: int) -> Tensor:
    """The mean CTC loss of lines; labels are int64 [N, L] with `padding` at the end."""
    num_lines, num_columns, num_classes = logits_NTK.shape
    is_label_NL = labels_NL != padding
    return F.ctc_loss(
        logits_NTK.log_softmax(2).transpose(0, 1),
        labels_NL[is_label_NL],
        torch.full((num_lines,), num_columns),
        is_label_NL.sum(1),
        blank=num_classes - 1,
        zero_infinity=True,
    )


class _Excitation(nn.Module):
    """Squeeze-and-excitation (Hu et al. 2018): channels weighted by a summary of the picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // 4, 1)
        self.excite = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        squeezed = F.relu(self.squeeze(features.mean((2, 3), keepdim=True)))
        return features * F.hardsigmoid(self.excite(squeezed))


class _Block(nn.Module):
    """A convolution by channel, then two across channels."""

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        *,
        stride: tuple[int, int] = (1, 1),
        excites: bool = False,
    ) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(num_inputs, num_inputs, 3, stride, 1, groups=num_inputs)
        self.excitation = _Excitation(num_inputs) if excites else nn.Identity()
        self.widen = nn.Conv2d(num_inputs, 2 * num_inputs, 1)
        self.narrow = nn.Conv2d(2 * num_inputs, num_outputs, 1)
        self.is_residual = stride == (1, 1)

    def forward(self, features: Tensor) -> Tensor:
        features = self.excitation(self.depthwise(features))
        mixed: Tensor = self.narrow(F.gelu(self.widen(features)))
        return features + mixed if self.is_residual else mixed


class _Attention(nn.Module):
    """Self-attention of columns, and a perceptron for each, both residual."""

    def __init__(self) -> None:
        super().__init__()
        self.normalise1, self.normalise2 = (nn.LayerNorm(NECK, eps=1e-5) for _ in range(2))
        self.project, self.out = nn.Linear(NECK, 3 * NECK), nn.Linear(NECK, NECK)
        self.widen, self.narrow = nn.Linear(NECK, 2 * NECK), nn.Linear(2 * NECK, NECK)

    def forward(self, columns: Tensor) -> Tensor:
        num_lines, num_columns, _ = columns.shape
        projected = self.project(self.normalise1(columns))
        split = projected.reshape(num_lines, num_columns, 3, HEADS, NECK // HEADS)
        queries, keys, values = split.permute(2, 0, 3, 1, 4)
        weights = (queries * (NECK // HEADS) ** -0.5) @ keys.transpose(2, 3)
        attended = (weights.softmax(3) @ values).transpose(1, 2)
        columns = columns + self.out(attended.reshape(num_lines, num_columns, NECK))
        added: Tensor = self.narrow(F.silu(self.widen(self.normalise2(columns))))
        return columns + added
