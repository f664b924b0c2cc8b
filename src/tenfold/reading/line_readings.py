"""Line readings: what the line networks find in a crop of a text line.

Array names carry their axes: N readings, T columns, K classes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tenfold.digits import NUM_CLASSES
from tenfold.reading.ctc import (
    CtcSpan,
    LogProbs,
    compute_acceptance,
    compute_log_likelihood,
    decode_greedy,
    decode_under,
)
from tenfold.reading.doubts import find_foreign
from tenfold.reading.glyphs import Glyph
from tenfold.reading.line_image import COARSE_COLUMN_PX, COLUMN_PX, normalise_line
from tenfold.reading.line_reader import LineReader
from tenfold.reading.pattern import Pattern
from tenfold.reading.text_line import leave_out_false_signs, select_text_classes

COLUMNS_PX = (COLUMN_PX, COARSE_COLUMN_PX)  # of each line network


@dataclass(frozen=True)
class LineReading:
    """What a line network finds in one crop of a line: log probabilities of digits, or none.

    `text_TK` are those of all that a text consists of, `foreign` are the doubts that come from
    anything else. `labels` are the likeliest, under a pattern only such as fit it; `acceptance` is
    the probability that the digits fit it.
    """

    network: int
    crop: Glyph
    weight: float
    labels: list[CtcSpan]
    log_probs_TK: LogProbs
    text_TK: LogProbs
    foreign: frozenset[str]
    acceptance: float = 1.0

    @property
    def column_px(self) -> float:
        """The width of a column in the line image."""
        return COLUMNS_PX[self.network]

    @property
    def spans(self) -> list[CtcSpan]:
        """The labels that are digits."""
        return [span for span in self.labels if span.label < NUM_CLASSES]

    @property
    def digits(self) -> tuple[int, ...]:
        """The digits."""
        return tuple(span.label for span in self.spans)


def read_crop(crop: Glyph, weight: float, line_reader: LineReader) -> list[LineReading]:
    """What each line network finds."""
    image_HW = normalise_line(crop.strength_HW)
    readings = []
    for network, labels_TK in enumerate(line_reader.read(image_HW)):
        # Whether a column shows a sign or the space between two digits makes no digit less sure.
        none_T = np.logaddexp.reduce(labels_TK[:, NUM_CLASSES:], axis=1)
        text_TK = select_text_classes(labels_TK)
        readings.append(
            LineReading(
                network=network,
                crop=crop,
                weight=weight,
                labels=decode_greedy(labels_TK),
                log_probs_TK=np.column_stack([labels_TK[:, :NUM_CLASSES], none_T]),
                # What leaves out false signs knows the width of the first network's columns only.
                text_TK=text_TK if network else leave_out_false_signs(crop, text_TK),
                foreign=find_foreign(labels_TK),
            )
        )
    return readings


def keep_to(reading: LineReading, pattern: Pattern) -> LineReading:
    """The same crop with its likeliest digits that fit the pattern.

    Its likeliest labels stay if their digits fit, as their signs say where digits end.
    """
    automaton = pattern.digits_automaton
    acceptance = compute_acceptance(reading.log_probs_TK, automaton)
    if automaton.accepts(map(str, reading.digits)):
        return replace(reading, acceptance=acceptance)
    spans = decode_under(reading.log_probs_TK, automaton) or []
    return replace(reading, labels=spans, acceptance=acceptance)


def compute_likelihoods(
    digits: Sequence[int], readings: Sequence[LineReading]
) -> npt.NDArray[np.float64]:
    """The probability of digits, for each network."""
    likelihoods = [math.exp(compute_log_likelihood(one.log_probs_TK, digits)) for one in readings]
    return average_by_network(likelihoods, readings)


def average_by_network(
    values: Sequence[float], readings: Sequence[LineReading]
) -> npt.NDArray[np.float64]:
    """The mean over the crops that a network read, by their weights, for each network."""
    networks_N = np.array([reading.network for reading in readings])
    weights_N = np.array([reading.weight for reading in readings])
    is_own = [networks_N == network for network in np.unique(networks_N)]
    return np.array([np.average(np.array(values)[own], weights=weights_N[own]) for own in is_own])
