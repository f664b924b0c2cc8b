"""The ensemble: several models of one kind, whose probabilities are averaged.

In: digit images as float32 in [0, 1], [N, 28, 28]. Out: logits [N, 10].
"""

import math

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """Answers with the mean of its members' probabilities."""

    def __init__(self, members: list[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> Tensor:
        """Images, [N, 28, 28] in [0, 1], to the logarithms of the mean probabilities [N, 10]."""
        log_probabilities_MNK = torch.stack(
            [member(images).log_softmax(1) for member in self.members]
        )
        mean: Tensor = log_probabilities_MNK.logsumexp(0) - math.log(len(self.members))
        return mean
