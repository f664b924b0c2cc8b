"""The numbers of a run, gathered: everything that figures, findings and report show.

In: labels, predictions and losses. Out: JSON values, the content of a run's evaluation.json.
"""

from typing import Any

from tenfold.data.mnist import MNIST_CHECKSUMS, LabelledImages
from tenfold.evaluation.findings import PART_NAMES, find, find_blank, percent
from tenfold.evaluation.metrics import (
    count_confusions,
    list_misclassified,
    measure_accuracy,
    measure_classes,
    measure_corrected,
    measure_epochs,
)
from tenfold.evaluation.predictions import Predictions
from tenfold.run import RunConfig


def build_evaluation(
    config: RunConfig,
    evaluated: LabelledImages,
    predictions: Predictions,
    losses: list[list[float]],
    training: dict[str, Any],
) -> dict[str, Any]:
    """Every number of a run, with the findings that follow from them.

    `evaluated` are the test images, or the validation images of a hold-out run; `losses` are the
    training losses, a list for each epoch; `training` says how long training took, and of what.
    """
    labels_N, predicted_N = evaluated.labels_N, predictions.labels_N
    part = "validation" if config.holdout else "test"
    known: dict[str, tuple[str, str]] = {str(name): pair for name, pair in MNIST_CHECKSUMS.items()}
    is_mnist = all(checksums == known.get(name) for name, checksums in config.checksums.items())
    confusions_KK = count_confusions(labels_N, predicted_N)
    evaluation: dict[str, Any] = {
        "part": part,
        "is_mnist": is_mnist,
        "num_members": config.recipe.members,
        **measure_accuracy(predicted_N == labels_N),
        "corrected": (
            measure_corrected(labels_N, predicted_N) if is_mnist and part == "test" else None
        ),
        "confusions": confusions_KK.tolist(),
        "classes": measure_classes(confusions_KK),
        "misclassified": list_misclassified(labels_N, predicted_N, predictions.confidences_N),
        "epochs": measure_epochs(losses),
        "training": training,
    }
    evaluation["findings"] = find_blank(evaluated.images_NHW) + find(evaluation)
    evaluation["headline"] = (
        f"{percent(evaluation['accuracy'])} of {evaluation['num_images']:,} {PART_NAMES[part]} "
        f"images, trained in {training['seconds']:.1f} s"
    )
    return evaluation
