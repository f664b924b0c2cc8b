"""CTC decoding and likelihoods, against all alignments and PyTorch's loss."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from tenfold.reading.automaton import CHARACTERS
from tenfold.reading.ctc import (
    CtcSpan,
    compute_acceptance,
    compute_log_likelihood,
    compute_single_digit_probs,
    decode_greedy,
    decode_under,
    list_likely_labels,
)
from tenfold.reading.pattern import parse_pattern
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


USED = [0, 1, CHARACTERS.index("."), CHARACTERS.index("-"), len(CHARACTERS)]


def draw_text_log_probs(num_columns: int, seed: int) -> npt.NDArray[np.float64]:
    """Columns that show 0, 1, a point, a dash or nothing."""
    scores_TK = np.full((num_columns, len(CHARACTERS) + 1), -40.0)
    scores_TK[:, USED] = np.random.default_rng(seed).normal(0, 2, (num_columns, len(USED)))
    return log_softmax(scores_TK)


@pytest.mark.parametrize("pattern", ["#{1,3}", "##.#", "(01|10)", "#?1-0", "[01]{2}(.#)?"])
def test_an_automaton_keeps_to_its_texts_as_all_alignments_say(pattern: str) -> None:
    automaton = parse_pattern(pattern).automaton
    for seed in range(3):
        log_probs_TK = draw_text_log_probs(5, seed)
        accepted, best, text = 0.0, -np.inf, ""
        for classes in itertools.product(USED, repeat=5):
            labels = [one for one, _ in itertools.groupby(classes) if one != len(CHARACTERS)]
            if not automaton.accepts(CHARACTERS[label] for label in labels):
                continue
            score = float(log_probs_TK[np.arange(5), list(classes)].sum())
            accepted += np.exp(score)
            if score > best:
                best, text = score, "".join(CHARACTERS[label] for label in labels)
        assert compute_acceptance(log_probs_TK, automaton) == pytest.approx(accepted, abs=1e-9)
        spans = decode_under(log_probs_TK, automaton)
        assert spans is not None
        assert "".join(CHARACTERS[span.label] for span in spans) == text
        ends = [0, *itertools.chain.from_iterable((span.start, span.end) for span in spans), 5]
        assert ends == sorted(ends)
        assert all(span.start < span.end for span in spans)


def test_too_few_columns_fit_nothing() -> None:
    automaton = parse_pattern("11").automaton  # which needs a blank between
    for num_columns, is_enough in ((2, False), (3, True)):
        log_probs_TK = draw_text_log_probs(num_columns, 0)
        assert (decode_under(log_probs_TK, automaton) is not None) == is_enough
        assert (compute_acceptance(log_probs_TK, automaton) > 0) == is_enough


def test_the_acceptance_of_a_long_line_is_a_number() -> None:
    num_columns, blank = 2000, len(CHARACTERS)
    log_probs_TK = np.full((num_columns, blank + 1), np.log(0.5 / blank))
    log_probs_TK[:, blank] = np.log(0.5)
    nothing_or_one = parse_pattern("#?").automaton
    assert compute_acceptance(log_probs_TK, nothing_or_one) == pytest.approx(0)
    log_probs_TK[:] = -40
    log_probs_TK[:, blank] = np.log1p(-1e-12)
    assert compute_acceptance(log_probs_TK, nothing_or_one) == pytest.approx(1)


def test_likely_texts_have_about_their_probabilities() -> None:
    log_probs_TK = draw_text_log_probs(6, 1)
    likely = list_likely_labels(log_probs_TK, 3000)
    for labels, probability in likely[:20]:
        exact = float(np.exp(compute_log_likelihood(log_probs_TK, labels)))
        assert probability == pytest.approx(exact, abs=0.01)
    assert sum(probability for _, probability in likely) == pytest.approx(1, abs=0.02)
    few = list_likely_labels(log_probs_TK, 5)
    assert len(few) == 5
    assert few[0][0] == likely[0][0]
    probabilities = [probability for _, probability in few]
    assert probabilities == sorted(probabilities, reverse=True)
