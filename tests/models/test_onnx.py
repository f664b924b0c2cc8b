"""Models whose weights are stored as float16."""

import numpy as np
import pytest
import torch

from tenfold.data.mnist import LabelledImages
from tenfold.models.build import build_model
from tenfold.models.onnx import dump_onnx, halve_weights, list_labels
from tenfold.reading.digit_classifier import Classifier
from tenfold.recipes.catalogue import RECIPES


def test_a_model_with_halved_weights_is_half_as_large_and_gives_the_same(
    test_images: LabelledImages,
) -> None:
    recipe = RECIPES["sprint"]
    metadata = {"labels": list_labels(recipe), "calibration": None, "card": {"run": "some"}}
    whole = dump_onnx(build_model(recipe.model, 0), metadata)
    halved = halve_weights(whole)
    assert len(halved) < 0.6 * len(whole)
    classifiers = [Classifier(data, "model.onnx") for data in (whole, halved)]
    assert classifiers[1].card == {"run": "some"}
    expected_NK, found_NK = (one.classify(test_images.images_NHW[:100]) for one in classifiers)
    assert not np.array_equal(found_NK, expected_NK)  # the weights were rounded
    np.testing.assert_allclose(found_NK, expected_NK, atol=2e-3)


def test_weights_beyond_the_range_of_float16_are_refused() -> None:
    recipe = RECIPES["sprint"]
    model = build_model(recipe.model, 0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1e6)
    data = dump_onnx(model, {"labels": list_labels(recipe), "calibration": None, "card": {}})
    with pytest.raises(ValueError, match="beyond the range of float16"):
        halve_weights(data)
