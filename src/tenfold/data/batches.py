"""The order of the training images, a pure function of (seed, epoch), and its batches."""

import numpy as np
import numpy.typing as npt


def build_order(seed: int, epoch: int, num_images: int) -> npt.NDArray[np.int64]:
    """The order of an epoch, which counts from 0: a permutation, int64 [num_images].

    NumPy's SeedSequence mixes (seed, epoch) into independent streams.
    """
    return np.random.default_rng((seed, epoch)).permutation(num_images)


def count_batches(num_images: int, batch_size: int) -> int:
    """The number of batches in an epoch; the last one may be smaller."""
    return -(-num_images // batch_size)
