"""Lines that two networks read: what becomes of it where they agree, and where they do not."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

import tenfold
from reading.pages import enlarge, lay_out, paint
from tenfold.data.mnist import LabelledImages
from tenfold.reading.digit_image import frame
from tenfold.reading.fusion import CONTESTED, SURE_ALONE, agree_on_digit, agree_on_line
from tenfold.reading.glyphs import Glyph, merge
from tenfold.reading.lattice import Candidate
from tenfold.reading.line_image import frame_strip
from tenfold.reading.line_reader import measure_evidence, measure_single_digits, spell


@pytest.fixture(scope="module")
def reader() -> tenfold.Reader:
    return tenfold.Reader()


def classify(reader: tenfold.Reader, glyphs: Sequence[Glyph]) -> list[Candidate]:
    images = [frame(glyph.strength_HW) for glyph in glyphs]
    answers = reader.classifier.classify(np.stack(images))
    return [Candidate(*one) for one in zip(glyphs, images, answers, strict=True)]


def write(images: LabelledImages, samples: list[int], gap: int) -> tuple[list[Glyph], list[int]]:
    """A line of test digits, each a glyph of its own; their labels."""
    drawn = [enlarge(images.images_NHW[sample], 2) for sample in samples]
    line_HW, boxes = lay_out([drawn], gap=gap, margin=2)
    glyphs = [Glyph(box, line_HW[box[1] : box[3], box[0] : box[2]]) for box in boxes]
    return glyphs, images.labels_N[samples].tolist()


def test_where_both_agree_boxes_stay_and_the_line_is_as_sure_as_the_network(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    num_agreed = 0
    for first in range(0, 60, 4):
        glyphs, _ = write(test_images, list(range(first, first + 4)), gap=6)
        apart = classify(reader, glyphs)
        found = agree_on_line(glyphs, apart, reader.lines, lambda some: classify(reader, some))
        if [one.digit for one in found] != [one.digit for one in apart]:
            continue
        num_agreed += 1
        assert [one.glyph for one in found] == glyphs
        assert len({one.certainty for one in found}) == 1
        assert found[0].certainty is not None
        assert 0 <= found[0].certainty <= 1
        for one in found:
            assert one.probabilities_K.sum() == pytest.approx(1, abs=1e-5)
    assert num_agreed >= 12  # of 15


def test_glyphs_that_are_plainly_wrong_are_overruled(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    """Two digits that were taken for one: the line says that they are two, but not surely."""
    num_right = 0
    for first in range(0, 60, 4):
        glyphs, labels = write(test_images, list(range(first, first + 4)), gap=2)
        wrong = classify(reader, glyphs)[:3]  # one is left out
        found = agree_on_line(glyphs, wrong, reader.lines, lambda some: classify(reader, some))
        digits = [one.digit for one in found]
        if digits != labels:
            continue
        num_right += 1
        columns_TK = reader.lines.read(frame_strip(merge(glyphs).strength_HW))
        assert digits == [stretch.digit for stretch in spell(columns_TK)]
        certainty = CONTESTED * np.exp(measure_evidence(columns_TK, digits))
        assert found[0].certainty == pytest.approx(certainty)
        for one, glyph in zip(found, glyphs, strict=True):
            middle = (one.glyph.box[0] + one.glyph.box[2]) / 2
            assert glyph.box[0] < middle < glyph.box[2]
    assert num_right >= 11  # of 15


def test_a_sure_digit_needs_no_second_witness(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    glyphs, _ = write(test_images, list(range(40)), gap=6)
    for one in classify(reader, glyphs):
        found = agree_on_digit(one, lambda: reader.lines)
        if one.confidence >= SURE_ALONE:
            assert found is one
        assert found.probabilities_K.shape == one.probabilities_K.shape
        assert found.probabilities_K.sum() == pytest.approx(1, abs=1e-5)


def test_a_second_witness_makes_a_doubtful_digit_surer_or_less_sure(
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
            found = agree_on_digit(doubtful, lambda: reader.lines)
            columns_TK = reader.lines.read(frame_strip(one.glyph.strength_HW))
            seen_K = measure_single_digits(columns_TK)
            if seen_K[label] > 0.95:
                assert (found.probabilities_K[claimed] > 0.85) == (claimed == label)


def test_a_line_in_which_the_network_sees_nothing_is_left_as_it_is(
    reader: tenfold.Reader,
) -> None:
    dash_HW = np.ones((4, 30), np.float32)
    glyphs = [Glyph((0, 0, 30, 4), dash_HW), Glyph((40, 0, 70, 4), dash_HW)]
    apart = classify(reader, glyphs)
    found = agree_on_line(glyphs, apart, reader.lines, lambda some: classify(reader, some))
    if not spell(reader.lines.read(frame_strip(merge(glyphs).strength_HW))):
        assert found is apart


def test_digits_that_touch_are_read(reader: tenfold.Reader, test_images: LabelledImages) -> None:
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
