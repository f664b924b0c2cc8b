"""Connectionist temporal classification (Graves et al. 2006): columns of a line to digits.

A network gives each column of a line log probabilities of labels, the digits first, and of a
blank, the last class. Equal neighbouring columns are one label; blanks separate labels.

Array names carry their axes: T columns, K classes, S states of a label sequence, Q states of an
automaton, M its moves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tenfold.digits import NUM_CLASSES
from tenfold.reading.automaton import Automaton

LogProbs = npt.NDArray[np.floating]  # [T, K]
# Of the search for likely texts: labels less likely than this in a column are left out of it.
MIN_BEAM_PROBABILITY = 1e-3

_Moves = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]
# Label sequences, and their probabilities: that a blank is last, and that a label is.
_Beam = dict[tuple[int, ...], tuple[float, float]]


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


def compute_acceptance(log_probs_TK: LogProbs, automaton: Automaton) -> float:
    """The probability that the labels are in an automaton's set, summed over set and alignments.

    The automaton's characters are the labels. As it is deterministic, each text counts once.
    """
    num_states, num_labels = len(automaton.next_QK), log_probs_TK.shape[1] - 1
    sources_M, labels_M, targets_M = _list_moves(automaton, num_labels)
    flat_M = targets_M * num_labels + labels_M
    blank_Q, on_QK = np.zeros(num_states), np.zeros((num_states, num_labels))
    blank_Q[0] = 1.0
    log_scale = 0.0
    for probs_K in np.exp(log_probs_TK):
        total_Q = blank_Q + on_QK.sum(axis=1)
        # A label may follow any other, and itself after a blank.
        entering_M = total_Q[sources_M] - on_QK[sources_M, labels_M]
        entered_F = np.bincount(flat_M, entering_M, num_states * num_labels)
        on_QK = (on_QK + entered_F.reshape(on_QK.shape)) * probs_K[:num_labels]
        blank_Q = total_Q * probs_K[-1]
        scale = float(blank_Q.sum() + on_QK.sum())
        if scale <= 0:
            return 0.0
        blank_Q, on_QK, log_scale = blank_Q / scale, on_QK / scale, log_scale + np.log(scale)
    accepted = float((blank_Q + on_QK.sum(axis=1))[automaton.is_final_Q].sum())
    return float(accepted * np.exp(log_scale))


def decode_under(log_probs_TK: LogProbs, automaton: Automaton) -> list[CtcSpan] | None:
    """The labels of the likeliest alignment of a text that an automaton accepts.

    None if the columns are too few for any.
    """
    num_states, num_labels = len(automaton.next_QK), log_probs_TK.shape[1] - 1
    sources_M, labels_M, targets_M = _list_moves(automaton, num_labels)
    blank_Q = np.full(num_states, -np.inf, np.float32)
    on_QK = np.full((num_states, num_labels), -np.inf, np.float32)
    blank_Q[0] = 0.0
    history = [(blank_Q, on_QK)]
    for emitted_K in log_probs_TK.astype(np.float32):
        entering_M = np.maximum(blank_Q[sources_M], _best_other(on_QK)[sources_M, labels_M])
        entered_QK = on_QK.copy()
        np.maximum.at(entered_QK, (targets_M, labels_M), entering_M)
        blank_Q = np.maximum(blank_Q, on_QK.max(axis=1)) + emitted_K[-1]
        on_QK = entered_QK + emitted_K[:num_labels]
        history.append((blank_Q, on_QK))
    return _trace_back(history, (sources_M, labels_M, targets_M), automaton)


def _list_moves(automaton: Automaton, num_labels: int) -> _Moves:
    """States, labels and following states of the automaton's moves by the first labels."""
    next_QK = automaton.next_QK[:, :num_labels]
    sources_M, labels_M = np.nonzero(next_QK >= 0)
    return sources_M, labels_M, next_QK[sources_M, labels_M]


