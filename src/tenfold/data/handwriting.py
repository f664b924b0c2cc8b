"""Who wrote each MNIST image, digits as pen tracks, and characters that are no digits.

Array names carry their axes: N images or tracks, P points.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from tenfold.data.idx import load_idx
from tenfold.data.training_data import find_training_data

HOLDOUT_EVERY = 6  # one writer in six, or of other data one image in six, is held out
NUM_SPLIT = 50_000  # MNIST's first images; the page and line networks train on their writers


@cache
def load_writers() -> npt.NDArray[np.int64]:
    """The NIST writer of each of MNIST's 60,000 training images, [N].

    From QMNIST's extended labels (Yadav and Bottou 2019, "Cold case: the lost MNIST digits").
    """
    path = find_training_data("writers") / "train-writers-idx2-ubyte.gz"
    high_N, low_N = load_idx(path, (None, 2)).T.astype(np.int64)
    writers_N: npt.NDArray[np.int64] = 256 * high_N + low_N
    return writers_N


def find_held_out() -> npt.NDArray[np.bool_]:
    """Which of MNIST's training images are held out: 10,005 images by 90 of 539 writers, [N]."""
    # Every sixth writer by number, because employees of the Census Bureau have the numbers below
    # 500 and students, who are harder to read, those from 2100 on: both parts then are about half
    # and half, as the test images are. MNIST's last images do not do: those by writers of none of
    # the earlier ones are all by employees, and most of the others' writers are trained on.
    writers_N = load_writers()
    return np.isin(writers_N, np.unique(writers_N)[::HOLDOUT_EVERY])


def find_new_writers() -> npt.NDArray[np.bool_]:
    """Which of MNIST's training images are by writers of none of the first 50,000, [N]."""
    writers_N = load_writers()
    return ~np.isin(writers_N, writers_N[:NUM_SPLIT])


@cache
def load_pen_tracks() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Digits as points along the pen's way, x and y from 0 to 100, [N, P, 2], and labels [N].

    The Pen-Based Recognition of Handwritten Digits data set (Alpaydin and Alimoglu 1998). Strokes
    of one digit are joined; y grows upwards.
    """
    folder = find_training_data("pen_tracks")
    points_NP2 = load_idx(folder / "points-idx3-ubyte.gz", (None, 8, 2))
    return points_NP2, load_idx(folder / "labels-idx1-ubyte.gz", (None,))


@cache
def load_other_characters() -> npt.NDArray[np.uint8]:
    """Handwritten characters that nobody takes for a digit, 0 or 255, uint8 [N, 56, 56].

    From Omniglot (Lake et al. 2015, "Human-level concept learning through probabilistic program
    induction").
    """
    path = find_training_data("other_characters") / "images-idx3-ubyte.gz"
    return load_idx(path, (None, 56, 56))
