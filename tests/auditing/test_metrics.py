import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from tenfold.auditing import metrics
from tenfold.auditing.metrics import (
    measure_auroc,
    measure_calibration,
    measure_calibration_error,
    measure_conformal_sets,
    measure_selective,
)

Floats = npt.NDArray[np.float64]


def draw(num: int, sharpness: float = 3.0) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Probabilities [N, 10], and labels that are drawn from them."""
    rng = np.random.default_rng(1)
    logits = sharpness * rng.standard_normal((num, 10))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (probabilities.cumsum(axis=1) < rng.random((num, 1))).sum(axis=1)
    return probabilities, labels.clip(0, 9)


def test_the_auroc_is_that_of_scikit_learn_with_equal_scores_too() -> None:
    rng = np.random.default_rng(0)
    digits, others = rng.integers(3, 12, 300) / 10, rng.integers(0, 8, 200) / 10
    expected = roc_auc_score([1] * 300 + [0] * 200, np.concatenate([digits, others]))
    assert measure_auroc(digits, others) == pytest.approx(expected)


def test_log_loss_and_brier_score_are_those_of_scikit_learn() -> None:
    probabilities, labels = draw(2000)
    found = measure_calibration(probabilities, labels, seed=0)
    assert found.log_loss == pytest.approx(log_loss(labels, probabilities))
    expected = sum(brier_score_loss(labels == k, probabilities[:, k]) for k in range(10))
    assert found.brier == pytest.approx(expected)


def test_the_calibration_error_of_a_bin_is_its_gap() -> None:
    # Thirty images a confidence: two bins of equal mass each, or one bin of equal width.
    confidences = np.repeat([0.55, 0.75, 0.95], 100)
    is_right = np.concatenate([np.arange(100) < 60, np.arange(100) < 75, np.arange(100) < 80])
    by_width = measure_calibration_error(confidences, is_right, equal_width=True)
    assert by_width == pytest.approx((0.05 + 0 + 0.15) / 3)
    # Bins of 20: the right images come first in each hundred.
    gaps = [*[9] * 3, *[-11] * 2, *[5] * 3, 0, -15, *[1] * 4, -19]
    by_mass = measure_calibration_error(confidences, is_right)
    assert by_mass == pytest.approx(sum(map(abs, gaps)) / 300)


def test_probabilities_that_are_true_are_calibrated_and_sharper_ones_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics, "NUM_RESAMPLES", 50)
    probabilities, labels = draw(6000)
    honest = measure_calibration(probabilities, labels, seed=0)
    assert honest.error < 0.03
    assert honest.error_interval[0] <= honest.error_interval[1] < 0.045
    assert sum(each.num_images for each in honest.bins) == 6000
    sharper = probabilities**2 / (probabilities**2).sum(axis=1, keepdims=True)
    assert measure_calibration(sharper, labels, seed=0).error > 0.05


def test_risk_and_coverage_by_hand() -> None:
    found = measure_selective(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, True]))
    assert found.area == pytest.approx((0 + 0 + 1 / 3 + 1 / 4) / 4)
    assert found.coverage_at_low_risk == 0.5
    assert found.coverages == (0.25, 0.5, 0.75, 1.0)
    assert found.risks == pytest.approx((0, 0, 1 / 3, 1 / 4))


def test_a_threshold_cannot_separate_equal_confidences() -> None:
    found = measure_selective(np.full(4, 0.9), np.array([True, True, True, False]))
    assert found.coverage_at_low_risk == 0
    assert found.area == pytest.approx(0.25)  # of every order on average


def test_conformal_sets_have_the_coverage_that_is_wanted() -> None:
    probabilities, labels = draw(8000, sharpness=1.5)
    fitted = np.arange(8000) % 2 == 0
    for found in measure_conformal_sets(probabilities, labels, fitted, (0.5, 0.9, 0.99)):
        assert found.coverage == pytest.approx(found.wanted, abs=0.025)
        assert found.share_of_one + found.share_empty <= 1


def test_conformal_thresholds_by_hand() -> None:
    # Nine fitted images: 90 % need the ninth smallest score, 95 % more images than there are.
    own = np.linspace(0.9, 0.1, 9)
    probabilities = np.zeros((10, 10))
    probabilities[:9, 0], probabilities[:9, 1] = own, 1 - own
    probabilities[9, :3] = 0.7, 0.2, 0.1
    fitted = np.arange(10) < 9
    ninety, more = measure_conformal_sets(
        probabilities, np.zeros(10, np.int64), fitted, (0.9, 0.95)
    )
    assert ninety.least_probability == pytest.approx(0.1)
    assert (ninety.mean_size, ninety.coverage) == (3, 1)
    assert (more.least_probability, more.mean_size) == (0, 10)
