"""Strips to digits: a line of writing read as a whole, also where digits touch.

In: a model file of a network that reads lines; strips. Out: for each column of a strip what is
written there, and from that the likeliest digits. Neighbouring columns of one answer are one digit
(connectionist temporal classification, Graves et al. 2006).

Array names carry their axes: T columns, K answers, S states of a spelling.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tenfold.digits import NUM_CLASSES
from tenfold.errors import ModelError
from tenfold.reading.line_image import COLUMN_PX, HEIGHT_PX, Strip
from tenfold.reading.model_file import (
    BUNDLED,
    Interface,
    ModelFile,
    load_model,
)
from tenfold.reading.probabilities import log_softmax

BUNDLED_LINES = BUNDLED / "lines.onnx"
INPUT, OUTPUT = "strips", "logits"
INTERFACE = Interface(
    INPUT,
    (None, HEIGHT_PX, None),
    OUTPUT,
    output_rank=3,
    num_answers=(NUM_CLASSES + 1,),
)
NOTHING = NUM_CLASSES  # the answer that no digit is in a column

Columns = npt.NDArray[np.floating]  # log probabilities [T, K]


@dataclass(frozen=True)
class Stretch:
    """A digit that is written from a strip's column `first` up to `end`, of four pixels each."""

    digit: int
    first: int
    end: int

    @property
    def middle_px(self) -> float:
        """The middle of it, in pixels of the strip."""
        return (self.first + self.end) / 2 * COLUMN_PX


class LineReader(ModelFile):
    """A loaded model of lines."""

    def __init__(self, data: bytes, name: str, threads: int = 1) -> None:
        super().__init__(data, name, threads, INTERFACE)

    def read(self, strip_HW: Strip) -> Columns:
        """Log probabilities [W / 4, 11] of a strip, uint8 [32, W]: ten digits, and no digit."""
        logits_TK = self.run(strip_HW[None])[0].astype(np.float64)
        num_columns = strip_HW.shape[1] // COLUMN_PX
        if len(logits_TK) != num_columns:
            raise ModelError(
                f"{self.name}: expected {num_columns} columns of a strip of {strip_HW.shape[1]} "
                f"pixels, found {len(logits_TK)}"
            )
        return log_softmax(logits_TK)


def spell(columns_TK: Columns) -> list[Stretch]:
    """The digits of the likeliest way through the columns, from the left."""
    answers_T = columns_TK.argmax(axis=1)
    changes = np.flatnonzero(np.diff(answers_T)) + 1
    starts, ends = [0, *changes], [*changes, len(answers_T)]
    return [
        Stretch(int(answers_T[start]), int(start), int(end))
        for start, end in zip(starts, ends, strict=True)
        if answers_T[start] != NOTHING
    ]


def measure_evidence(columns_TK: Columns, digits: Sequence[int]) -> float:
    """The log probability that just these digits are written: of all ways to spell them.

    Minus infinity if there are too few columns for them.
    """
    states = [NOTHING]
    for digit in digits:
        states += [digit, NOTHING]
    states_S = np.array(states)
    # A digit may follow another one at once, unless they are the same.
    may_skip_S = np.zeros(len(states), bool)
    may_skip_S[2:] = (states_S[2:] != NOTHING) & (states_S[2:] != states_S[:-2])
    emitted_TS = columns_TK[:, states_S]
    scores_S = np.full(len(states), -np.inf)
    scores_S[:2] = emitted_TS[0, :2]
    moved_S, skipped_S = np.full_like(scores_S, -np.inf), np.full_like(scores_S, -np.inf)
    for emitted_S in emitted_TS[1:]:
        moved_S[1:] = scores_S[:-1]
        skipped_S[2:] = np.where(may_skip_S[2:], scores_S[:-2], -np.inf)
        scores_S = np.logaddexp(np.logaddexp(scores_S, moved_S), skipped_S) + emitted_S
    return float(np.logaddexp.reduce(scores_S[-2:]))


def measure_single_digits(columns_TK: Columns) -> npt.NDArray[np.float64]:
    """The probabilities [10] that one digit alone is written, for each of them."""
    columns_TK = np.exp(columns_TK)
    before, on_K, after_K = 1.0, np.zeros(NUM_CLASSES), np.zeros(NUM_CLASSES)
    for answers_K in columns_TK:
        after_K = (after_K + on_K) * answers_K[NOTHING]
        on_K = (on_K + before) * answers_K[:NUM_CLASSES]
        before *= answers_K[NOTHING]
    return on_K + after_K


def load_lines(path: Path | None = None, threads: int = 1) -> LineReader:
    """The bundled model of lines, or that of a file which `tenfold export` wrote.

    Raises ModelError if the file cannot be read, is no such model, or says too little of itself.
    """
    return load_model(LineReader, BUNDLED_LINES if path is None else path, threads)
