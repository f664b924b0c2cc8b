"""A trained model and images in, its answers out: the only part of evaluation that needs torch."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from tenfold.digits import NUM_CLASSES, WHITE
from tenfold.models.line_network import SequenceNetwork, frame_images

BATCH_SIZE = 1000


@dataclass(frozen=True)
class Predictions:
    """For N images: the label given, int64 [N], and its probability, float32 [N]."""

    labels_N: npt.NDArray[np.int64]
    confidences_N: npt.NDArray[np.floating[Any]]


def predict(model: nn.Module, images_NHW: npt.NDArray[np.uint8]) -> Predictions:
    """Classify images of bytes, [N, 28, 28], that are known to be digits."""
    best = torch.from_numpy(compute_probabilities(model, images_NHW)).max(1)
    return Predictions(best.indices.numpy(), best.values.numpy())


def compute_probabilities(
    model: nn.Module, images_NHW: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float32]:
    """The probability of each digit for images of bytes, [N, 28, 28], as float32 [N, 10]."""
    logits_NK = torch.from_numpy(compute_logits(model, images_NHW)[:, :NUM_CLASSES])
    probabilities_NK: npt.NDArray[np.float32] = logits_NK.softmax(1).numpy()
    return probabilities_NK


@torch.inference_mode()
def compute_logits(model: nn.Module, images_NHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What the model says of images of bytes, [N, 28, 28]: float32 [N, K]."""
    model.eval()
    batches = torch.tensor(images_NHW, device=next(model.parameters()).device).split(BATCH_SIZE)
    logits_NK = torch.cat([model(one / WHITE) for one in batches])
    logits: npt.NDArray[np.float32] = logits_NK.cpu().numpy()
    return logits


@torch.inference_mode()
def compute_columns(
    model: SequenceNetwork, strips: Iterable[npt.NDArray[np.uint8]]
) -> list[npt.NDArray[np.float64]]:
    """What a network that reads lines says of strips of bytes, [32, W]: logits [W / 4, 11] each."""
    model.eval()
    return [model.read(torch.tensor(one)[None] / WHITE)[0].double().numpy() for one in strips]


@torch.inference_mode()
def frame_as_strips(images_NHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Digit images as strips of one digit, as such a network's own classification frames them."""
    strips: npt.NDArray[np.uint8] = (
        frame_images(torch.tensor(images_NHW).float()).round().byte().numpy()
    )
    return strips