def _best_other(on_QK: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The maximum over the other labels, for each label, [Q, K]."""
    first_Q = on_QK.argmax(axis=1)
    every = np.arange(len(on_QK))
    best_QK = np.repeat(on_QK[every, first_Q][:, None], on_QK.shape[1], axis=1)
    others_QK = on_QK.copy()
    others_QK[every, first_Q] = -np.inf
    best_QK[every, first_Q] = others_QK.max(axis=1)
    return best_QK


def _trace_back(
    history: Sequence[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]],
    moves: _Moves,
    automaton: Automaton,
) -> list[CtcSpan] | None:
    sources_M, labels_M, targets_M = moves
    blank_Q, on_QK = history[-1]
    ends_Q = np.where(automaton.is_final_Q, np.maximum(blank_Q, on_QK.max(axis=1)), -np.inf)
    state = int(ends_Q.argmax())
    if np.isneginf(ends_Q[state]):
        return None
    label = None if blank_Q[state] >= on_QK[state].max() else int(on_QK[state].argmax())
    spans: list[CtcSpan] = []
    end = len(history) - 1
    for t in range(len(history) - 1, 0, -1):
        blank_Q, on_QK = history[t - 1]
        if label is None:
            if on_QK[state].max() > blank_Q[state]:
                label, end = int(on_QK[state].argmax()), t - 1
            continue
        is_move_M = (targets_M == state) & (labels_M == label)
        before = sources_M[is_move_M]
        others_Q = np.where(np.arange(on_QK.shape[1]) == label, -np.inf, on_QK[before]).max(axis=1)
        entering = np.maximum(blank_Q[before], others_Q)
        if len(entering) and entering.max() >= on_QK[state, label]:
            spans.append(CtcSpan(label, t - 1, end))
            which = int(entering.argmax())
            state = int(before[which])
            if blank_Q[state] >= others_Q[which]:
                label = None
            else:
                row_K = np.where(np.arange(on_QK.shape[1]) == label, -np.inf, on_QK[state])
                label, end = int(row_K.argmax()), t - 1
    assert label is None
    assert state == 0
    return spans[::-1]


def list_likely_labels(
    log_probs_TK: LogProbs, width: int, automaton: Automaton | None = None
) -> list[tuple[tuple[int, ...], float]]:
    """The likeliest label sequences and about their probabilities: a prefix beam search.

    With an automaton, whose characters are the labels, only those that it accepts.

    Graves and Jaitly 2014, "Towards end-to-end speech recognition with recurrent neural networks".
    """
    probs_TK = np.exp(log_probs_TK)
    blank = probs_TK.shape[1] - 1
    beam: _Beam = {(): (1.0, 0.0)}  # ends in blank, in label
    states: dict[tuple[int, ...], int] = {(): 0}  # of the automaton, after each prefix
    for probs_K in probs_TK:
        labels = [k for k in np.flatnonzero(probs_K > MIN_BEAM_PROBABILITY).tolist() if k != blank]
        grown: _Beam = {}

        def add(
            prefix: tuple[int, ...], in_blank: float, in_label: float, grown: _Beam = grown
        ) -> None:
            before = grown.get(prefix, (0.0, 0.0))
            grown[prefix] = before[0] + in_blank, before[1] + in_label

        for prefix, (in_blank, in_label) in beam.items():
            stays = in_label * float(probs_K[prefix[-1]]) if prefix else 0.0
            add(prefix, (in_blank + in_label) * float(probs_K[blank]), stays)
            for k in labels:
                if automaton is not None:
                    state = int(automaton.next_QK[states[prefix], k])
                    if state < 0:
                        continue
                    states[(*prefix, k)] = state
                follows_itself = bool(prefix) and prefix[-1] == k
                source = in_blank if follows_itself else in_blank + in_label
                add((*prefix, k), 0.0, source * float(probs_K[k]))
        beam = dict(sorted(grown.items(), key=lambda item: -sum(item[1]))[:width])
    return [
        (prefix, sum(ends))
        for prefix, ends in beam.items()
        if automaton is None or automaton.is_final_Q[states[prefix]]
    ]
