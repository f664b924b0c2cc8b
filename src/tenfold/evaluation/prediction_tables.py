"""Predictions as CSV files."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # it imports torch, which an exported model does without
    from tenfold.models.predict import Predictions

SUBMISSION = ["ImageId", "Label"]  # what Kaggle's Digit Recognizer takes, counted from 1


def dump_predictions(
    labels_N: npt.NDArray[np.uint8], predictions: "Predictions", class_names: Sequence[str] = ()
) -> str:
    """The predictions of a run: index from 0, label, predicted label, its probability; names."""
    names = ["label_name", "predicted_name"] * bool(class_names)
    rows = (
        [index, label, predicted, f"{confidence:.6g}"]
        + [class_names[k] for k in (label, predicted) if class_names]
        for index, (label, predicted, confidence) in enumerate(
            zip(labels_N, predictions.labels_N, predictions.confidences_N, strict=True)
        )
    )
    return _dump([["index", "label", "predicted", "confidence", *names]], rows)


def dump_submission(
    predicted_N: npt.NDArray[np.int64],
    probabilities_NK: npt.NDArray[np.floating[Any]] | None = None,
    class_names: Sequence[str] = (),
) -> str:
    """ImageId, from 1, and Label of each image; with names and the ten probabilities if given."""
    header = [*SUBMISSION, *["Name"] * bool(class_names)]
    if probabilities_NK is not None:
        header += [f"p{k}" for k in range(probabilities_NK.shape[1])]
    rows = (
        [index + 1, label, *([class_names[label]] if class_names else [])]
        + ([] if probabilities_NK is None else [f"{p:.6g}" for p in probabilities_NK[index]])
        for index, label in enumerate(predicted_N)
    )
    return _dump([header], rows)


def _dump(header: list[list[str]], rows: Iterable[list[Any]]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows(header)
    writer.writerows(rows)
    return file.getvalue()
