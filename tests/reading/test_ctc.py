"""CTC decoding and likelihoods, against all alignments and PyTorch's loss."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from tenfold.reading.ctc import (
    CtcSpan,
    compute_log_likelihood,
    compute_single_digit_probs,
    decode_greedy,
)
from tenfold.reading.probabilities import log_softmax

BLANK = 10


def draw_log_probs(num_columns: int, seed: int) -> npt.NDArray[np.float64]:
    return log_softmax(np.random.default_rng(seed).normal(0, 2, (num_columns, BLANK + 1)))


def build_log_probs(classes: list[int]) -> npt.NDArray[np.float64]:
    """Columns that are nearly certain of these classes."""
    log_probs_TK = np.full((len(classes), BLANK + 1), np.log(0.001))
    log_probs_TK[np.arange(len(classes)), classes] = np.log(0.99)
    return log_probs_TK


def test_equal_neighbouring_columns_are_one_digit() -> None:
    classes = [BLANK, 3, 3, BLANK, 3, 7, 7, 7, BLANK, 0]
    expected = [CtcSpan(3, 1, 3), CtcSpan(3, 4, 5), CtcSpan(7, 5, 8), CtcSpan(0, 9, 10)]
    assert decode_greedy(build_log_probs(classes)) == expected


def test_blank_columns_are_no_digits() -> None:
    log_probs_TK = build_log_probs([BLANK] * 5)
    assert decode_greedy(log_probs_TK) == []
    assert np.exp(compute_log_likelihood(log_probs_TK, [])) == pytest.approx(0.99**5)


@pytest.mark.parametrize("seed", range(4))
def test_the_likelihood_is_the_sum_over_all_alignments(seed: int) -> None:
    log_probs_TK = draw_log_probs(4, seed)
    sums: dict[tuple[int, ...], float] = {}
    for classes in itertools.product(range(BLANK + 1), repeat=4):
        digits = tuple(one for one, _ in itertools.groupby(classes) if one != BLANK)
        weight = float(np.exp(log_probs_TK[np.arange(4), list(classes)].sum()))
        sums[digits] = sums.get(digits, 0.0) + weight
    assert sum(sums.values()) == pytest.approx(1)
    for digits in [(), (5,), (0, 1), (2, 2), (1, 2, 1), (3, 4, 5, 6), (7, 7, 8)]:
        if digits in sums:
            found = np.exp(compute_log_likelihood(log_probs_TK, digits))
            assert found == pytest.approx(sums[digits])
    # Two equal digits need a column between them.
    assert compute_log_likelihood(log_probs_TK, (7, 7, 7)) == -np.inf


@pytest.mark.parametrize("num_columns", [1, 2, 10])
def test_single_digit_probabilities_are_likelihoods_of_one_digit(num_columns: int) -> None:
    log_probs_TK = draw_log_probs(num_columns, 3)
    expected = [np.exp(compute_log_likelihood(log_probs_TK, [digit])) for digit in range(10)]
    np.testing.assert_allclose(compute_single_digit_probs(log_probs_TK), expected)


@pytest.mark.parametrize("num_columns", [10, 64])
def test_the_likelihood_is_pytorchs(num_columns: int) -> None:
    torch = pytest.importorskip("torch")
    for seed in range(5):
        log_probs_TK = draw_log_probs(num_columns, seed)
        digits = np.random.default_rng(seed).integers(0, 10, 4)
        loss = torch.nn.functional.ctc_loss(
            torch.from_numpy(log_probs_TK)[:, None],
            torch.from_numpy(digits)[None],
            torch.tensor([num_columns]),
            torch.tensor([len(digits)]),
            blank=BLANK,
            reduction="sum",
        )
        found = compute_log_likelihood(log_probs_TK, digits.tolist())
        assert found == pytest.approx(-float(loss))
