"""Forms of digits and of what is none: ink on a sheet, of MNIST, of a pen, of fonts."""

import hashlib
import re
import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

from tenfold.data.mnist import LabelledImages
from tenfold.data.training_data import find_training_data
from tenfold.reading.digit_classifier import load_classifier
from tenfold.reading.digit_image import normalise_digit
from tenfold.synthetic import characters as forms
from tenfold.synthetic.characters import (
    FONTS_SHARE,
    LETTERS,
    MNIST_SHARE,
    NOT_DIGIT,
    SHEET_PX,
    STROKES_SHARE,
    STROKES_SHARES,
    TALL_PX,
    Map,
    draw_form,
    find_box,
)
from tenfold.synthetic.distractors import SCRAWLS
from tenfold.synthetic.strokes import Form, draw_strokes

FONT_FOLDER = find_training_data("fonts")
FONT_FILES = sorted(FONT_FOLDER.glob("*.woff"))
NOTICE = Path(__file__).parents[2] / "training-data" / "NOTICE"
OFL, APACHE = "SIL Open Font License 1.1", "Apache License 2.0"
DRAWS = 700


@pytest.fixture(scope="module")
def drawn(training: LabelledImages) -> list[tuple[Map, int]]:
    random = np.random.default_rng(0)
    return [draw_form(training.images_NHW, training.labels_N, random) for _ in range(DRAWS)]


def check_form(form_HW: Map) -> None:
    """Ink from 0 to 1 on a whole sheet, and some, none of it on the sheet's edge."""
    assert form_HW.dtype == np.float32
    assert form_HW.shape == (SHEET_PX, SHEET_PX)
    assert form_HW.min() >= 0
    assert form_HW.max() <= 1 + 1e-6
    box = find_box(form_HW)
    assert box is not None
    left, top, right, bottom = box
    assert 0 < left < right < SHEET_PX
    assert 0 < top < bottom < SHEET_PX


def read_name_table(path: Path) -> dict[int, str]:
    """What a font says of itself, by the number that the format gives to it."""
    data = path.read_bytes()
    assert data[:4] == b"wOFF"
    [num_tables] = struct.unpack(">H", data[12:14])
    for i in range(num_tables):
        start = 44 + 20 * i
        tag, offset, packed, length, _ = struct.unpack(">4sIIII", data[start : start + 20])
        if tag == b"name":
            break
    table = data[offset : offset + packed]
    table = zlib.decompress(table) if packed < length else table
    _, count, text_start = struct.unpack(">HHH", table[:6])
    names = {}
    for i in range(count):
        platform, _, _, number, size, at = struct.unpack(">6H", table[6 + 12 * i : 18 + 12 * i])
        text = table[text_start + at : text_start + at + size]
        names[number] = text.decode("utf-16-be" if platform in (0, 3) else "latin-1")
    return names


def find_notes() -> dict[str, tuple[str, str, str]]:
    """What NOTICE says of each font: licence, copyright, SHA-256."""
    entries = re.findall(
        r"^  (\S+\.woff)\n    \d+\.\d+\.\d+(?:, (.+?))?; (.+)\n    SHA-256 ([0-9a-f]{64})$",
        NOTICE.read_text(),
        re.MULTILINE,
    )
    return {name: (licence or OFL, owner, sha256) for name, licence, owner, sha256 in entries}


def test_forms_lie_within_their_sheet(drawn: list[tuple[Map, int]]) -> None:
    for form_HW, label in drawn:
        check_form(form_HW)
        assert 0 <= label <= NOT_DIGIT


def test_every_digit_is_drawn_and_what_is_none(drawn: list[tuple[Map, int]]) -> None:
    counts = Counter(label for _, label in drawn)
    assert set(counts) == set(range(NOT_DIGIT + 1))
    assert min(counts.values()) > 0.03 * DRAWS
    expected = 1 - MNIST_SHARE - STROKES_SHARE - FONTS_SHARE
    assert counts[NOT_DIGIT] / DRAWS == pytest.approx(expected, abs=0.06)


def test_the_shares_of_digits_are_shares() -> None:
    assert len(STROKES_SHARES) == 10
    assert sum(STROKES_SHARES) == pytest.approx(1, abs=1e-12)
    assert 0 < MNIST_SHARE + STROKES_SHARE + FONTS_SHARE < 1


