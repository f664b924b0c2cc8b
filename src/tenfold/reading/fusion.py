"""Classifier fusion: combine the digits of single glyphs with those of the line reader.

The line reader is right more often where digits touch, the digit classifier where they do not.
Where both agree they are hardly ever wrong.

Array names carry their axes: T columns, K classes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import compress, pairwise

import numpy as np

from tenfold.digits import NUM_CLASSES
from tenfold.reading.ctc import (
    CtcSpan,
    LogProbs,
    compute_log_likelihood,
    compute_single_digit_probs,
    decode_greedy,
)
from tenfold.reading.glyphs import Glyph, find_box
from tenfold.reading.lattice import Candidate, Classify, mark_doubtful
from tenfold.reading.line_image import COLUMN_PX, SIDE_PX, find_scale, normalise_line
from tenfold.reading.line_reader import LineReader
from tenfold.reading.splitting import split_at

MAX_DIGITS = 60  # of a line that is read as a whole
# Weights, chosen on drawn lines and amounts on cheques.
CROP_WEIGHTS = (0.3, 0.7)  # of the glyphs alone and of all ink around them
# Of the glyphs' log probabilities that they are these digits, beside the line's log likelihood.
GLYPHS_WEIGHT, GLYPHS_FLOOR = 0.1, 0.05
LEFT_OUT_FLOOR = 0.005  # of the probability that a glyph left out is no digit
DISAGREEMENT_FACTOR = 0.4  # on the line's confidence for each crop, or the glyphs, that differ
MIN_LIKELIHOOD = 0.01  # the line reader may be sure and wrong
LINE_FLOOR, LINE_WEIGHT = 0.05, 0.5  # added to a line's probabilities, and their exponent
CONFIDENT_ALONE = 0.995  # a digit this confident is not given to the line reader
# Geometry, chosen by eye.
MAX_SEAM_OFFSET = 0.15  # of a line's height: distance of a cut from the middle between two digits
MIN_COVERED = 0.7  # of a line's box, by that of a larger line
EMPTY = 0.1  # of full ink: a column with less is a gap


@dataclass(frozen=True)
class _LineReading:
    """What the line reader finds in one crop of a line: log probabilities of digits, or none."""

    crop: Glyph
    weight: float
    labels: list[CtcSpan]
    log_probs_TK: LogProbs

    @property
    def spans(self) -> list[CtcSpan]:
        return [span for span in self.labels if span.label < NUM_CLASSES]

    @property
    def digits(self) -> tuple[int, ...]:
        return tuple(span.label for span in self.spans)


def fuse_line(
    crops: Sequence[Glyph], path: list[Candidate], line_reader: LineReader, classify: Classify
) -> list[Candidate]:
    """The likeliest reading of a text line: `path`, from its glyphs, or one of the line reader.

    The line reader sees the line in two crops: its glyphs alone, and all ink around them. Digits
    get the line's confidence, which is 0 where the line reader was overruled.
    """
    readings = [
        _read_crop(crop, weight, line_reader)
        for crop, weight in zip(crops, CROP_WEIGHTS, strict=False)
    ]
    path_digits = tuple(candidate.digit for candidate in path)
    readings = [each for each in readings if each.digits]
    if not readings or max(map(len, [path_digits, *(r.digits for r in readings)])) > MAX_DIGITS:
        return path
    best, best_score = path, -math.inf
    for digits in dict.fromkeys([path_digits, *(reading.digits for reading in readings)]):
        own = [reading for reading in readings if reading.digits == digits]
        likelihood = _compute_likelihood(digits, readings)
        segmented = path if digits == path_digits else _classify_labels(own[0], classify)
        if len(segmented) != len(digits):
            continue
        kept = [
            float(candidate.probabilities_K[digit])
            for candidate, digit in zip(segmented, digits, strict=True)
        ]
        left_out = [1 - candidate.confidence for candidate in _find_left_out(path, segmented)]
        score = math.log(likelihood + MIN_LIKELIHOOD)
        score += GLYPHS_WEIGHT * sum(math.log(max(each, GLYPHS_FLOOR)) for each in kept)
        score += sum(math.log(max(each, LEFT_OUT_FLOOR)) for each in left_out)
        if score <= best_score:
            continue
        num_others = len(readings) - len(own) + (digits != path_digits)
        confidence = DISAGREEMENT_FACTOR**num_others * likelihood
        best_score = score
        best = _combine(segmented, own[0], confidence) if own else mark_doubtful(path)
    return best


def drop_covered_lines(lines: list[list[Candidate]]) -> list[list[Candidate]]:
    """The lines without those that lie in a larger one, which the line reader read with them."""
    boxes = [find_box([one.glyph.box for one in line]) if line else (0, 0, 0, 0) for line in lines]
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in boxes]

    def is_covered(i: int, by: int) -> bool:
        width, height = (
            min(boxes[i][axis + 2], boxes[by][axis + 2]) - max(boxes[i][axis], boxes[by][axis])
            for axis in (0, 1)
        )
        return max(0, width) * max(0, height) > MIN_COVERED * areas[i]

    readers = [i for i, line in enumerate(lines) if line and line[0].line_confidence]
    return [
        line
        for i, line in enumerate(lines)
        if not any((areas[by], -by) > (areas[i], -i) and is_covered(i, by) for by in readers)
    ]


def _find_left_out(path: list[Candidate], segmented: list[Candidate]) -> list[Candidate]:
    """The digits of the path that are part of no digit of another segmentation."""
    ranges = [(other.glyph.box[0], other.glyph.box[2]) for other in segmented]
    middles = [(candidate.glyph.box[0] + candidate.glyph.box[2]) / 2 for candidate in path]
    return [
        candidate
        for candidate, middle in zip(path, middles, strict=True)
        if not any(left <= middle <= right for left, right in ranges)
    ]


def _read_crop(crop: Glyph, weight: float, line_reader: LineReader) -> _LineReading:
    labels_TK = line_reader.read(normalise_line(crop.strength_HW))
    # Whether a column shows a sign or the space between two digits makes no digit less sure.
    none_T = np.logaddexp.reduce(labels_TK[:, NUM_CLASSES:], axis=1)
    log_probs_TK = np.column_stack([labels_TK[:, :NUM_CLASSES], none_T])
    return _LineReading(crop, weight, decode_greedy(labels_TK), log_probs_TK)


def _compute_likelihood(digits: Sequence[int], readings: Sequence[_LineReading]) -> float:
    """The weighted mean over the crops."""
    likelihoods = [math.exp(compute_log_likelihood(one.log_probs_TK, digits)) for one in readings]
    return float(np.average(likelihoods, weights=[one.weight for one in readings]))


def _classify_labels(reading: _LineReading, classify: Classify) -> list[Candidate]:
    """The crop cut between its labels; of the parts, the digits."""
    parts = cut_between_labels(reading.crop, reading.labels)
    if len(parts) != len(reading.labels):
        return []
    return classify(list(compress(parts, [span.label < NUM_CLASSES for span in reading.labels])))


def fuse_digit(candidate: Candidate, load_line_reader: Callable[[], LineReader]) -> Candidate:
    """A single digit's probabilities multiplied by those of the line reader.

    The line reader's count half, as both networks learned from the same images and are not
    independent. It is loaded only if it is needed.
    """
    if candidate.confidence >= CONFIDENT_ALONE:
        return candidate
    image_HW = normalise_line(candidate.glyph.strength_HW)
    line_K = compute_single_digit_probs(load_line_reader().read(image_HW))
    if len(candidate.probabilities_K) > NUM_CLASSES:
        line_K = np.append(line_K, max(0.0, 1 - line_K.sum()))
    product_K = candidate.probabilities_K * (line_K + LINE_FLOOR) ** LINE_WEIGHT
    return replace(candidate, probabilities_K=(product_K / product_K.sum()).astype(np.float32))


def cut_between_labels(whole: Glyph, spans: Sequence[CtcSpan]) -> list[Glyph]:
    """A line cut between the labels that the line reader found, without the ink beside them."""
    scale = find_scale(whole.height, whole.width)
    middles = [((span.start + span.end) / 2 * COLUMN_PX - SIDE_PX) / scale for span in spans]
    between = [(left + right) / 2 for left, right in pairwise(middles)]
    # The line ends at the gaps next to its first and its last label, which may lie in the margin.
    first, last = np.clip([middles[0], middles[-1]], 0, whole.width - 1)
    is_empty_W = whole.strength_HW.max(axis=0) < EMPTY
    before = np.flatnonzero(is_empty_W[: max(0, int(first))])
    after = np.flatnonzero(is_empty_W[int(last) + 1 :])
    start = int(before[-1]) + 1 if len(before) else 0
    end = max(int(last) + 1 + int(after[0]) if len(after) else whole.width, start + 1)
    left, top, _, bottom = whole.box
    inside = Glyph((left + start, top, left + end, bottom), whole.strength_HW[:, start:end])
    columns = [column - start for column in between]
    return split_at(inside, columns, MAX_SEAM_OFFSET * whole.height)


def _combine(
    candidates: list[Candidate], reading: _LineReading, line_confidence: float
) -> list[Candidate]:
    """Candidates with the mean of both networks' probabilities, and the line's confidence.

    Where the mean favours another digit than the line reader, its probabilities count alone.
    """
    combined = []
    for candidate, span in zip(candidates, reading.spans, strict=True):
        line_K = np.exp(reading.log_probs_TK[span.start : span.end, :NUM_CLASSES]).mean(axis=0)
        line_K = np.append(line_K / line_K.sum(), 0.0)[: len(candidate.probabilities_K)]
        mean_K = (candidate.probabilities_K + line_K) / 2
        is_same = mean_K[:NUM_CLASSES].argmax() == span.label
        fused_K = (mean_K if is_same else line_K).astype(np.float32)
        combined.append(
            replace(candidate, probabilities_K=fused_K, line_confidence=line_confidence)
        )
    return combined
