import numpy as np
import pytest

from tenfold.reading.probabilities import log_softmax, softmax

LOGITS_NK = np.array([[1.0, 2.0, 4.0], [1000.0, 0.0, -1000.0], [0.0, 0.0, 0.0]])


def test_softmax_divides_by_the_temperature() -> None:
    probabilities_NK = softmax(LOGITS_NK, 2.0)
    np.testing.assert_allclose(probabilities_NK.sum(axis=1), 1)
    expected = np.exp([0.5, 1, 2]) / np.exp([0.5, 1, 2]).sum()
    np.testing.assert_allclose(probabilities_NK[0], expected)
    np.testing.assert_allclose(probabilities_NK[1], [1.0, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(probabilities_NK[2], [1 / 3] * 3)


def test_log_softmax_keeps_what_softmax_rounds_to_zero() -> None:
    np.testing.assert_allclose(log_softmax(LOGITS_NK)[1], [0.0, -1000.0, -2000.0])
    np.testing.assert_allclose(np.exp(log_softmax(LOGITS_NK)), softmax(LOGITS_NK))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_precision_stays(dtype: type) -> None:
    assert softmax(LOGITS_NK.astype(dtype)).dtype == dtype
    assert log_softmax(LOGITS_NK.astype(dtype)).dtype == dtype