@pytest.mark.parametrize("source", ["MNIST_SHARE", "STROKES_SHARE", "FONTS_SHARE", "none"])
def test_the_bundled_reader_sees_what_the_labels_say(
    source: str, training: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MNIST_SHARE", "STROKES_SHARE", "FONTS_SHARE"):
        monkeypatch.setattr(forms, name, float(name == source))
    random = np.random.default_rng(1)
    drawn = [draw_form(training.images_NHW, training.labels_N, random) for _ in range(200)]
    labels_N = np.array([label for _, label in drawn])
    given_N = load_classifier().classify(
        np.stack([normalise_digit(form_HW) for form_HW, _ in drawn])
    )
    assert set(labels_N) == ({NOT_DIGIT} if source == "none" else set(range(10)))
    assert (given_N.argmax(axis=1) == labels_N).mean() > 0.75


def test_the_same_chance_gives_the_same_forms(training: LabelledImages) -> None:
    one, other = (np.random.default_rng(5) for _ in range(2))
    previous = None
    for _ in range(60):
        form_HW, label = draw_form(training.images_NHW, training.labels_N, one)
        again_HW, again = draw_form(training.images_NHW, training.labels_N, other)
        np.testing.assert_array_equal(form_HW, again_HW)
        assert label == again
        assert previous is None or not np.array_equal(form_HW, previous)
        previous = form_HW


def test_drawing_changes_no_image(training: LabelledImages) -> None:
    images_NHW, labels_N = training.images_NHW[:50].copy(), training.labels_N[:50].copy()
    images_NHW.flags.writeable = labels_N.flags.writeable = False
    random = np.random.default_rng(1)
    for _ in range(200):
        form_HW, _ = draw_form(images_NHW, labels_N, random)
        form_HW[:] = 0  # nor what a later form is made of
    check_form(draw_form(images_NHW, labels_N, random)[0])


def test_a_box_is_around_the_ink() -> None:
    form_HW = np.zeros((SHEET_PX, SHEET_PX), np.float32)
    assert find_box(form_HW) is None
    form_HW[20:50, 30:70] = 1
    form_HW[100, 100] = 0.3  # too faint
    assert find_box(form_HW) == (30, 20, 70, 50)
    form_HW[90, 10] = 0.5
    assert find_box(form_HW) == (10, 20, 70, 91)


def test_images_without_ink_do_no_harm() -> None:
    """Somebody's own data may have an empty image; what is drawn of it is empty, and no error."""
    blank_NHW, labels_N = np.zeros((4, 28, 28), np.uint8), np.arange(4, dtype=np.uint8)
    random = np.random.default_rng(0)
    boxes = [find_box(draw_form(blank_NHW, labels_N, random)[0]) for _ in range(200)]
    assert None in boxes
    assert any(boxes)


def test_several_digits_as_one_form_have_ink_and_are_wider_than_one(
    training: LabelledImages,
) -> None:
    random = np.random.default_rng(0)
    shapes = []
    for _ in range(60):
        form_HW = forms._draw_several(training.images_NHW, random)
        check_form(form_HW)
        box = find_box(form_HW)
        assert box is not None
        shapes.append((box[2] - box[0], box[3] - box[1]))
    widths, heights = np.array(shapes).T
    assert np.median(widths / heights) > 1.1
    assert widths.max() <= SHEET_PX - 8


@pytest.mark.parametrize("digit", range(10))
def test_a_pen_draws_a_form_of_one_size(digit: int) -> None:
    random = np.random.default_rng(digit)
    shares = []
    for _ in range(20):
        form_HW = forms._draw_with_pen(draw_strokes(digit, random), random)
        check_form(form_HW)
        left, top, right, bottom = find_box(form_HW) or (0, 0, 0, 0)
        assert TALL_PX - 2 <= max(right - left, bottom - top) <= TALL_PX + 0.16 * TALL_PX + 2
        assert abs(left + right - SHEET_PX) < 4
        assert abs(top + bottom - SHEET_PX) < 4
        shares.append(float(form_HW.mean()))
    assert max(shares) > 2 * min(shares)  # pens are thin and thick


@pytest.mark.parametrize("scrawl", dict.fromkeys(SCRAWLS), ids=lambda form: form.__name__)
def test_a_pen_draws_scrawls(scrawl: Form) -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        check_form(forms._draw_with_pen(scrawl(random), random))


def test_what_is_no_digit_has_ink(training: LabelledImages) -> None:
    random = np.random.default_rng(0)
    for _ in range(150):
        check_form(forms._draw_nondigit(training.images_NHW, training.labels_N, random))


def test_an_enlarged_digit_is_framed_to_what_it_was(training: LabelledImages) -> None:
    """The images of MNIST come back: as they are, but for the width of strokes."""
    random = np.random.default_rng(0)
    likeness = []
    for image_HW, label in zip(training.images_NHW[:100], training.labels_N, strict=False):
        one_NHW, one_N = image_HW[None], np.array([label])
        while True:  # until the form comes from MNIST, which has the only label there is
            form_HW, drawn_label = draw_form(one_NHW, one_N, random)
            if drawn_label == label:
                break
        framed_HW = normalise_digit(form_HW)
        likeness.append(np.corrcoef(framed_HW.ravel(), image_HW.ravel())[0, 1])
    assert np.median(likeness) > 0.75


@pytest.mark.parametrize("path", FONT_FILES, ids=lambda path: path.stem)
def test_a_font_loads_and_draws(path: Path) -> None:
    font = ImageFont.truetype(path, 100)
    assert font.getname()[0]
    characters = [one for one in (*"0123456789", *LETTERS) if path in forms._list_fonts(one)]
    assert characters, "a font that is never used"
    for character in characters[:25]:
        sheet_HW = forms._render(path, character)
        assert sheet_HW.dtype == np.uint8
        check_form(sheet_HW * np.float32(1 / 255))


@pytest.mark.parametrize("character", [*"0123456789", *LETTERS])
def test_every_character_is_in_a_font(character: str) -> None:
    fonts = forms._list_fonts(character)
    assert len(fonts) >= (20 if character.isdigit() else 1)
    random = np.random.default_rng(0)
    for _ in range(3):
        check_form(forms.typeset(character, random))


@pytest.mark.parametrize("character", ["0", "*", "~"])
def test_a_typeset_character_fills_the_middle_of_its_sheet(character: str) -> None:
    for path in forms._list_fonts(character):
        sheet_HW = forms._render(path, character) * np.float32(1 / 255)
        left, top, right, bottom = find_box(sheet_HW) or (0, 0, 0, 0)
        assert abs(max(right - left, bottom - top) - TALL_PX) <= 4
        assert abs(left + right - SHEET_PX) <= 6
        assert abs(top + bottom - SHEET_PX) <= 6


def test_letters_that_are_digits_are_left_out() -> None:
    assert len(set(LETTERS)) == len(LETTERS)
    assert set(LETTERS).isdisjoint("0123456789oOlIiI|sSzZqgb")


def test_a_character_that_no_font_has_is_in_none() -> None:
    assert forms._list_fonts("\u4e00") == ()


def test_notice_lists_every_font_and_no_other() -> None:
    assert len(FONT_FILES) > 30
    assert set(find_notes()) == {path.name for path in FONT_FILES}


@pytest.mark.parametrize("path", FONT_FILES, ids=lambda path: path.stem)
def test_notice_says_of_a_font_what_it_says_of_itself(path: Path) -> None:
    licence, owner, sha256 = find_notes()[path.name]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    assert licence in (OFL, APACHE)
    names = read_name_table(path)
    assert " ".join(names[0].split()).startswith(owner.split(" All rights")[0].rstrip("."))
    url = names.get(14, "").lower()
    assert not url or ("apache.org/licenses/license-2.0" in url) == (licence == APACHE)
    assert not url or ("ofl" in url or "openfontlicense" in url) == (licence == OFL)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("OFL.txt", "SIL OPEN FONT LICENSE Version 1.1"),
        ("APACHE-2.0.txt", "Apache License Version 2.0, January 2004"),
    ],
)
def test_the_licences_lie_beside_the_fonts(name: str, words: str) -> None:
    assert words in " ".join((FONT_FOLDER / name).read_text().split())
    assert name in NOTICE.read_text()


def test_nothing_else_lies_beside_the_fonts() -> None:
    others = {path.name for path in FONT_FOLDER.iterdir()} - {path.name for path in FONT_FILES}
    assert others == {"OFL.txt", "APACHE-2.0.txt"}
