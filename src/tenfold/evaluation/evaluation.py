"""The evaluation of a run: every number that its figures, findings and report show."""

import dataclasses

from tenfold.data.mnist import MNIST_CHECKSUMS, LabelledImages
from tenfold.evaluation.findings import build_findings, find_blank_images
from tenfold.evaluation.metrics import (
    compute_confusion_matrix,
    list_misclassified,
    measure_accuracy,
    measure_class_errors,
    measure_corrected,
    measure_epoch_losses,
)
from tenfold.evaluation.text import PART_NAMES, format_percent
from tenfold.models.predict import Predictions
from tenfold.runs.config import RunConfig
from tenfold.runs.results import Evaluation, Training


def build_evaluation(
    config: RunConfig,
    evaluated: LabelledImages,
    predictions: Predictions,
    losses: list[list[float]],
    training: Training,
) -> Evaluation:
    """Compute a run's metrics and findings: the content of evaluation.json.

    `evaluated` are the test images, or the validation images of a hold-out run. `losses` are the
    training losses of each batch, one list per epoch.
    """
    labels_N, predicted_N = evaluated.labels_N, predictions.labels_N
    is_mnist = config.checksums.items() <= MNIST_CHECKSUMS.items()
    confusions_KK = compute_confusion_matrix(labels_N, predicted_N)
    accuracy = measure_accuracy(predicted_N == labels_N)
    evaluation = Evaluation(
        part="validation" if config.holdout else "test",
        is_mnist=is_mnist,
        **vars(accuracy),
        corrected=(
            measure_corrected(labels_N, predicted_N) if is_mnist and not config.holdout else None
        ),
        confusions=tuple(map(tuple, confusions_KK.tolist())),
        classes=measure_class_errors(confusions_KK),
        misclassified=list_misclassified(labels_N, predicted_N, predictions.confidences_N),
        epochs=measure_epoch_losses(losses),
        training=training,
        findings=(),
        headline="",
        class_names=config.class_names,
    )
    headline = (
        f"{format_percent(accuracy.accuracy)} of {accuracy.num_images:,} "
        f"{PART_NAMES[evaluation.part]} images, trained in {training.seconds:.1f} s"
    )
    findings = find_blank_images(evaluated.images_NHW) + build_findings(evaluation)
    return dataclasses.replace(evaluation, findings=findings, headline=headline)
