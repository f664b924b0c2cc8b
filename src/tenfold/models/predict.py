"""Predictions of a trained model, as NumPy arrays."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tenfold.digits import NUM_CLASSES, WHITE

BATCH_SIZE = 1000


@dataclass(frozen=True)
class Predictions:
    """For N images the predicted label, int64 [N], and its probability, float32 [N]."""

    labels_N: npt.NDArray[np.int64]
    confidences_N: npt.NDArray[np.floating[Any]]


def predict(model: nn.Module, images_NHW: npt.NDArray[np.uint8]) -> Predictions:
    """Classify images, uint8 [N, 28, 28], among the ten digits."""
    best = torch.from_numpy(compute_probabilities(model, images_NHW)).max(1)
    return Predictions(best.indices.numpy(), best.values.numpy())


def compute_probabilities(
    model: nn.Module, images_NHW: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float32]:
    """The probability of each digit, float32 [N, 10], for images, uint8 [N, 28, 28]."""
    logits_NK = torch.from_numpy(compute_logits(model, images_NHW)[:, :NUM_CLASSES])
    probabilities_NK: npt.NDArray[np.float32] = logits_NK.softmax(1).numpy()
    return probabilities_NK


def measure_nll(
    model: nn.Module, images_NHW: npt.NDArray[np.uint8], labels_N: npt.NDArray[np.uint8]
) -> float:
    """The mean negative log-likelihood of the labels of images, in nats, among the ten digits."""
    logits_NK = torch.from_numpy(compute_logits(model, images_NHW)[:, :NUM_CLASSES])
    return cross_entropy(logits_NK.double(), torch.tensor(labels_N, dtype=torch.int64)).item()


@torch.inference_mode()
def compute_logits(model: nn.Module, images_NHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The model's logits, float32 [N, K], for images, uint8 [N, 28, 28]."""
    model.eval()
    batches = torch.tensor(images_NHW, device=next(model.parameters()).device).split(BATCH_SIZE)
    logits_NK = torch.cat([model(batch / WHITE) for batch in batches])
    logits: npt.NDArray[np.float32] = logits_NK.cpu().numpy()
    return logits
