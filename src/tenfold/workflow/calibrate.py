"""Temperature scaling and thresholds, fitted on images that a model was not trained on.

The temperature makes a model's probabilities match its accuracy; an answer counts from a threshold
on. Both go into an exported model.

Array names carry their axes: N images, K classes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from tenfold.data.mnist import LabelledImages
from tenfold.digits import NUM_CLASSES
from tenfold.models.predict import compute_logits
from tenfold.reading.probabilities import softmax
from tenfold.recipes.recipe import Recipe
from tenfold.runs.results import Calibration
from tenfold.system.json_types import to_json

Logits = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.integer[Any]]
NUM_BINS = 15  # as is usual since Guo et al. 2017
NUM_SCENES = 20_000
# Clean images that are read from pixels, some milliseconds each; fewer for a hold-out run of a
# recipe that is not for reading, whose training may take seconds.
MOST_READ, MOST_READ_OF_OTHERS = 10_000, 2_000
# At most this share of clean digits is rejected. A larger share would read fewer wrong answers and
# fewer images of other things.
MAX_REJECTED_SHARE = 0.01
# At most this share of clean digits may be classified as not a digit.
MAX_NOT_DIGIT_SHARE = 0.0005
SCENES_SEED_OFFSET = 1_000_000  # no training run uses these seeds


def calibrate(
    model: nn.Module, recipe: Recipe, validation: LabelledImages, seed: int
) -> Calibration:
    """Fit temperature and thresholds, and measure what they reject and the calibration error.

    The temperature minimises the cross-entropy (Guo et al. 2017, "On calibration of modern neural
    networks") on clean validation images and, for a recipe with synthetic images, NUM_SCENES made
    of them. The rejected share and the error are measured on the same images.
    """
    clean_NK = compute_logits(model, validation.images_NHW)
    logits_NK, labels_N = clean_NK, validation.labels_N.astype(np.int64)
    if recipe.scenes:
        from tenfold.synthetic.generate import DigitSource, generate_images

        source = DigitSource(validation.images_NHW, validation.labels_N, SCENES_SEED_OFFSET + seed)
        scenes_NHW, scene_labels_N = generate_images(source, NUM_SCENES)
        logits_NK = np.concatenate([clean_NK, compute_logits(model, scenes_NHW)])
        labels_N = np.concatenate([labels_N, scene_labels_N])
    temperature = fit_temperature(logits_NK, labels_N)
    before_NK = softmax(clean_NK.astype(np.float64), 1.0)
    after_NK = softmax(clean_NK.astype(np.float64), temperature)
    not_digit = 1.0
    if after_NK.shape[1] > NUM_CLASSES:
        not_digit = float(np.quantile(after_NK[:, NUM_CLASSES], 1 - MAX_NOT_DIGIT_SHARE))
        not_digit = max(not_digit, 0.5)
    without_threshold = Calibration(temperature=temperature, read=0.0, not_digit=not_digit)
    confidences_N = read_confidences(model, recipe, without_threshold, validation)
    read = float(np.quantile(confidences_N, MAX_REJECTED_SHARE))
    is_right_N = after_NK.argmax(axis=1) == validation.labels_N
    return Calibration(
        temperature=temperature,
        read=read,
        not_digit=not_digit,
        turned_away=float((confidences_N < read).mean()),
        calibration_error=measure_calibration_error(after_NK.max(axis=1), is_right_N),
        calibration_error_before=measure_calibration_error(before_NK.max(axis=1), is_right_N),
    )


def fit_temperature(logits_NK: Logits, labels_N: Labels) -> float:
    """The temperature from 0.05 to 20 that minimises the cross-entropy of the divided logits."""
    from scipy.optimize import minimize_scalar

    def measure_loss(log_temperature: float) -> float:
        scaled_NK = logits_NK / np.exp(log_temperature)
        scaled_NK = scaled_NK - scaled_NK.max(axis=1, keepdims=True)
        own_N = scaled_NK[np.arange(len(labels_N)), labels_N]
        return float((np.log(np.exp(scaled_NK).sum(axis=1)) - own_N).mean())

    bounds = (np.log(0.05), np.log(20))
    found = minimize_scalar(measure_loss, bounds=bounds, method="bounded")
    return float(np.exp(found.x))


def read_confidences(
    model: nn.Module, recipe: Recipe, calibration: Calibration, validation: LabelledImages
) -> npt.NDArray[np.float64]:
    """The confidence of reading each clean image, 0 if it does not find exactly one digit.

    The images go through the whole reading pipeline, as users' images do.
    """
    from tenfold.models.onnx import dump_onnx, list_labels
    from tenfold.reading.decoding import decode_array
    from tenfold.reading.digit_classifier import Classifier
    from tenfold.reading.reader import Reader

    metadata = {"labels": list_labels(recipe), "calibration": to_json(calibration), "card": {}}
    reader = Reader(Classifier(dump_onnx(model, metadata), "the model"))
    num = MOST_READ if recipe.calibrates else MOST_READ_OF_OTHERS
    images_NHW = validation.images_NHW[:num]
    readings = [reader.read_decoded(decode_array(image_HW)) for image_HW in images_NHW]
    return np.array(
        [reading.digits[0].confidence if len(reading.text) == 1 else 0.0 for reading in readings]
    )


def measure_calibration_error(
    confidences_N: npt.NDArray[np.float64], is_right_N: npt.NDArray[np.bool_]
) -> float:
    """The expected calibration error: the mean gap between confidence and accuracy.

    Over NUM_BINS bins of equal width, weighted by their number of images (Naeini et al. 2015).
    """
    bins_N = np.minimum((confidences_N * NUM_BINS).astype(int), NUM_BINS - 1)
    gaps = np.bincount(bins_N, weights=confidences_N - is_right_N, minlength=NUM_BINS)
    return float(np.abs(gaps).sum() / len(confidences_N))
