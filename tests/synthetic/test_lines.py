"""Synthetic text lines: reproducible, legible, and labelled as they are written."""

import numpy as np
import pytest

from tenfold.reading.ctc import decode_greedy
from tenfold.reading.line_image import COLUMN_PX, HEIGHT_PX
from tenfold.reading.line_reader import BLANK, LABELS, load_line_reader
from tenfold.synthetic.canvas import Images
from tenfold.synthetic.hands import Handwriting, load_handwriting
from tenfold.synthetic.lines import LARGE_PX, MAX_WIDTH_PX, SMALL_PX, build_line_image, draw_line

NUM_LINES = 150


@pytest.fixture(scope="module")
def writing() -> Handwriting:
    return load_handwriting(of_new_writers=True)


@pytest.fixture(scope="module")
def drawn(writing: Handwriting) -> list[tuple[Images, str]]:
    return [build_line_image(writing, 0, index) for index in range(NUM_LINES)]


def test_line_images_have_the_form_that_the_line_reader_takes(
    drawn: list[tuple[Images, str]],
) -> None:
    for image_HW, characters in drawn:
        height, width = image_HW.shape
        assert height == HEIGHT_PX
        assert width <= MAX_WIDTH_PX
        assert width % COLUMN_PX == 0
        assert image_HW.dtype == np.uint8
        assert image_HW.max() > 100
        assert characters
        assert set(characters) <= {*LABELS} - {BLANK}
        # CTC needs a column for each label.
        assert len(characters) <= width // COLUMN_PX


def test_a_line_image_depends_on_seed_and_index_alone(
    writing: Handwriting, drawn: list[tuple[Images, str]]
) -> None:
    np.random.seed(5)  # the global generator is not used
    for index in (7, 0):
        image_HW, characters = build_line_image(writing, 0, index)
        np.testing.assert_array_equal(image_HW, drawn[index][0])
        assert characters == drawn[index][1]
    images = {image_HW.tobytes() for image_HW, _ in drawn}
    assert len(images) == NUM_LINES
    assert build_line_image(writing, 1, 7)[0].tobytes() not in images


def test_the_bundled_line_reader_reads_what_the_labels_say(
    drawn: list[tuple[Images, str]],
) -> None:
    reader, num_right = load_line_reader(), [0, 0]
    for image_HW, characters in drawn:
        for network, log_probs_TK in enumerate(reader.read(image_HW)):
            found = "".join(LABELS[span.label] for span in decode_greedy(log_probs_TK))
            num_right[network] += found == characters
    assert num_right[0] > 0.6 * NUM_LINES
    assert num_right[1] > 0.4 * NUM_LINES


@pytest.mark.parametrize("is_large", [False, True])
def test_a_line_has_its_text_without_spaces_as_labels(writing: Handwriting, is_large: bool) -> None:
    for seed in range(10):
        line = draw_line(writing, "120 - 00~/5", np.random.default_rng(seed), is_large=is_large)
        # A character of which no ink is left, such as a distractor that is a dot, has no label.
        assert line.labels in ("120-00~/5", "120-00/5")
        least, most = LARGE_PX if is_large else SMALL_PX
        assert least <= line.digit_px < most
        assert line.box is not None
        left, top, right, bottom = line.box
        assert right - left > 3 * line.digit_px
        assert 0.5 * line.digit_px < bottom - top < 3 * line.digit_px
        assert line.canvas_HW.min() >= 0
        assert line.canvas_HW.max() < 1.001


def test_a_longer_text_gives_a_wider_line(writing: Handwriting) -> None:
    widths = []
    for text in ("35", "3535", "353535"):
        boxes = [draw_line(writing, text, np.random.default_rng(seed)).box for seed in range(30)]
        widths.append(np.mean([box[2] - box[0] for box in boxes if box is not None]))
    assert 1.7 * widths[0] < widths[1] < 2.6 * widths[0]
    assert 1.3 * widths[1] < widths[2] < 1.8 * widths[1]
