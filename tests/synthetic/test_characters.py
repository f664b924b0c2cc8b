"""Characters on a canvas: digits from MNIST, pen strokes and fonts, and distractors."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from PIL import ImageFont

from tenfold.data.mnist import LabelledImages
from tenfold.data.training_data import find_training_data
from tenfold.reading.digit_classifier import load_classifier
from tenfold.reading.digit_image import normalise_digit
from tenfold.synthetic import characters
from tenfold.synthetic.allographs import draw_strokes
from tenfold.synthetic.canvas import InkMap, find_box
from tenfold.synthetic.characters import (
    CANVAS_PX,
    CHARACTER_PX,
    FONTS_SHARE,
    LETTERS,
    MNIST_SHARE,
    NOT_DIGIT,
    STROKES_SHARE,
    draw_character,
)
from tenfold.synthetic.distractors import DISTRACTORS
from tenfold.synthetic.strokes import StrokeFunction

FONT_FOLDER = find_training_data("fonts")
FONT_FILES = sorted(FONT_FOLDER.glob("*.woff"))
NOTICE = Path(__file__).parents[2] / "training-data" / "NOTICE"
OFL, APACHE = "SIL Open Font License 1.1", "Apache License 2.0"
NUM_DRAWN = 700


@pytest.fixture(scope="module")
def drawn(training: LabelledImages) -> list[tuple[InkMap, int]]:
    rng = np.random.default_rng(0)
    return [draw_character(training.images_NHW, training.labels_N, rng) for _ in range(NUM_DRAWN)]


def check_character(character_HW: InkMap) -> tuple[int, int, int, int]:
    """Check that there is ink from 0 to 1, none at the edge of the canvas; return its box."""
    assert character_HW.dtype == np.float32
    assert character_HW.shape == (CANVAS_PX, CANVAS_PX)
    assert character_HW.min() >= 0
    assert character_HW.max() <= 1 + 1e-6
    box = find_box(character_HW)
    assert box is not None
    left, top, right, bottom = box
    assert 0 < left < right < CANVAS_PX
    assert 0 < top < bottom < CANVAS_PX
    return box


def parse_notice() -> dict[str, tuple[str, str, str]]:
    """Licence, copyright and SHA-256 of each font in NOTICE."""
    entries = re.findall(
        r"^  (\S+\.woff)\n    \d+\.\d+\.\d+(?:, (.+?))?; (.+)\n    SHA-256 ([0-9a-f]{64})$",
        NOTICE.read_text(),
        re.MULTILINE,
    )
    return {name: (licence or OFL, owner, sha256) for name, licence, owner, sha256 in entries}


def test_every_label_is_drawn_in_its_share(drawn: list[tuple[InkMap, int]]) -> None:
    for character_HW, _ in drawn:
        check_character(character_HW)
    counts = Counter(label for _, label in drawn)
    assert set(counts) == set(range(NOT_DIGIT + 1))
    assert min(counts.values()) > 0.03 * NUM_DRAWN
    expected = 1 - MNIST_SHARE - STROKES_SHARE - FONTS_SHARE
    assert counts[NOT_DIGIT] / NUM_DRAWN == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("source", ["MNIST_SHARE", "STROKES_SHARE", "FONTS_SHARE", "distractors"])
def test_the_bundled_classifier_agrees_with_the_labels(
    source: str, training: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MNIST_SHARE", "STROKES_SHARE", "FONTS_SHARE"):
        monkeypatch.setattr(characters, name, float(name == source))
    rng = np.random.default_rng(1)
    drawn = [draw_character(training.images_NHW, training.labels_N, rng) for _ in range(200)]
    labels_N = np.array([label for _, label in drawn])
    images_NHW = np.stack([normalise_digit(ink_HW) for ink_HW, _ in drawn])
    given_N = load_classifier().classify(images_NHW)
    assert set(labels_N) == ({NOT_DIGIT} if source == "distractors" else set(range(10)))
    assert (given_N.argmax(axis=1) == labels_N).mean() > 0.75


def test_a_generator_with_the_same_seed_draws_the_same_characters(
    training: LabelledImages,
) -> None:
    source = training.images_NHW, training.labels_N
    rngs = (np.random.default_rng(5) for _ in range(2))
    first, again = ([draw_character(*source, rng) for _ in range(60)] for rng in rngs)
    bytes_of = [character_HW.tobytes() for character_HW, _ in first]
    assert bytes_of == [character_HW.tobytes() for character_HW, _ in again]
    assert [label for _, label in first] == [label for _, label in again]
    assert len(set(bytes_of)) == 60


def test_drawing_does_not_change_its_sources(training: LabelledImages) -> None:
    images_NHW, labels_N = training.images_NHW[:50].copy(), training.labels_N[:50].copy()
    images_NHW.flags.writeable = labels_N.flags.writeable = False
    rng = np.random.default_rng(1)
    for _ in range(200):
        character_HW, _ = draw_character(images_NHW, labels_N, rng)
        character_HW[:] = 0  # cached font characters must not be views of it
    check_character(draw_character(images_NHW, labels_N, rng)[0])


def test_a_box_bounds_the_ink() -> None:
    ink_HW = np.zeros((CANVAS_PX, CANVAS_PX), np.float32)
    assert find_box(ink_HW) is None
    ink_HW[20:50, 30:70] = 1
    ink_HW[100, 100] = 0.3  # too faint
    assert find_box(ink_HW) == (30, 20, 70, 50)
    ink_HW[90, 10] = 0.5
    assert find_box(ink_HW) == (10, 20, 70, 91)


def test_blank_images_are_allowed() -> None:
    blank_NHW, labels_N = np.zeros((4, 28, 28), np.uint8), np.arange(4, dtype=np.uint8)
    rng = np.random.default_rng(0)
    boxes = [find_box(draw_character(blank_NHW, labels_N, rng)[0]) for _ in range(200)]
    assert None in boxes
    assert any(boxes)


def test_joined_digits_are_wider_than_one(training: LabelledImages) -> None:
    rng = np.random.default_rng(0)
    drawn = [characters._draw_joined_digits(training.images_NHW, rng) for _ in range(60)]
    boxes_N4 = np.array([check_character(character_HW) for character_HW in drawn])
    widths, heights = (boxes_N4[:, 2:] - boxes_N4[:, :2]).T
    assert np.median(widths / heights) > 1.1
    assert widths.max() <= CANVAS_PX - 8


@pytest.mark.parametrize("digit", range(10))
def test_rendered_strokes_are_centred_and_of_one_size(digit: int) -> None:
    rng = np.random.default_rng(digit)
    shares = []
    for _ in range(20):
        character_HW = characters._render_strokes(draw_strokes(digit, rng), rng)
        left, top, right, bottom = check_character(character_HW)
        size = max(right - left, bottom - top)
        assert CHARACTER_PX - 2 <= size <= CHARACTER_PX + 0.16 * CHARACTER_PX + 2
        assert abs(left + right - CANVAS_PX) < 4
        assert abs(top + bottom - CANVAS_PX) < 4
        shares.append(float(character_HW.mean()))
    assert max(shares) > 2 * min(shares)  # thin and thick pens


@pytest.mark.parametrize("draw", dict.fromkeys(DISTRACTORS), ids=lambda draw: draw.__name__)
def test_distractor_strokes_fit_on_the_canvas(draw: StrokeFunction) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        check_character(characters._render_strokes(draw(rng), rng))


def test_distractors_have_ink(training: LabelledImages) -> None:
    rng = np.random.default_rng(0)
    for _ in range(150):
        check_character(characters._draw_distractor(training.images_NHW, training.labels_N, rng))


def test_an_enlarged_digit_normalises_to_the_original(training: LabelledImages) -> None:
    rng = np.random.default_rng(0)
    correlations = []
    for image_HW in training.images_NHW[:100]:
        again_HW = normalise_digit(characters.enlarge(image_HW, rng))
        correlations.append(np.corrcoef(again_HW.ravel(), image_HW.ravel())[0, 1])
    assert np.median(correlations) > 0.75  # stroke widths differ


@pytest.mark.parametrize("path", FONT_FILES, ids=lambda path: path.stem)
def test_a_font_loads_and_is_used(path: Path) -> None:
    assert ImageFont.truetype(path, 100).getname()[0]
    texts = [text for text in "0123456789" + LETTERS if path in characters._list_fonts(text)]
    assert texts, "a font that is never used"
    for text in texts[:25]:
        canvas_HW = characters._rasterise(path, text)
        assert canvas_HW.dtype == np.uint8
        check_character(canvas_HW * np.float32(1 / 255))


@pytest.mark.parametrize("text", [*"0123456789", *LETTERS])
def test_every_character_is_in_a_font(text: str) -> None:
    assert len(characters._list_fonts(text)) >= (20 if text.isdigit() else 1)
    rng = np.random.default_rng(0)
    for _ in range(3):
        check_character(characters.draw_font_character(text, rng))


def test_a_character_missing_from_all_fonts_has_no_font() -> None:
    assert characters._list_fonts("\u4e00") == ()


@pytest.mark.parametrize("text", ["0", "*", "~"])
def test_a_font_character_is_centred_and_of_one_size(text: str) -> None:
    for path in characters._list_fonts(text):
        canvas_HW = characters._rasterise(path, text) * np.float32(1 / 255)
        left, top, right, bottom = find_box(canvas_HW) or (0, 0, 0, 0)
        assert abs(max(right - left, bottom - top) - CHARACTER_PX) <= 4
        assert abs(left + right - CANVAS_PX) <= 6
        assert abs(top + bottom - CANVAS_PX) <= 6


def test_letters_do_not_include_lookalikes_of_digits() -> None:
    assert len(set(LETTERS)) == len(LETTERS)
    assert set(LETTERS).isdisjoint("0123456789oOlIiI|sSzZqgb")


def test_notice_lists_exactly_the_fonts() -> None:
    assert len(FONT_FILES) > 30
    assert set(parse_notice()) == {path.name for path in FONT_FILES}


@pytest.mark.parametrize("path", FONT_FILES, ids=lambda path: path.stem)
def test_notice_agrees_with_the_metadata_of_a_font(path: Path) -> None:
    licence, owner, sha256 = parse_notice()[path.name]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    assert licence in (OFL, APACHE)
    names = {record.nameID: record.toUnicode() for record in TTFont(path)["name"].names}
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
def test_the_licences_are_beside_the_fonts(name: str, words: str) -> None:
    assert words in " ".join((FONT_FOLDER / name).read_text().split())
    assert name in NOTICE.read_text()
    others = {path.name for path in FONT_FOLDER.iterdir()} - {path.name for path in FONT_FILES}
    assert others == {"OFL.txt", "APACHE-2.0.txt"}
