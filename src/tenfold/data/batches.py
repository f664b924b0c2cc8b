"""The order of the training images: a pure function of (seed, epoch), and batches of it.

The order depends on nothing else, so a run can be repeated from any epoch.
"""

import numpy as np
import numpy.typing as npt


def build_order(seed: int, epoch: int, num_images: int) -> npt.NDArray[np.int64]:
    """The order of one epoch: a permutation of 0 ... num_images - 1, as int64 [num_images].

    `epoch` counts from 0. NumPy's SeedSequence mixes (seed, epoch) into independent streams.
    """
    return np.random.default_rng((seed, epoch)).permutation(num_images)


def count_batches(num_images: int, batch_size: int) -> int:
    """Batches in an epoch; the last one is smaller if the images do not divide evenly."""
    return -(-num_images // batch_size)
