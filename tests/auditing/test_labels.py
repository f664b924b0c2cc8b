from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from made_studies import OTHER_DATA, build_study
from tenfold.auditing.labels import find_suspect_labels
from tenfold.data.mnist import MISLABELLED, LabelledImages, split_holdout
from tenfold.errors import StudyError


def give(test_images: LabelledImages, answers: dict[int, list[Any]]) -> npt.NDArray[np.int64]:
    """What four runs answer: the labels, but for some images."""
    given = np.tile(test_images.labels_N.astype(np.int64), (4, 1))
    for index, column in answers.items():
        given[:, index] = column
    return given


def test_labels_that_most_runs_contradict_are_ranked(test_images: LabelledImages) -> None:
    labels = test_images.labels_N
    label = int(labels[20])
    other, another = (label + 1) % 10, (label + 2) % 10
    given = give(
        test_images,
        {
            20: [other, other, other, another],
            947: [9, 9, 9, 9],  # labelled 8; by vote a 9
            30: [(labels[30] + 1) % 10] * 2 + [labels[30]] * 2,  # only half contradict
        },
    )
    found = find_suspect_labels(build_study(labels, given), test_images)
    first, second = found.suspects
    assert (first.index, first.label, first.answer, first.is_listed) == (947, 8, 9, True)
    assert (second.index, second.answer, second.share) == (20, other, 0.75)
    assert second.confidence == pytest.approx(0.9)
    assert not second.is_listed
    assert (found.part, found.num_runs, found.num_listed) == ("test", 4, 15)


def test_precision_and_recall_are_of_the_first_so_many(test_images: LabelledImages) -> None:
    labels = test_images.labels_N
    wrong = {index: [(int(labels[index]) + 1) % 10] * 4 for index in (947, 1621, 5, 6, 7, 8)}
    given = give(test_images, wrong)
    [five] = find_suspect_labels(build_study(labels, given), test_images).found
    # Equally suspect ones are in order of their index: 5, 6, 7, 8, 947.
    assert (five.top, five.num_found, five.precision) == (5, 1, 0.2)
    assert five.recall == pytest.approx(1 / 15)


def test_known_errors_of_the_holdout_are_found_by_their_place_in_it(
    training: LabelledImages,
) -> None:
    held_out = split_holdout(training)[1]
    [index] = np.flatnonzero((held_out.images_NHW == training.images_NHW[59915]).all((1, 2)))
    labels = held_out.labels_N
    given = np.tile(labels.astype(np.int64), (4, 1))
    given[:, index] = (labels[index] + 1) % 10
    found = find_suspect_labels(build_study(labels, given, holdout=True), held_out)
    assert [(one.index, one.is_listed) for one in found.suspects] == [(int(index), True)]
    assert 59915 in MISLABELLED
    assert found.num_listed == 1


def test_only_mnist_has_known_errors_and_one_run_is_too_few(test_images: LabelledImages) -> None:
    given = give(test_images, {947: [9] * 4})
    labels = test_images.labels_N
    other = find_suspect_labels(build_study(labels, given, checksums=OTHER_DATA), test_images)
    assert (other.num_listed, other.found, other.suspects[0].is_listed) == (0, (), False)
    with pytest.raises(StudyError, match="at least 2"):
        find_suspect_labels(build_study(labels, given[:1]), test_images)
