"""Connectionist temporal classification (Graves et al. 2006): columns of a line to digits.

A network gives each column of a line log probabilities of labels, the digits first, and of a
blank, the last class. Equal neighbouring columns are one label; blanks separate labels.

Array names carry their axes: T columns, K classes, S states of a label sequence.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tenfold.digits import NUM_CLASSES

LogProbs = npt.NDArray[np.floating]  # [T, K]


@dataclass(frozen=True)
class CtcSpan:
    """A decoded label and its columns, from `start` up to but not including `end`."""

    label: int
    start: int
    end: int


def decode_greedy(log_probs_TK: LogProbs) -> list[CtcSpan]:
    """The labels of the best path: the likeliest class of each column."""
    classes_T = log_probs_TK.argmax(axis=1)
    changes = np.flatnonzero(np.diff(classes_T)) + 1
    starts, ends = [0, *changes], [*changes, len(classes_T)]
    return [
        CtcSpan(int(classes_T[start]), int(start), int(end))
        for start, end in zip(starts, ends, strict=True)
        if classes_T[start] != log_probs_TK.shape[1] - 1
    ]


def compute_log_likelihood(log_probs_TK: LogProbs, labels: Sequence[int]) -> float:
    """The log probability of a label sequence, summed over all its alignments.

    The forward algorithm. Minus infinity if there are too few columns for the labels.
    """
    blank = log_probs_TK.shape[1] - 1
    states = [blank]
    for label in labels:
        states += [label, blank]
    states_S = np.array(states)
    # The blank between two labels may be skipped, unless they are equal.
    may_skip_S = np.zeros(len(states), bool)
    may_skip_S[2:] = (states_S[2:] != blank) & (states_S[2:] != states_S[:-2])
    emitted_TS = log_probs_TK[:, states_S]
    scores_S = np.full(len(states), -np.inf)
    scores_S[:2] = emitted_TS[0, :2]
    moved_S, skipped_S = np.full_like(scores_S, -np.inf), np.full_like(scores_S, -np.inf)
    for emitted_S in emitted_TS[1:]:
        moved_S[1:] = scores_S[:-1]
        skipped_S[2:] = np.where(may_skip_S[2:], scores_S[:-2], -np.inf)
        scores_S = np.logaddexp(np.logaddexp(scores_S, moved_S), skipped_S) + emitted_S
    return float(np.logaddexp.reduce(scores_S[-2:]))


def compute_single_digit_probs(log_probs_TK: LogProbs) -> npt.NDArray[np.float64]:
    """The probability [10] of each digit as the whole line, summed over all alignments."""
    before, on_K, after_K = 1.0, np.zeros(NUM_CLASSES), np.zeros(NUM_CLASSES)
    for probs_K in np.exp(log_probs_TK):
        after_K = (after_K + on_K) * probs_K[-1]
        on_K = (on_K + before) * probs_K[:NUM_CLASSES]
        before *= probs_K[-1]
    return on_K + after_K
