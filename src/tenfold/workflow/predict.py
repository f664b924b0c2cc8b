"""What a trained model says of images: its probabilities of the ten digits.

Torch is imported when a run predicts; an exported model needs none.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tenfold.data.class_names import check_class_names
from tenfold.data.pixels import Part
from tenfold.data.sources import load_arrays
from tenfold.digits import NUM_CLASSES
from tenfold.errors import RunError
from tenfold.reading.digit_classifier import BATCH_SIZE, Classifier, load_classifier
from tenfold.reading.probabilities import softmax
from tenfold.runs.folder import Run, load_run
from tenfold.training.threads import setting_threads
from tenfold.workflow.arguments import get_run_path, require_train_extra
from tenfold.workflow.evaluate import load_model
from tenfold.workflow.images import reload_evaluated


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """The probabilities of N images, [N, 10]; `labels_N` are their labels, if they have any."""

    probabilities_NK: npt.NDArray[np.floating[Any]]
    labels_N: npt.NDArray[np.uint8] | None
    class_names: tuple[str, ...] = ()

    def get_predicted_labels(self) -> npt.NDArray[np.int64]:
        """The most probable label of each image, [N]."""
        labels_N: npt.NDArray[np.int64] = self.probabilities_NK.argmax(axis=1)
        return labels_N

    @property
    def accuracy(self) -> float | None:
        """The share of images that are predicted as labelled; None without labels."""
        if self.labels_N is None:
            return None
        return float((self.get_predicted_labels() == self.labels_N).mean())


def predict(
    model: str | Path | Run, data: str | Path | None = None, *, part: Part | None = None
) -> Predicted:
    """Predict the images in `data` with a run, or with an ONNX file that `export_run` wrote.

    `data` is a folder or file as `train` takes, by default the images that the run was evaluated
    on. `part` chooses one of two parts, by default the test images; they need no labels.

    Raises RunError or ModelError if the model cannot be used, DataError if the data cannot.
    """
    path = get_run_path(model)
    is_file = path.suffix.lower() == ".onnx"
    if data is None and (is_file or part is not None):
        reason = f"{path}: is a model without data of its own" if is_file else "--part needs --data"
        raise RunError(f"{reason}; name the images to predict with --data")
    if is_file:
        assert data is not None
        images_NHW, labels_N = load_arrays(Path(data), part)
        classifier = load_classifier(path)
        return Predicted(
            probabilities_NK=_classify(classifier, images_NHW),
            labels_N=labels_N,
            class_names=_find_names(classifier),
        )
    require_train_extra()
    run = load_run(path)
    if data is None:
        evaluated = reload_evaluated(run.config, f"the run in {run.path}", None)
        images_NHW, labels_N = evaluated.images_NHW, evaluated.labels_N
    else:
        images_NHW, labels_N = load_arrays(Path(data), part)

    from tenfold.models.predict import compute_probabilities

    config = run.config
    network = load_model(config.recipe, config.seed, run.weights_path, config.versions)
    with setting_threads(config.threads):
        probabilities_NK = compute_probabilities(network, images_NHW)
    return Predicted(
        probabilities_NK=probabilities_NK, labels_N=labels_N, class_names=config.class_names
    )


def _find_names(classifier: Classifier) -> tuple[str, ...]:
    names = classifier.card.get("class_names", [])
    is_list = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return check_class_names(names, classifier.name) if is_list and names else ()


def _classify(classifier: Classifier, images_NHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Probabilities of the ten digits; that of "not a digit", if the model has it, is left out."""
    logits = [
        classifier.run(images_NHW[first : first + BATCH_SIZE])[:, :NUM_CLASSES]
        for first in range(0, len(images_NHW), BATCH_SIZE)
    ]
    return softmax(np.concatenate(logits))
