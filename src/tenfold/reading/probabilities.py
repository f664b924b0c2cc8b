"""Logits to probabilities."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Float = TypeVar("Float", np.float32, np.float64)


def softmax(logits_NK: npt.NDArray[Float], temperature: float = 1.0) -> npt.NDArray[Float]:
    """Probabilities [N, K] of logits with temperature scaling.

    Guo et al. 2017, "On calibration of modern neural networks".
    """
    scaled_NK = logits_NK / temperature
    exponentials_NK = np.exp(scaled_NK - scaled_NK.max(axis=1, keepdims=True))
    return exponentials_NK / exponentials_NK.sum(axis=1, keepdims=True)


def log_softmax(logits_NK: npt.NDArray[Float]) -> npt.NDArray[Float]:
    """The logarithm of `softmax`, exact also where a probability underflows."""
    shifted_NK = logits_NK - logits_NK.max(axis=1, keepdims=True)
    return shifted_NK - np.log(np.exp(shifted_NK).sum(axis=1, keepdims=True))
