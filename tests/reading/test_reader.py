"""Whole images: which digits are read, where, and whether they may be relied on."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tenfold
from reading.pages import (
    BLACK,
    FONTS,
    INK,
    PAPER,
    WHITE,
    Colour,
    Map,
    enlarge,
    lay_out,
    paint,
    write_word,
)
from tenfold.data.mnist import LabelledImages
from tenfold.reading.decoding import Decoded, Pixels, decode_array
from tenfold.reading.doubts import FOREIGN_DOUBT
from tenfold.reading.reader import BATCH_IMAGES, BATCH_PIXELS
from tenfold.reading.result import Reading, Status
from tenfold.reading.sources import Source

TWO_LINES = "721\n067"
NAME = r"the \d( \((line \d+, )?digit \d+\))?"
DOUBT = rf"{NAME}((, {NAME})* and {NAME})? might (be an? \d|not be (a digit|digits))"
MESSAGES = re.compile(
    rf"{DOUBT}(; {DOUBT})*|{FOREIGN_DOUBT}|\d+ of \d+ digits are doubtful"
    r"|some of the writing does not look like digits|[\d/]+ might be [\d/]+"
)


@pytest.fixture(scope="module")
def two_lines(test_images: LabelledImages) -> tuple[Pixels, list[tuple[int, int, int, int]]]:
    """7, 2, 1 and, below, 0, 6, 7, with their boxes."""
    numbers = [[0, 1, 2], [10, 11, 17]]
    assert [[int(test_images.labels_N[i]) for i in line] for line in numbers] == [
        [7, 2, 1],
        [0, 6, 7],
    ]
    lines = [[enlarge(test_images.images_NHW[i], 5) for i in line] for line in numbers]
    ink_HW, boxes = lay_out(lines, gap=30, margin=60)
    return paint(ink_HW, gradient=0.3, noise=3), boxes


def share_right(readings: list[Reading], images: LabelledImages) -> float:
    labels = map(str, images.labels_N)
    return float(np.mean([one.text == label for one, label in zip(readings, labels, strict=False)]))


@pytest.mark.parametrize("single", [True, False])
def test_digits_of_mnist_are_read(
    reader: tenfold.Reader, test_images: LabelledImages, single: bool
) -> None:
    images_NHW = test_images.images_NHW[: 600 if single else 200]
    readings = [reader.read(one, single=single) for one in images_NHW]
    assert share_right(readings, test_images) > 0.98
    is_read = [one.status == Status.READ for one in readings]
    assert np.mean(is_read) > 0.8
    wrong = [
        one.text != str(label)
        for one, label in zip(readings, test_images.labels_N, strict=False)
        if one.status == Status.READ
    ]
    assert np.mean(wrong) < 0.006
    assert all(one.message is None for one in readings if one.status == Status.READ)


@pytest.mark.parametrize("single", [True, False])
def test_many_images_are_read_as_each_alone(
    reader: tenfold.Reader,
    test_images: LabelledImages,
    two_lines: tuple[Pixels, list[tuple[int, int, int, int]]],
    single: bool,
) -> None:
    """Small, large, blank and broken images, in order, and more than one batch."""
    digits = list(test_images.images_NHW[:BATCH_IMAGES])
    large = np.full((1200, 1000, 3), 200, np.uint8)
    large[300:900, 480:560] = 30
    sources: list[Source] = [
        two_lines[0],
        b"no image",
        large,
        np.full((60, 60), 250, np.uint8),
        *digits,
        large,
    ]
    assert list(reader.read_many(sources, single=single)) == [
        reader.read(source, single=single) for source in sources
    ]


@pytest.mark.parametrize(("side", "num_together"), [(28, BATCH_IMAGES), (600, 3)])
def test_no_more_images_are_taken_than_a_batch_has(
    reader: tenfold.Reader, side: int, num_together: int
) -> None:
    assert 2 * 600**2 < BATCH_PIXELS < 3 * 600**2
    taken: list[int] = []

    def take() -> Iterator[Pixels]:
        for number in range(2 * BATCH_IMAGES):
            taken.append(number)
            yield np.full((side, side), 250, np.uint8)

    next(reader.read_many(take()))
    assert len(taken) == num_together


@pytest.mark.parametrize(
    ("factor", "ink", "paper", "gradient", "noise"),
    [
        (2, INK, PAPER, 0.2, 0),
        (3, INK, PAPER, 0.5, 5),
        (5, BLACK, WHITE, 0, 0),
        (5, WHITE, BLACK, 0, 3),
        (5, (230, 230, 200), (40, 80, 60), 0.4, 5),
        (5, (200, 30, 30), PAPER, 0.3, 3),
        (5, (20, 150, 20), (200, 60, 60), 0, 0),
        (5, (165, 165, 165), PAPER, 0.2, 2),
        (12, (30, 40, 160), PAPER, 0.5, 5),
        (16, INK, PAPER, 0.4, 3),
    ],
)
def test_digits_on_paper_are_read(
    reader: tenfold.Reader,
    test_images: LabelledImages,
    factor: int,
    ink: Colour,
    paper: Colour,
    gradient: float,
    noise: float,
) -> None:
    readings: dict[bool, list[Reading]] = {True: [], False: []}
    for number, image_HW in enumerate(test_images.images_NHW[:20]):
        row_HW, _ = lay_out([[enlarge(image_HW, factor)]], gap=0, margin=8 * factor)
        pixels_HWC = paint(
            row_HW, ink=ink, paper=paper, gradient=gradient, noise=noise, seed=number
        )
        for single, found in readings.items():
            found.append(reader.read(pixels_HWC, single=single))
    assert share_right(readings[True], test_images) > 0.9
    assert share_right(readings[False], test_images) > 0.85


def test_an_image_from_any_source_gives_the_same_reading(
    reader: tenfold.Reader, two_lines: tuple[Pixels, list[object]], tmp_path: Path
) -> None:
    pixels_HWC, _ = two_lines
    path = tmp_path / "page.png"
    image = Image.fromarray(pixels_HWC)
    image.save(path)
    data = path.read_bytes()
    readings = [reader.read(source) for source in (path, str(path), data, image, pixels_HWC)]
    readings += [reader.read(pixels_HWC), tenfold.Reader().read(path)]
    assert readings[0].text == TWO_LINES
    assert all(one == readings[0] for one in readings)
    assert reader.read_decoded(Decoded(pixels_HWC)) == readings[0]


@pytest.mark.parametrize("scale", [1, 8])
def test_lines_are_read_with_their_boxes(
    reader: tenfold.Reader, two_lines: tuple[Pixels, list[tuple[int, int, int, int]]], scale: int
) -> None:
    """A large image is reduced, but the boxes are in its own pixels."""
    pixels_HWC, boxes = two_lines
    pixels_HWC = pixels_HWC.repeat(scale, axis=0).repeat(scale, axis=1)
    assert (decode_array(pixels_HWC).reduction > 1.5) == (scale > 1)
    reading = reader.read(pixels_HWC)
    assert reading.text == TWO_LINES
    assert [digit.line for digit in reading.digits] == [0, 0, 0, 1, 1, 1]
    for digit, box in zip(reading.digits, boxes, strict=True):
        assert np.abs(np.array(digit.box) / scale - box).max() <= 4
        assert all(isinstance(value, int) for value in digit.box)
        assert digit.image.shape == (28, 28)
        assert len(digit.probabilities) == 10
        assert digit.confidence == max(digit.probabilities)
        assert digit.probabilities.index(digit.confidence) == digit.digit
        assert 0 < sum(digit.probabilities) < 1.0001


def test_pages_of_digits_are_read(reader: tenfold.Reader, test_images: LabelledImages) -> None:
    num_right = 0
    for page in range(8):
        numbers = [range(15 * page + 5 * line, 15 * page + 5 * line + 5) for line in range(3)]
        lines = [[enlarge(test_images.images_NHW[i], 3) for i in line] for line in numbers]
        sheet_HW, _ = lay_out(lines, gap=15, margin=30)
        reading = reader.read(paint(sheet_HW, gradient=0.3, noise=3, seed=page))
        expected = ["".join(str(test_images.labels_N[i]) for i in line) for line in numbers]
        num_right += reading.text == "\n".join(expected)
        assert reading.status in (Status.READ, Status.UNCERTAIN)
    assert num_right >= 6


@pytest.mark.parametrize("font", FONTS)
def test_printed_digits_are_read(reader: tenfold.Reader, font: int) -> None:
    found = [reader.read(write_word(str(digit), font)).text for digit in range(10)]
    assert sum(text == str(digit) for digit, text in enumerate(found)) >= 8


def test_the_status_and_message_agree_with_the_digits(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    threshold = reader.classifier.thresholds.read
    num_uncertain = 0
    for first in range(0, 720, 9):
        glyphs = [enlarge(image_HW, 2) for image_HW in test_images.images_NHW[first : first + 3]]
        reading = reader.read(paint(lay_out([glyphs], gap=20, margin=20)[0]))
        if reading.status == Status.READ:
            assert reading.message is None
            assert all(digit.is_sure for digit in reading.digits)
            # In a line on which all networks agree, a digit may be less confident than one alone.
            assert all(digit.confidence >= 0.5 * threshold for digit in reading.digits)
        elif reading.status == Status.UNCERTAIN:
            num_uncertain += 1
            assert reading.message is not None
            assert MESSAGES.fullmatch(reading.message), reading.message
            assert not all(digit.is_sure for digit in reading.digits)
            for digit, place in re.findall(r"the (\d) \(digit (\d+)\)", reading.message):
                assert reading.digits[int(place) - 1].digit == int(digit)
    assert 1 < num_uncertain < 20


@pytest.mark.parametrize("single", [True, False])
def test_a_file_that_cannot_be_decoded_is_an_error(
    reader: tenfold.Reader,
    two_lines: tuple[Pixels, list[object]],
    tmp_path: Path,
    single: bool,
) -> None:
    path = tmp_path / "page.png"
    Image.fromarray(two_lines[0]).save(path)
    whole = path.read_bytes()
    for data, message in (
        (whole[: len(whole) // 2], "cannot decode the image: "),
        (b"no image at all", "not an image (PNG, JPEG, "),
        (b"", "the file is empty"),
    ):
        path.write_bytes(data)
        for source in (data, path):
            reading = reader.read(source, single=single)
            assert reading.status == Status.ERROR
            assert reading.message is not None
            assert reading.message.startswith(message)
            assert reading.digits == ()
            assert reading.text == ""
    missing = reader.read(tmp_path / "none.png", single=single)
    assert missing.message == "cannot read the file: No such file or directory"
    folder = reader.read(tmp_path, single=single)
    assert folder.message == "this is a folder; give the files in it"
    for wrong in (np.zeros((5, 5, 2), np.uint8), "a\0.png", "x" * 300):
        assert reader.read(wrong, single=single).status == Status.ERROR


@pytest.mark.parametrize("side", [14, 16, 20, 40])
def test_small_images_of_one_digit_are_read(
    reader: tenfold.Reader, test_images: LabelledImages, side: int
) -> None:
    small = [enlarge(image_HW, side / 28) for image_HW in test_images.images_NHW[:100]]
    readings = [reader.read(paint(ink_HW), single=True) for ink_HW in small]
    assert share_right(readings, test_images) > 0.93


def test_with_single_one_of_two_digits_is_read(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    for image_HW in test_images.images_NHW[:8]:
        row_HW: Map = lay_out([[enlarge(image_HW, 4)] * 2], gap=40, margin=40)[0]
        assert len(reader.read(paint(row_HW), single=True).digits) == 1
        assert len(reader.read(paint(row_HW), single=False).digits) == 2


def test_the_single_digit_has_the_image_that_the_network_saw(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    decoded = decode_array(test_images.images_NHW[0])
    candidate = reader.find_single_digit(decoded)
    assert candidate is not None
    [digit] = reader.read_decoded(decoded, single=True).digits
    assert (candidate.digit, candidate.glyph.box) == (digit.digit, digit.box)
    np.testing.assert_array_equal(candidate.image, digit.image)
    assert reader.find_single_digit(Decoded(np.full((50, 50, 3), 200, np.uint8))) is None


def test_reading_imports_no_training_library_and_leaves_no_telemetry(
    two_lines: tuple[Pixels, list[object]], tmp_path: Path
) -> None:
    """ONNX Runtime would keep an identifier in the home folder, and send it."""
    path, home = tmp_path / "page.png", tmp_path / "home"
    Image.fromarray(two_lines[0]).save(path)
    home.mkdir()
    names = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    script = (
        "import sys, tenfold\n"
        f"print(tenfold.Reader().read({str(path)!r}).text)\n"
        "print(*sorted({'torch', 'onnx', 'onnxscript', 'scipy', 'matplotlib', 'safetensors',"
        " 'jinja2'} & sys.modules.keys()))\n"
        "print('cv2' in sys.modules, 'onnxruntime' in sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        cwd=home,
        env={**environment, "HOME": str(home), "USERPROFILE": str(home)},
    )
    assert ran.stdout.splitlines() == [*TWO_LINES.splitlines(), "", "True True"]
    assert ran.stderr == ""
    assert list(home.rglob("*")) == []


def test_a_heic_image_without_the_extra_has_status_error(
    reader: tenfold.Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    reading = reader.read(b"\0\0\0\x18ftypheic" + bytes(100))
    assert reading.status == Status.ERROR
