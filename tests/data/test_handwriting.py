"""Who wrote MNIST's images, and digits as pen tracks."""

import numpy as np

from tenfold.data.handwriting import (
    find_held_out,
    find_new_writers,
    load_pen_tracks,
    load_writers,
)
from tenfold.data.mnist import LabelledImages

NUM_FIRST = 50_000  # images by whose writers the page and line networks are trained
FIRST_STUDENT = 2100  # lower numbers are of employees of the Census Bureau


def test_every_training_image_has_a_writer(training: LabelledImages) -> None:
    writers_N = load_writers()
    assert writers_N.shape == training.labels_N.shape
    assert len(np.unique(writers_N)) == 539
    # Writers wrote about a hundred digits each, every digit among them.
    counts = np.unique(writers_N, return_counts=True)[1]
    assert 50 < np.median(counts) < 200
    shares_10 = np.bincount(training.labels_N[writers_N == writers_N[0]], minlength=10)
    assert shares_10.min() > 0


def test_no_writer_is_held_out_and_trained_on_and_both_have_employees_and_students() -> None:
    writers_N, is_held_out_N = load_writers(), find_held_out()
    assert not set(writers_N[is_held_out_N]) & set(writers_N[~is_held_out_N])
    is_student_N = writers_N >= FIRST_STUDENT
    for is_chosen_N, num_writers, num_employees, num_students in (
        (is_held_out_N, 90, 5_291, 4_714),
        (~is_held_out_N, 449, 25_659, 24_336),
    ):
        assert len(np.unique(writers_N[is_chosen_N])) == num_writers
        assert (is_chosen_N & ~is_student_N).sum() == num_employees
        assert (is_chosen_N & is_student_N).sum() == num_students


def test_new_writers_wrote_none_of_the_first_images() -> None:
    writers_N, is_new_N = load_writers(), find_new_writers()
    assert is_new_N.sum() == 5_920
    assert not is_new_N[:NUM_FIRST].any()
    assert not set(writers_N[is_new_N]) & set(writers_N[~is_new_N])
    assert set(writers_N[~is_new_N]) == set(writers_N[:NUM_FIRST])


def test_pen_tracks_are_digits_as_points() -> None:
    points_NP2, labels_N = load_pen_tracks()
    assert points_NP2.shape == (len(labels_N), 8, 2)
    assert points_NP2.max() == 100
    assert (np.bincount(labels_N) > 500).all()
    assert len(np.bincount(labels_N)) == 10
    # y grows upwards: a seven starts at the top and ends at the bottom.
    sevens_NP2 = points_NP2[labels_N == 7]
    assert np.mean(sevens_NP2[:, 0, 1] > sevens_NP2[:, -1, 1]) > 0.9
