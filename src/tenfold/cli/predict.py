"""`tenfold predict`."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from tenfold.cli.options import AsJson, Flag
from tenfold.cli.output import print_json, print_note, print_rows, print_text
from tenfold.errors import RunError
from tenfold.system.files import write_file

PredictedData = Annotated[
    Path,
    Parameter(
        help="The images to predict: a folder or file as `tenfold train --data` takes, also "
        "without labels; by default the images that the run was evaluated on."
    ),
]


def predict(
    run: Path,
    /,
    *,
    data: PredictedData | None = None,
    part: Literal["train", "test"] | None = None,
    csv: Path | None = None,
    probabilities: Flag = False,
    json: AsJson = False,
) -> None:
    """Write what a run says of images, as Kaggle's Digit Recognizer takes it: ImageId,Label.

    Images are numbered from 1 in CSV, and from 0 in JSON. Labels of the images, if there are any,
    are not needed; with them the accuracy is printed, too.

    Parameters
    ----------
    run
        The folder of a finished run, or an ONNX file that `tenfold export` wrote.
    part
        Which part of --data to predict, by default test.
    csv
        A new CSV file to write; by default it is printed.
    probabilities
        Also write the probability of each digit, in the columns p0 to p9.
    """
    if csv is not None and os.path.lexists(csv):
        raise RunError(f"{csv} exists; remove it, or name another file")
    from tenfold.workflow import predict as predicting

    predicted = predicting.predict(run, data, part=part)
    from tenfold.evaluation.prediction_tables import dump_submission
    from tenfold.evaluation.text import format_percent

    num_images, accuracy = len(predicted.probabilities_NK), predicted.accuracy
    right = "" if accuracy is None else f"{format_percent(accuracy)} of {num_images:,} images"
    if csv is not None or not json:
        text = dump_submission(
            predicted.get_predicted_labels(),
            predicted.probabilities_NK if probabilities else None,
            predicted.class_names,
        )
        if csv is not None:
            write_file(csv, text)
        else:
            print_text(text.removesuffix("\n"))
    if json:
        print_json(_to_json(run, predicted, with_all=probabilities))
    elif csv is not None:
        rows: list[tuple[str, Any]] = [("predictions", csv), ("images", f"{num_images:,}")]
        print_rows(*rows, *([("accuracy", right)] * bool(right)))
    elif right:
        print_note(f"accuracy {right}")


def _to_json(run: Path, predicted: Any, *, with_all: bool) -> dict[str, Any]:  # noqa: ANN401
    labels_N, probabilities_NK = predicted.labels_N, predicted.probabilities_NK
    listed = []
    for index, label in enumerate(predicted.get_predicted_labels().tolist()):
        one: dict[str, Any] = {"index": index, "predicted": label}
        if predicted.class_names:
            one["name"] = predicted.class_names[label]
        one["confidence"] = float(probabilities_NK[index, label])
        if labels_N is not None:
            one["label"] = int(labels_N[index])
        if with_all:
            one["probabilities"] = probabilities_NK[index].tolist()
        listed.append(one)
    return {
        "run": str(run),
        "num_images": len(listed),
        "accuracy": predicted.accuracy,
        "predictions": listed,
    }
