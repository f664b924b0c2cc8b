"""Temperature, thresholds and calibration error, against answers that are known."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import tenfold
from tenfold.data.mnist import LabelledImages, load_part, split_holdout
from tenfold.models.build import build_model
from tenfold.models.predict import compute_logits
from tenfold.models.weights import load_weights
from tenfold.reading.probabilities import softmax
from tenfold.reading.reader import Reader
from tenfold.recipes.configs import ConvolutionalConfig, OptimizerConfig, PerceptronConfig
from tenfold.recipes.recipe import Recipe
from tenfold.runs.results import Calibration
from tenfold.synthetic.generate import DigitSource, generate_images
from tenfold.workflow import calibrate as calibration
from tenfold.workflow.calibrate import (
    MAX_NOT_DIGIT_SHARE,
    MAX_REJECTED_SHARE,
    calibrate,
    fit_temperature,
    measure_calibration_error,
)
from tenfold.workflow.export import export_run

Logits = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
RECIPES = {
    "ten": Recipe(
        name="ten",
        summary="a small perceptron",
        model=PerceptronConfig(hidden_sizes=(40,)),
        optimizer=OptimizerConfig(learning_rate=0.005),
        epochs=4,
        batch_size=50,
    ),
    "eleven": Recipe(
        name="eleven",
        summary="a small network that may say that an image shows no digit",
        model=ConvolutionalConfig(channels=(4, 8), depths=(1, 1), rejects=True),
        optimizer=OptimizerConfig(learning_rate=0.01),
        epochs=3,
        batch_size=20,
    ),
}


def draw_logits(num_answers: int, count: int = 20_000, seed: int = 0) -> tuple[Logits, Labels]:
    """Logits whose probabilities are true: each label is drawn with them."""
    rng = np.random.default_rng(seed)
    logits_NK = rng.normal(0, 3, (count, num_answers))
    # The largest of logits with Gumbel noise is drawn with their probabilities.
    labels_N = (logits_NK + rng.gumbel(size=logits_NK.shape)).argmax(axis=1)
    return logits_NK, labels_N


@pytest.mark.parametrize("num_answers", [10, 11])
@pytest.mark.parametrize("temperature", [0.2, 0.7, 1.0, 1.6, 5.0])
def test_the_temperature_that_logits_were_multiplied_by_is_found(
    temperature: float, num_answers: int
) -> None:
    logits_NK, labels_N = draw_logits(num_answers)
    found = fit_temperature(temperature * logits_NK, labels_N)
    assert found == pytest.approx(temperature, rel=0.04)


def test_no_other_temperature_has_a_lower_loss() -> None:
    logits_NK, labels_N = draw_logits(10, 500)

    def measure_loss(temperature: float) -> float:
        own_N = softmax(2.5 * logits_NK, temperature)[np.arange(len(labels_N)), labels_N]
        return float(-np.log(own_N).mean())

    found = fit_temperature(2.5 * logits_NK, labels_N)
    least = measure_loss(found)
    assert all(least <= measure_loss(found * factor) for factor in (0.5, 0.98, 1.02, 2))


@pytest.mark.parametrize("shift", [1e4, -1e4])
def test_the_temperature_does_not_depend_on_what_all_logits_have_in_common(shift: float) -> None:
    logits_NK, labels_N = draw_logits(10, 1000)
    found = fit_temperature(logits_NK + shift, labels_N)
    assert found == pytest.approx(fit_temperature(logits_NK, labels_N), rel=1e-3)


def test_right_logits_get_sharper_and_wrong_ones_softer() -> None:
    labels_N = np.arange(1000) % 10
    right_NK = 5.0 * np.eye(10)[labels_N]
    assert 0.05 <= fit_temperature(right_NK, labels_N) < 0.5
    wrong_NK = 5.0 * np.eye(10)[(labels_N + 1) % 10]
    assert fit_temperature(wrong_NK, labels_N) == pytest.approx(20, rel=0.05)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60),
)
def test_the_calibration_error_is_that_of_fifteen_bins(answers: list[tuple[float, bool]]) -> None:
    """As in Guo et al. 2017, written out: the mean gap of bins, each as heavy as it has images."""
    confidences_N = np.array([confidence for confidence, _ in answers])
    is_right_N = np.array([is_right for _, is_right in answers])
    total = 0.0
    for bin in range(15):
        inside = [
            (confidence, is_right)
            for confidence, is_right in answers
            if min(int(confidence * 15), 14) == bin
        ]
        if inside:
            mean = sum(confidence for confidence, _ in inside) / len(inside)
            right = sum(is_right for _, is_right in inside) / len(inside)
            total += len(inside) / len(answers) * abs(mean - right)
    found = measure_calibration_error(confidences_N, is_right_N)
    assert found == pytest.approx(total, abs=1e-12)


def test_true_probabilities_have_no_calibration_error_and_inflated_ones_have() -> None:
    logits_NK, labels_N = draw_logits(10, 50_000)

    def measure(temperature: float) -> float:
        probabilities_NK = softmax(logits_NK.astype(np.float64), temperature)
        is_right_N = probabilities_NK.argmax(axis=1) == labels_N
        return measure_calibration_error(probabilities_NK.max(axis=1), is_right_N)

    assert measure(1.0) < 0.01
    assert measure(0.4) > 0.1
    assert measure(2.5) > 0.1


def test_calibration_error_of_confidences_0_and_1() -> None:
    ones, noughts = np.ones(4), np.zeros(4)
    assert measure_calibration_error(ones, np.array([True] * 4)) == 0
    assert measure_calibration_error(ones, np.array([True, True, False, False])) == 0.5
    assert measure_calibration_error(noughts, np.array([True] * 4)) == 1


@dataclass(frozen=True)
class Trained:
    """A run that was held out, its model and the images that it was not trained on."""

    run: tenfold.Run
    model: nn.Module
    validation: LabelledImages

    @property
    def recipe(self) -> Recipe:
        return self.run.config.recipe

    @property
    def last(self) -> nn.Linear:
        """The layer that gives the logits."""
        layers = [layer for layer in self.model.modules() if isinstance(layer, nn.Linear)]
        return layers[-1]

    def calibrate(self, recipe: Recipe | None = None, seed: int = 0) -> Calibration:
        return calibrate(self.model, recipe or self.recipe, self.validation, seed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(params=RECIPES)
def trained(request: pytest.FixtureRequest, small_data: Path, folder: Path) -> Trained:
    """A small network of ten answers, then one of eleven; each test has its own copy."""
    path, recipe = folder / request.param, RECIPES[request.param]
    if path.exists():
        run = tenfold.load_run(path)
    else:
        run = tenfold.train(
            recipe, data=small_data, holdout=True, out=path, threads=1, report=False
        )
    model = build_model(recipe.model, run.config.seed)
    load_weights(model, run.weights_path)
    return Trained(run, model, split_holdout(load_part(small_data, "train"))[1])


def test_a_run_that_is_held_out_is_calibrated(trained: Trained) -> None:
    found = trained.calibrate()
    assert found == trained.run.calibration
    assert 0.05 < found.temperature < 20
    assert 0 <= found.read <= 1
    assert 0.5 <= found.not_digit <= 1
    assert (found.not_digit == 1) == (trained.recipe.name == "ten")
    logits_NK = compute_logits(trained.model, trained.validation.images_NHW)
    labels_N = trained.validation.labels_N.astype(np.int64)
    assert found.temperature == fit_temperature(logits_NK, labels_N)
    for name, temperature in (
        ("calibration_error", found.temperature),
        ("calibration_error_before", 1.0),
    ):
        probabilities_NK = softmax(logits_NK.astype(np.float64), temperature)
        is_right_N = probabilities_NK.argmax(axis=1) == labels_N
        expected = measure_calibration_error(probabilities_NK.max(axis=1), is_right_N)
        assert getattr(found, name) == pytest.approx(expected, abs=1e-12)


def test_temperature_scales_with_the_logits(
    trained: Trained,
) -> None:
    before = trained.run.calibration
    with torch.no_grad():
        trained.last.weight.mul_(3)
        trained.last.bias.mul_(3)
    after = trained.calibrate()
    assert after.temperature == pytest.approx(3 * before.temperature, rel=1e-3)
    assert after.calibration_error_before != before.calibration_error_before
    for name in ("read", "not_digit", "turned_away", "calibration_error"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), abs=0.01)


def test_the_rejected_share_is_that_of_the_exported_file(trained: Trained, tmp_path: Path) -> None:
    found = trained.run.calibration
    exported = export_run(trained.run, tmp_path / "model.onnx")
    reader = Reader(exported.path)
    assert reader.classifier.thresholds.read == found.read
    num_turned_away = 0
    for image_HW in trained.validation.images_NHW:
        reading = reader.read(image_HW)
        is_one = len(reading.text) == 1
        confidence = reading.digits[0].confidence if is_one else 0.0
        num_turned_away += confidence < found.read
    assert found.turned_away == num_turned_away / len(trained.validation)
    assert found.turned_away <= MAX_REJECTED_SHARE + 1 / len(trained.validation)


@pytest.mark.parametrize("trained", ["eleven"], indirect=True)
def test_few_clean_digits_are_classified_as_not_a_digit(trained: Trained) -> None:
    """Also by a model that takes many for none."""
    logits_NK = compute_logits(trained.model, trained.validation.images_NHW)
    with torch.no_grad():
        trained.last.bias[10] += float(np.median(logits_NK[:, :10].max(axis=1) - logits_NK[:, 10]))
    found = trained.calibrate()
    logits_NK = compute_logits(trained.model, trained.validation.images_NHW)
    none_N = softmax(logits_NK, found.temperature)[:, 10]
    assert np.median(none_N) > 0.1
    # Of 200 images not even one may be called none: the threshold is next to the most certain.
    assert MAX_NOT_DIGIT_SHARE * len(none_N) < 1
    second, most = np.sort(none_N)[-2:]
    assert 0.5 < (second + most) / 2 < found.not_digit <= most


@pytest.mark.parametrize("trained", ["eleven"], indirect=True)
def test_a_recipe_with_scenes_is_calibrated_on_scenes_too(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[npt.NDArray[np.uint8]] = []

    def keep(model: nn.Module, images_NHW: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        seen.append(images_NHW)
        return compute_logits(model, images_NHW)

    monkeypatch.setattr(calibration, "NUM_SCENES", 15)  # 20,000 take a minute
    monkeypatch.setattr(calibration, "compute_logits", keep)
    with_scenes = trained.recipe.replace(scenes=100)
    found = trained.calibrate(with_scenes, seed=3)
    assert [len(images_NHW) for images_NHW in seen] == [200, 15]
    np.testing.assert_array_equal(seen[0], trained.validation.images_NHW)
    # Drawn of the validation images, and not as a training run of any seed draws.
    images_NHW, labels_N = trained.validation.images_NHW, trained.validation.labels_N
    own_NHW, scene_labels_N = generate_images(DigitSource(images_NHW, labels_N, 1_000_003), 15)
    np.testing.assert_array_equal(seen[1], own_NHW)
    logits_NK = compute_logits(trained.model, np.concatenate([images_NHW, own_NHW]))
    both_N = np.concatenate([labels_N, scene_labels_N])
    assert found.temperature == pytest.approx(fit_temperature(logits_NK, both_N), rel=1e-4)
    assert found.temperature != trained.run.calibration.temperature
