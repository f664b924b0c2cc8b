"""Classifier fusion: combine the digits of single glyphs with those of the line networks.

The line networks are right more often where digits touch, the digit classifier where they do not.
Where all agree they are hardly ever wrong.

Array names carry their axes: T columns, K classes.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from tenfold.digits import NUM_CLASSES
from tenfold.reading.automaton import CHARACTERS
from tenfold.reading.ctc import (
    CtcSpan,
    LogProbs,
    compute_single_digit_probs,
    decode_greedy,
)
from tenfold.reading.doubts import (
    doubt_left_out,
    doubt_signs,
    doubt_slashes,
    find_doubts,
)
from tenfold.reading.glyphs import Box, Glyph, find_box
from tenfold.reading.lattice import Candidate, Classify, DigitPath, mark_doubtful
from tenfold.reading.line_image import (
    COLUMN_PX,
    SIDE_PX,
    find_scale,
    normalise_line,
)
from tenfold.reading.line_reader import LABELS, SIGNS, LineReader
from tenfold.reading.line_readings import (
    LineReading,
    average_by_network,
    compute_likelihoods,
    keep_to,
    read_crop,
)
from tenfold.reading.pattern import Pattern
from tenfold.reading.splitting import split_at
from tenfold.reading.text_line import (
    MIN_ACCEPTANCE,
    TextLine,
    find_signs,
    list_alternatives,
)

MAX_DIGITS = 60  # of a line that is read as a whole
# Weights, chosen on drawn lines and amounts on cheques.
CROP_WEIGHTS = (0.15, 0.85)  # of the glyphs alone and of all ink around them
# Of the glyphs' log probabilities that they are these digits, beside the line's log likelihood.
GLYPHS_WEIGHT, GLYPHS_FLOOR = 0.1, 0.05
LEFT_OUT_FLOOR = 0.005  # of the probability that a glyph left out is no digit
# On the line's confidence for each network's reading of a crop, and for the path, that differs. On
# drawn lines and cheques no line that three contradict was read wrong, if both networks are sure.
DISAGREEMENT_FACTOR = 0.7
MIN_LIKELIHOOD = 0.01  # the line reader may be sure and wrong
LINE_FLOOR, LINE_WEIGHT = 0.05, 0.5  # added to a line's probabilities, and their exponent
CONFIDENT_ALONE = 0.995  # a digit this confident is not given to the line reader
# Geometry, chosen by eye.
MAX_SEAM_OFFSET = 0.15  # of a line's height: distance of a cut from the middle between two digits
MIN_COVERED = 0.7  # of a line's box, by that of a larger line
DIGIT_HEIGHTS = (0.7, 1.12)  # of the other digits' height: a one is not lower or higher
EMPTY = 0.1  # of full ink: a column with less is a gap


def fuse_line(
    crops: Sequence[Glyph],
    path: DigitPath,
    line_reader: LineReader,
    classify: Classify,
    *,
    pattern: Pattern | None = None,
    reads_signs: bool = True,
) -> TextLine:
    """The likeliest reading of a text line: `path`, from its glyphs, or one of the line networks'.

    The line reader sees the line in two crops: its glyphs alone, and all ink around them. Digits
    get the line's confidence, which is 0 where the line reader was overruled. With a pattern, only
    digits that fit it are chosen from, and confidences are those given that it fits.
    """
    by_crop = [
        read_crop(crop, weight, line_reader)
        for crop, weight in zip(crops, CROP_WEIGHTS, strict=False)
    ]
    free, around = [reading for readings in by_crop for reading in readings], by_crop[-1][0]
    chosen = _choose_digits(free, path.digits, classify)
    line = _add_signs_and_alternatives(chosen, around, None, reads_signs)
    # The second network was not trained long enough to tell other characters from digits.
    foreign = frozenset.intersection(*(first.foreign for first, *_ in by_crop))
    doubts = find_doubts(chosen, foreign)
    if reads_signs:
        texts = [_spell_labels(each.text_TK) for each in free]
        doubts += doubt_signs(texts[0], line)
        if pattern is None and not doubts:
            doubts += doubt_slashes(texts, line)
    if pattern is None:
        return replace(line, doubts=doubts)
    fitting = [keep_to(reading, pattern) for reading in free]
    if min(average_by_network([each.acceptance for each in fitting], fitting)) < MIN_ACCEPTANCE:
        return replace(line, fits=False, doubts=doubts)
    found = [chosen, _choose_digits(fitting, path.likeliest, classify, pattern)]
    lines = [
        _add_signs_and_alternatives(digits, around, pattern, reads_signs)
        for digits in found
        if pattern.digits_automaton.accepts(_spell(digits))
    ]
    lines = [each for each in lines if each.signs.fits]
    if not lines:
        return replace(line, fits=False, doubts=doubts)
    fitted = max(lines, key=lambda each: each.digits[0].line_confidence or 0.0)
    changed = _spell(fitted.digits) != _spell(line.digits)
    free_text = _spell(line.digits) if changed else None
    return replace(fitted, free_text=free_text, doubts=doubts + doubt_left_out(fitted))


def _add_signs_and_alternatives(
    digits: list[Candidate], around: LineReading, pattern: Pattern | None, reads_signs: bool
) -> TextLine:
    """A line of these digits, with the signs and alternatives in the crop around them."""
    if not reads_signs:
        automaton = None if pattern is None else pattern.digits_automaton
        return TextLine(digits, alternatives=list_alternatives(around.log_probs_TK, automaton))
    automaton = None if pattern is None else pattern.automaton
    signs = find_signs(around.crop, around.text_TK, _spell(digits), automaton)
    return TextLine(digits, signs, list_alternatives(around.text_TK, automaton))


def _spell(digits: Sequence[Candidate]) -> str:
    return "".join(str(candidate.digit) for candidate in digits)


def _spell_labels(text_TK: LogProbs) -> str:
    return "".join(CHARACTERS[span.label] for span in decode_greedy(text_TK))


def _choose_digits(
    readings: Sequence[LineReading],
    path: list[Candidate],
    classify: Classify,
    pattern: Pattern | None = None,
) -> list[Candidate]:
    path_digits = tuple(candidate.digit for candidate in path)
    readings = [each for each in readings if each.acceptance > 0]
    found = [each.digits for each in readings if each.digits]
    if not found or max(map(len, [path_digits, *found])) > MAX_DIGITS:
        return path
    best, best_score = mark_doubtful(path) if pattern is not None else path, -math.inf
    acceptances = average_by_network([reading.acceptance for reading in readings], readings)
    for digits in dict.fromkeys([path_digits, *found]):
        if pattern is not None and not pattern.digits_automaton.accepts(map(str, digits)):
            continue
        own = [reading for reading in readings if reading.digits == digits]
        likelihoods = np.minimum(1, compute_likelihoods(digits, readings) / acceptances)
        segmented: list[Candidate] = path
        signs: list[Box] = []
        if digits != path_digits:
            segmented, signs = _classify_labels(own[0], classify)
        if len(segmented) != len(digits):
            continue
        kept = [
            float(candidate.probabilities_K[digit])
            for candidate, digit in zip(segmented, digits, strict=True)
        ]
        outside = _find_outside(path, _select_unlike_digits(signs, segmented))
        boxes = [candidate.glyph.box for candidate in segmented]
        left_out = [1 - candidate.confidence for candidate in _find_outside(outside, boxes)]
        score = float(np.log(likelihoods + MIN_LIKELIHOOD).sum())
        score += GLYPHS_WEIGHT * sum(math.log(max(each, GLYPHS_FLOOR)) for each in kept)
        score += sum(math.log(max(each, LEFT_OUT_FLOOR)) for each in left_out)
        if score <= best_score:
            continue
        is_path = digits == tuple(candidate.digit for candidate in outside)
        num_others = len(readings) - len(own) + (not is_path)
        confidence = DISAGREEMENT_FACTOR**num_others * float(likelihoods.prod())
        best_score = score
        best = _combine(segmented, own[0], confidence) if own else mark_doubtful(path)
    return best


def drop_covered_lines(lines: list[TextLine]) -> list[TextLine]:
    """The lines without those that lie in a larger one, which the line reader read with them."""
    boxes = [
        find_box([one.glyph.box for one in line.digits]) if line.digits else (0, 0, 0, 0)
        for line in lines
    ]
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in boxes]

    def is_covered(i: int, by: int) -> bool:
        width, height = (
            min(boxes[i][axis + 2], boxes[by][axis + 2]) - max(boxes[i][axis], boxes[by][axis])
            for axis in (0, 1)
        )
        return max(0, width) * max(0, height) > MIN_COVERED * areas[i]

    readers = [i for i, line in enumerate(lines) if line.digits and line.digits[0].line_confidence]
    return [
        line
        for i, line in enumerate(lines)
        if not any((areas[by], -by) > (areas[i], -i) and is_covered(i, by) for by in readers)
    ]


def _select_unlike_digits(signs: Sequence[Box], digits: Sequence[Candidate]) -> list[Box]:
    """The signs that are clearly lower or higher than digits.

    Others may be ones: a slash as high as the digits beside it is as likely a slanted one.
    """
    height = float(np.median([candidate.glyph.height for candidate in digits] or [1]))
    low, high = (share * height for share in DIGIT_HEIGHTS)
    return [box for box in signs if not low <= box[3] - box[1] <= high]


def _find_outside(path: list[Candidate], boxes: Sequence[Box]) -> list[Candidate]:
    """The candidates whose middle is in none of these boxes."""
    middles = [(candidate.glyph.box[0] + candidate.glyph.box[2]) / 2 for candidate in path]
    return [
        candidate
        for candidate, middle in zip(path, middles, strict=True)
        if not any(left <= middle <= right for left, _, right, _ in boxes)
    ]


def _classify_labels(reading: LineReading, classify: Classify) -> tuple[list[Candidate], list[Box]]:
    """The crop cut between its labels: the digits, and the boxes of signs, which may look like 1.

    Only the line reader, which sees their place and their neighbours, can tell them apart. A slash
    that is first or last is left to both networks: there a one is likelier.
    """
    parts = cut_between_labels(reading.crop, reading.labels, reading.column_px)
    if len(parts) != len(reading.labels):
        return [], []
    labelled = list(zip(parts, (LABELS[span.label] for span in reading.labels), strict=True))
    inner = labelled[labelled[0][1] == "/" : -1 if labelled[-1][1] == "/" else None]
    signs = [part.box for part, label in inner if label in SIGNS]
    return classify([part for part, label in labelled if label.isdigit()]), signs


def fuse_digit(candidate: Candidate, load_line_reader: Callable[[], LineReader]) -> Candidate:
    """A single digit's probabilities multiplied by those of the line reader.

    Those of its first network count half, as both networks learned from the same images and are
    not independent. It is loaded only if it is needed.
    """
    if candidate.confidence >= CONFIDENT_ALONE:
        return candidate
    image_HW = normalise_line(candidate.glyph.strength_HW)
    line_K = compute_single_digit_probs(load_line_reader().read(image_HW)[0])
    if len(candidate.probabilities_K) > NUM_CLASSES:
        line_K = np.append(line_K, max(0.0, 1 - line_K.sum()))
    product_K = candidate.probabilities_K * (line_K + LINE_FLOOR) ** LINE_WEIGHT
    return replace(candidate, probabilities_K=(product_K / product_K.sum()).astype(np.float32))


def fuse_lone_digit(candidate: Candidate, pattern: Pattern | None) -> TextLine:
    """The line of one digit. With a pattern its probabilities are those given that it fits."""
    if pattern is None:
        return TextLine([candidate])
    allowed = [pattern.digits_automaton.accepts(str(digit)) for digit in range(NUM_CLASSES)]
    probs_K = candidate.probabilities_K.copy()
    probs_K[:NUM_CLASSES][~np.array(allowed)] = 0
    acceptance = float(probs_K[:NUM_CLASSES].sum())
    if acceptance < MIN_ACCEPTANCE:
        return TextLine([candidate], fits=False)
    total = acceptance + candidate.reject_probability
    chosen = replace(candidate, probabilities_K=(probs_K / total).astype(np.float32))
    free_text = str(candidate.digit) if chosen.digit != candidate.digit else None
    return TextLine([chosen], free_text=free_text)


def add_signs(
    line: TextLine, crop: Glyph, line_reader: LineReader, pattern: Pattern | None
) -> TextLine:
    """A line of one digit with the signs that the line reader finds beside it in a crop."""
    reading = read_crop(crop, 1.0, line_reader)[0]
    automaton = pattern.automaton if pattern is not None and line.fits else None
    signs = find_signs(crop, reading.text_TK, _spell(line.digits), automaton)
    doubts = find_doubts(line.digits, reading.foreign)
    line = replace(line, signs=signs, fits=line.fits and signs.fits)
    return replace(line, doubts=doubts + doubt_left_out(line))


def cut_between_labels(
    whole: Glyph, spans: Sequence[CtcSpan], column_px: float = COLUMN_PX
) -> list[Glyph]:
    """A line cut between the labels that a line network found, without the ink beside them."""
    scale = find_scale(whole.height, whole.width)
    middles = [((span.start + span.end) / 2 * column_px - SIDE_PX) / scale for span in spans]
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
    candidates: list[Candidate], reading: LineReading, line_confidence: float
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
