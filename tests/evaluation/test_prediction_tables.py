import numpy as np

from tenfold.evaluation.prediction_tables import dump_predictions, dump_submission
from tenfold.models.predict import Predictions

NAMES = (*"abcdefghi", "nine, the last")


def test_a_submission_is_what_kaggle_takes() -> None:
    assert dump_submission(np.array([2, 0, 9])) == "ImageId,Label\n1,2\n2,0\n3,9\n"


def test_a_submission_may_have_names_and_probabilities() -> None:
    probabilities_NK = np.full((1, 10), 0.0125)
    probabilities_NK[0, 9] = 0.8875
    text = dump_submission(np.array([9]), probabilities_NK, NAMES)
    header, row, _ = text.split("\n")
    assert header == "ImageId,Label,Name,p0,p1,p2,p3,p4,p5,p6,p7,p8,p9"
    assert row == '1,9,"nine, the last",' + "0.0125," * 9 + "0.8875"


def test_predictions_have_labels_and_confidences() -> None:
    predictions = Predictions(np.array([7, 9]), np.array([0.5, 1.0], np.float32))
    labels_N = np.array([7, 2], np.uint8)
    assert dump_predictions(labels_N, predictions) == (
        "index,label,predicted,confidence\n0,7,7,0.5\n1,2,9,1\n"
    )
    assert dump_predictions(labels_N, predictions, NAMES).split("\n")[2] == (
        '1,2,9,1,c,"nine, the last"'
    )
