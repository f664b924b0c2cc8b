"""Who wrote MNIST's images, and digits as pen tracks."""

import numpy as np

from tenfold.data.handwriting import find_new_writers, load_pen_tracks, load_writers
from tenfold.data.mnist import LabelledImages

NUM_TRAINED = 50_000  # of MNIST's training images where the hold-out is kept from training


def test_every_training_image_has_a_writer(training: LabelledImages) -> None:
    writers_N = load_writers()
    assert writers_N.shape == training.labels_N.shape
    assert len(np.unique(writers_N)) == 539
    # Writers wrote about a hundred digits each, every digit among them.
    counts = np.unique(writers_N, return_counts=True)[1]
    assert 50 < np.median(counts) < 200
    shares_10 = np.bincount(training.labels_N[writers_N == writers_N[0]], minlength=10)
    assert shares_10.min() > 0


def test_new_writers_wrote_none_of_the_images_before_the_holdout() -> None:
    writers_N, is_new_N = load_writers(), find_new_writers()
    assert is_new_N.sum() == 5_920
    assert not is_new_N[:NUM_TRAINED].any()
    assert not set(writers_N[is_new_N]) & set(writers_N[~is_new_N])
    assert set(writers_N[~is_new_N]) == set(writers_N[:NUM_TRAINED])


def test_pen_tracks_are_digits_as_points() -> None:
    points_NP2, labels_N = load_pen_tracks()
    assert points_NP2.shape == (len(labels_N), 8, 2)
    assert points_NP2.max() == 100
    assert (np.bincount(labels_N) > 500).all()
    assert len(np.bincount(labels_N)) == 10
    # y grows upwards: a seven starts at the top and ends at the bottom.
    sevens_NP2 = points_NP2[labels_N == 7]
    assert np.mean(sevens_NP2[:, 0, 1] > sevens_NP2[:, -1, 1]) > 0.9
