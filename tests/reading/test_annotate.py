"""Pictures of a reading: boxes on the image, and the stages of one digit."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import tenfold
from reading.pages import BLACK, WHITE, Box, enlarge, lay_out, paint
from tenfold.data.mnist import LabelledImages
from tenfold.reading.annotate import DOUBTFUL_COLOUR, SURE_COLOUR, annotate, draw_stages
from tenfold.reading.decoding import Decoded, decode_array
from tenfold.reading.result import Reading, Status

STAGES = [
    "1-decoded",
    "2-bright-ink",
    "3-without-paper",
    "4-cut",
    "5-boxed",
    "6-centred",
    "7-network",
]


@pytest.fixture(scope="module")
def page(test_images: LabelledImages) -> tuple[Decoded, list[Box]]:
    """7, 2, 1 and, below, 0, 6, 7."""
    lines = [[enlarge(test_images.images_NHW[i], 6) for i in line] for line in ((0, 1, 2), (10,))]
    ink_HW, boxes = lay_out(lines, gap=40, margin=60)
    return Decoded(paint(ink_HW)), boxes


def find_colour(picture: Image.Image, colour: tuple[int, int, int]) -> npt.NDArray[np.bool_]:
    is_it_HW: npt.NDArray[np.bool_] = (np.asarray(picture) == colour).all(axis=2)
    return is_it_HW


def test_the_image_is_annotated_above_below_and_around_its_digits(
    reader: tenfold.Reader, page: tuple[Decoded, list[Box]]
) -> None:
    decoded, boxes = page
    picture = annotate(decoded, reader.read_decoded(decoded))
    height, width = decoded.pixels_HWC.shape[:2]
    assert picture.mode == "RGB"
    assert picture.width == width
    margin, rest = divmod(picture.height - height, 2)
    assert rest == 0
    assert 20 < margin < 60
    inside_HWC = np.asarray(picture)[margin : margin + height]
    same_HW = (inside_HWC == decoded.pixels_HWC).all(axis=2)
    assert same_HW.mean() > 0.8
    for left, top, right, bottom in boxes:
        assert same_HW[top + 8 : bottom - 8, left + 8 : right - 8].all()
    for part_HWC in (np.asarray(picture)[:margin], np.asarray(picture)[margin + height :]):
        assert (part_HWC[0, 0] == 255).all()
        assert (part_HWC < 128).any()


def set_sure(reading: Reading, is_sure: Sequence[bool]) -> Reading:
    digits = [replace(one, is_sure=sure) for one, sure in zip(reading.digits, is_sure, strict=True)]
    return replace(reading, digits=tuple(digits))


def test_doubtful_digits_have_another_colour_and_a_dashed_box(
    reader: tenfold.Reader, page: tuple[Decoded, list[Box]]
) -> None:
    decoded, _ = page
    reading = reader.read_decoded(decoded)
    assert len(reading.digits) == 4
    all_sure = annotate(decoded, set_sure(reading, [True] * 4))
    assert find_colour(all_sure, SURE_COLOUR).any()
    assert not find_colour(all_sure, DOUBTFUL_COLOUR).any()
    none_sure = annotate(decoded, set_sure(reading, [False] * 4))
    assert not find_colour(none_sure, SURE_COLOUR).any()
    assert find_colour(none_sure, DOUBTFUL_COLOUR).any()
    mixed = set_sure(reading, [True, False, False, True])
    some_sure = annotate(decoded, mixed)
    margin = (some_sure.height - decoded.pixels_HWC.shape[0]) // 2
    for digit in mixed.digits:
        left, top, right, _ = digit.box
        colour = SURE_COLOUR if digit.is_sure else DOUBTFUL_COLOUR
        edge_W = find_colour(some_sure, colour)[top + margin : top + margin + 2, left:right].any(0)
        assert edge_W.mean() > 0.95 if digit.is_sure else 0.3 < edge_W.mean() < 0.8


def test_an_uncertain_line_has_a_doubtful_digit(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    """Even if each digit is clear and only the networks disagree on the line."""
    threshold = reader.classifier.thresholds.read
    num_clear = 0
    for first in range(0, 300, 4):
        glyphs = [enlarge(image_HW, 2) for image_HW in test_images.images_NHW[first : first + 4]]
        decoded = Decoded(paint(lay_out([glyphs], gap=-2, margin=20)[0]))
        reading = reader.read_decoded(decoded)
        if reading.status != Status.UNCERTAIN:
            continue
        num_clear += all(digit.confidence >= threshold for digit in reading.digits)
        assert find_colour(annotate(decoded, reading), DOUBTFUL_COLOUR).any()
        if num_clear == 2:
            return
    raise AssertionError("no such lines")


@pytest.mark.parametrize("status", [Status.BLANK, Status.NOT_DIGITS])
def test_a_rejected_glyph_is_annotated_as_doubtful(
    reader: tenfold.Reader, page: tuple[Decoded, list[Box]], status: Status
) -> None:
    decoded, _ = page
    digits = [replace(one, is_sure=False) for one in reader.read_decoded(decoded).digits[:1]]
    picture = annotate(
        decoded, Reading(status, tuple(digits[: status == Status.NOT_DIGITS]), "why")
    )
    assert not find_colour(picture, SURE_COLOUR).any()
    assert find_colour(picture, DOUBTFUL_COLOUR).any() == (status == Status.NOT_DIGITS)


def test_a_small_image_is_enlarged_for_its_labels(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    decoded = decode_array(test_images.images_NHW[0])
    picture = annotate(decoded, reader.read_decoded(decoded))
    assert picture.width == 8 * 28
    assert picture.height > 8 * 28
    assert find_colour(picture, SURE_COLOUR).any()


def test_boxes_are_scaled_to_a_reduced_image(
    reader: tenfold.Reader, page: tuple[Decoded, list[Box]]
) -> None:
    decoded, _ = page
    expected = annotate(decoded, reader.read_decoded(decoded))
    reduced = Decoded(decoded.pixels_HWC, reduction=3.0)
    reading = reader.read_decoded(reduced)
    assert reading.digits[0].box[2] > 2.5 * reader.read_decoded(decoded).digits[0].box[2]
    found = annotate(reduced, reading)
    assert found.size == expected.size
    assert np.mean(find_colour(found, SURE_COLOUR) != find_colour(expected, SURE_COLOUR)) < 0.001


@pytest.mark.parametrize("is_dark", [True, False])
def test_stages_lead_from_the_image_to_the_digit_image(
    reader: tenfold.Reader, test_images: LabelledImages, is_dark: bool
) -> None:
    ink_HW, [box] = lay_out([[enlarge(test_images.images_NHW[0], 6)]], gap=0, margin=60)
    ink, paper = (BLACK, WHITE) if is_dark else (WHITE, BLACK)
    decoded = Decoded(paint(ink_HW, ink=ink, paper=paper))
    stages = draw_stages(decoded, reader)
    assert list(stages) == STAGES
    size = (ink_HW.shape[1], ink_HW.shape[0])
    sizes = {name: (picture.mode, picture.size) for name, picture in stages.items()}
    assert sizes == {
        "1-decoded": ("RGB", size),
        "2-bright-ink": ("L", size),
        "3-without-paper": ("L", size),
        "4-cut": ("L", size),
        "5-boxed": ("L", (200, 200)),
        "6-centred": ("RGB", (280, 280)),
        "7-network": ("L", (28, 28)),
    }
    np.testing.assert_array_equal(np.asarray(stages["1-decoded"]), decoded.pixels_HWC)
    for name in ("2-bright-ink", "3-without-paper", "4-cut"):
        found_HW = np.asarray(stages[name]).astype(float) / 255
        assert np.abs(found_HW - ink_HW).mean() < 0.03, name
    cut_HW = np.asarray(stages["4-cut"])
    left, top, right, bottom = box
    outside_HW = cut_HW.copy()
    outside_HW[top - 4 : bottom + 4, left - 4 : right + 4] = 0
    assert not outside_HW.any()
    [digit] = reader.read_decoded(decoded, single=True).digits
    network_HW = np.asarray(stages["7-network"])
    np.testing.assert_array_equal(network_HW, digit.image)
    centred_HWC = np.asarray(stages["6-centred"])
    assert (centred_HWC[:, 145] == DOUBTFUL_COLOUR).all()
    assert (centred_HWC[145] == DOUBTFUL_COLOUR).all()
    np.testing.assert_array_equal(centred_HWC[2::10, 2::10, 0], network_HW)
    boxed_HW = np.asarray(stages["5-boxed"])[2::10, 2::10]
    assert sorted(boxed_HW[boxed_HW > 0]) == sorted(network_HW[network_HW > 0])


def test_a_blank_image_has_the_first_stages(reader: tenfold.Reader) -> None:
    stages = draw_stages(Decoded(np.full((50, 60, 3), 200, np.uint8)), reader)
    assert list(stages) == STAGES[:3]
    assert not np.asarray(stages["3-without-paper"]).any()
