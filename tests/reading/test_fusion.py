"""Fusion of both networks: where they agree on a line or a digit, and where they do not."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pytest

import tenfold
from reading.pages import enlarge, lay_out, paint
from tenfold.data.mnist import LabelledImages
from tenfold.reading.ctc import (
    CtcSpan,
    LogProbs,
    compute_log_likelihood,
    compute_single_digit_probs,
    decode_greedy,
)
from tenfold.reading.digit_image import normalise_digit
from tenfold.reading.fusion import (
    CONFIDENT_ALONE,
    DISAGREEMENT_FACTOR,
    cut_between_labels,
    drop_covered_lines,
    fuse_digit,
    fuse_line,
)
from tenfold.reading.glyphs import Box, Glyph, merge
from tenfold.reading.lattice import Candidate, DigitPath
from tenfold.reading.line_image import normalise_line
from tenfold.reading.line_reader import LineReader
from tenfold.reading.pattern import parse_pattern
from tenfold.reading.text_line import TextLine


def classify(reader: tenfold.Reader, glyphs: Sequence[Glyph]) -> list[Candidate]:
    images = [normalise_digit(glyph.strength_HW) for glyph in glyphs]
    probabilities = reader.classifier.classify(np.stack(images))
    return [Candidate(*one) for one in zip(glyphs, images, probabilities, strict=True)]


def fuse(
    reader: tenfold.Reader,
    glyphs: list[Glyph],
    path: list[Candidate],
    expect: str | None = None,
) -> TextLine:
    pattern = None if expect is None else parse_pattern(expect)
    return fuse_line(
        [merge(glyphs)],
        DigitPath(path),
        reader.lines,
        lambda some: classify(reader, some),
        pattern=pattern,
    )


def write(images: LabelledImages, samples: list[int], gap: int) -> tuple[list[Glyph], list[int]]:
    """A line of test digits, each a glyph of its own; their labels."""
    drawn = [enlarge(images.images_NHW[sample], 2) for sample in samples]
    line_HW, boxes = lay_out([drawn], gap=gap, margin=2)
    glyphs = [Glyph(box, line_HW[box[1] : box[3], box[0] : box[2]]) for box in boxes]
    return glyphs, images.labels_N[samples].tolist()


def test_where_both_agree_boxes_stay_and_digits_get_the_lines_confidence(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    num_agreed = 0
    for first in range(0, 60, 4):
        glyphs, _ = write(test_images, list(range(first, first + 4)), gap=6)
        path = classify(reader, glyphs)
        found = fuse(reader, glyphs, path).digits
        if [one.digit for one in found] != [one.digit for one in path]:
            continue
        num_agreed += 1
        assert [one.glyph for one in found] == glyphs
        assert len({one.line_confidence for one in found}) == 1
        assert found[0].line_confidence is not None
        assert 0 <= found[0].line_confidence <= 1
        for one in found:
            assert one.probabilities_K.sum() == pytest.approx(1, abs=1e-5)
    assert num_agreed >= 12  # of 15


def test_a_wrong_path_is_overruled_by_the_line_reader(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    """Two digits that were taken for one, with a lower confidence as the networks disagree."""
    num_right = num_misplaced = 0
    for first in range(0, 60, 4):
        glyphs, labels = write(test_images, list(range(first, first + 4)), gap=2)
        wrong = classify(reader, glyphs)[:3]  # one is left out
        found = fuse(reader, glyphs, wrong).digits
        digits = [one.digit for one in found]
        if digits != labels:
            continue
        num_right += 1
        seen = reader.lines.read(normalise_line(merge(glyphs).strength_HW))
        texts = [[span.label for span in decode_greedy(each_TK)] for each_TK in seen]
        assert digits in texts
        # Those of the digits, whatever is between them, so at least those of all labels.
        likelihood = np.exp(sum(compute_log_likelihood(each_TK, digits) for each_TK in seen))
        assert found[0].line_confidence is not None
        num_others = sum(text != digits for text in texts) + 1  # the path, too
        claimed = found[0].line_confidence / DISAGREEMENT_FACTOR**num_others
        assert likelihood <= claimed + 1e-6 <= 1.001
        for one, glyph in zip(found, glyphs, strict=True):
            middle = (one.glyph.box[0] + one.glyph.box[2]) / 2
            num_misplaced += not glyph.box[0] - 4 < middle < glyph.box[2] + 4
    assert num_right >= 11  # of 15
    assert num_misplaced <= 1  # a one whose label lies right of the gap after it


def test_a_second_network_decides_where_the_first_is_not_sure(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    glyphs, labels = write(test_images, [16, 17, 18, 19], gap=6)
    other = (labels[2] + 1) % 10

    def blur(sure_TK: LogProbs) -> LogProbs:
        """The other digit a little likelier than the third."""
        [span] = [span for span in decode_greedy(sure_TK) if span.label == labels[2]]
        unsure_TK, columns = sure_TK.copy(), slice(span.start, span.end)
        unsure_TK[columns, other] = sure_TK[columns, labels[2]] + np.log(0.6)
        unsure_TK[columns, labels[2]] += np.log(0.4)
        return unsure_TK

    fine_TK, coarse_TK = reader.lines.read(normalise_line(merge(glyphs).strength_HW))
    path = classify(reader, glyphs)
    path[2] = replace(path[2], probabilities_K=np.full(11, 1 / 11, np.float32))

    class SomeNetworks:
        def __init__(self, *outputs: LogProbs) -> None:
            self.outputs = outputs

        def read(self, _: object) -> list[LogProbs]:
            return list(self.outputs)

    for networks, expected in (
        (SomeNetworks(blur(fine_TK)), other),
        (SomeNetworks(blur(fine_TK), coarse_TK), labels[2]),
        (SomeNetworks(fine_TK, blur(coarse_TK)), labels[2]),
    ):
        lines = cast("LineReader", networks)
        line = fuse_line(
            [merge(glyphs)], DigitPath(path), lines, lambda some: classify(reader, some)
        )
        assert [one.digit for one in line.digits] == [*labels[:2], expected, labels[3]]


def test_with_a_pattern_only_digits_that_fit_it_are_chosen_from(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    for first in range(0, 20, 4):
        glyphs, labels = write(test_images, list(range(first, first + 4)), gap=6)
        path = classify(reader, glyphs)
        free = fuse(reader, glyphs, path)
        right, wrong = ("".join(str((label + more) % 10) for label in labels) for more in (0, 5))
        fitting = fuse(reader, glyphs, path, f"{right}|{wrong}")
        assert fitting.fits
        found = "".join(str(one.digit) for one in fitting.digits)
        assert found == right
        is_changed = [one.digit for one in free.digits] != labels
        assert (fitting.free_text is not None) == is_changed
        before, after = free.digits[0].line_confidence, fitting.digits[0].line_confidence
        assert before is not None
        assert after is not None
        assert is_changed or before <= after <= 1  # given that it fits
        unlikely = fuse(reader, glyphs, path, wrong)
        assert not unlikely.fits
        assert [one.digit for one in unlikely.digits] == [one.digit for one in free.digits]


def test_a_confident_digit_is_not_given_to_the_line_reader(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    glyphs, _ = write(test_images, list(range(40)), gap=6)
    for one in classify(reader, glyphs):
        found = fuse_digit(one, lambda: reader.lines)
        if one.confidence >= CONFIDENT_ALONE:
            assert found is one
        assert found.probabilities_K.shape == one.probabilities_K.shape
        assert found.probabilities_K.sum() == pytest.approx(1, abs=1e-5)


def test_the_line_reader_confirms_or_contradicts_a_doubtful_digit(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    glyphs, labels = write(test_images, list(range(40)), gap=6)
    for one, label in zip(classify(reader, glyphs), labels, strict=True):
        if one.digit != label:
            continue
        for claimed in (label, (label + 1) % 10):
            doubtful_K = np.full(11, 0.02, np.float32)
            doubtful_K[claimed] = 0.8
            doubtful = replace(one, probabilities_K=doubtful_K)
            found = fuse_digit(doubtful, lambda: reader.lines)
            seen = reader.lines.read(normalise_line(one.glyph.strength_HW))
            if min(compute_single_digit_probs(each_TK)[label] for each_TK in seen) > 0.95:
                assert (found.probabilities_K[claimed] > 0.85) == (claimed == label)


def test_a_line_without_digits_for_the_line_reader_keeps_its_path(
    reader: tenfold.Reader,
) -> None:
    dash_HW = np.ones((4, 30), np.float32)
    glyphs = [Glyph((0, 0, 30, 4), dash_HW), Glyph((40, 0, 70, 4), dash_HW)]
    path = classify(reader, glyphs)
    found = fuse(reader, glyphs, path).digits
    seen = reader.lines.read(normalise_line(merge(glyphs).strength_HW))
    if not any(map(decode_greedy, seen)):
        assert found is path


def test_touching_digits_are_read(reader: tenfold.Reader, test_images: LabelledImages) -> None:
    num_right = num_wrong = 0
    for first in range(100, 250, 3):
        samples = list(range(first, first + 3))
        drawn = [enlarge(test_images.images_NHW[sample], 2) for sample in samples]
        line_HW, _ = lay_out([drawn], gap=-2, margin=20)
        reading = reader.read(paint(line_HW))
        is_right = reading.text == "".join(map(str, test_images.labels_N[samples]))
        num_right += is_right
        num_wrong += reading.status == "read" and not is_right
    assert num_right >= 40  # of 50
    assert num_wrong <= 2


def test_a_label_in_the_margin_of_a_line_cuts_off_no_empty_glyph() -> None:
    whole = Glyph((0, 0, 30, 40), np.pad(np.ones((40, 8), np.float32), ((0, 0), (2, 20))))
    for column in (0, 40):
        [part] = cut_between_labels(whole, [CtcSpan(1, column, column + 1)])
        assert 0 < part.width <= whole.width
        assert part.strength_HW.shape == (part.height, part.width)


def test_a_line_within_what_was_read_of_a_larger_one_is_dropped() -> None:
    def build(box: Box, line_confidence: float | None) -> TextLine:
        height, width = box[3] - box[1], box[2] - box[0]
        glyph = Glyph(box, np.ones((height, width), np.float32))
        image, probabilities_K = np.zeros((28, 28), np.uint8), np.full(11, 1 / 11, np.float32)
        return TextLine([Candidate(glyph, image, probabilities_K, line_confidence=line_confidence)])

    read, path = build((0, 0, 100, 40), 0.5), build((0, 0, 100, 40), 0.0)
    within, below = build((60, 20, 80, 42), None), build((60, 30, 80, 70), None)
    empty = TextLine([])
    assert drop_covered_lines([within, read, below, empty]) == [read, below, empty]
    assert drop_covered_lines([read, read]) == [read]
    assert drop_covered_lines([within, path]) == [within, path]  # from its glyphs alone


def test_a_line_too_long_for_the_line_reader_is_uncertain_and_keeps_its_digits(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    for num, status in ((10, "read"), (40, "uncertain")):
        samples = [0, 1, 3, 4, 7, 9, 10, 11, 13, 17] * (num // 10)
        glyphs = [enlarge(test_images.images_NHW[sample], 2) for sample in samples]
        reading = reader.read(paint(lay_out([glyphs], gap=16, margin=40)[0]))
        assert reading.status == status
        assert [one.digit for one in reading.digits] == test_images.labels_N[samples].tolist()
