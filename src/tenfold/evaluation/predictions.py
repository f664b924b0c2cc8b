"""A trained model and images in, its answers out: the only part of evaluation that needs torch."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

BATCH_SIZE = 1000
WHITE = 255


@dataclass(frozen=True)
class Predictions:
    """For N images: the label given, int64 [N], and its probability, float32 [N]."""

    labels_N: npt.NDArray[np.int64]
    confidences_N: npt.NDArray[np.floating[Any]]


@torch.inference_mode()
def predict(model: nn.Module, images_NHW: npt.NDArray[np.uint8]) -> Predictions:
    """Classify images of bytes, [N, 28, 28]."""
    model.eval()
    labels, confidences = [], []
    for images in torch.tensor(images_NHW).split(BATCH_SIZE):
        probabilities_NK = model(images / WHITE).softmax(1)
        best = probabilities_NK.max(1)
        labels.append(best.indices)
        confidences.append(best.values)
    return Predictions(torch.cat(labels).numpy(), torch.cat(confidences).numpy())
