"""Lines of digits and signs as the reader reads them, and patterns of what is expected there."""

from decimal import Decimal

import pytest

import tenfold
from reading.pages import is_near
from reading.signed_lines import write_signed
from tenfold.data.mnist import LabelledImages
from tenfold.errors import ReadingError
from tenfold.reading.pattern import PatternError, parse_pattern
from tenfold.reading.result import ReadDigit, Status

IGNORED = "marks that are not digits were ignored"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12.50", Decimal("12.50")),
        ("12,50", Decimal("12.50")),
        ("-5", Decimal(-5)),
        ("12:30", None),
        ("03/07/2026", None),
    ],
)
def test_signs_are_read_with_their_places(
    reader: tenfold.Reader, test_images: LabelledImages, text: str, value: Decimal | None
) -> None:
    pixels_HWC, ends = write_signed(test_images, text)
    reading = reader.read(pixels_HWC)
    assert (reading.status, reading.text, reading.value) == (Status.READ, text, value)
    assert reading.message is None
    assert "".join(sign.sign for sign in reading.signs) == "".join(
        character for character in text if not character.isdigit()
    )
    for sign, (left, right) in zip(reading.signs, ends, strict=True):
        assert is_near((sign.box[0], 0, sign.box[2], 0), (left, 0, right, 0))
    digits = "".join(character for character in text if character.isdigit())
    without = reader.read(pixels_HWC, signs=False)
    assert (without.text.replace(" ", ""), without.signs) == (digits, ())
    assert (without.status, without.message) == (Status.READ, IGNORED)


def test_the_decimal_sign_decides_what_a_comma_means(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    pixels_HWC, _ = write_signed(test_images, "1,234")
    assert reader.read(pixels_HWC).value == 1234
    assert reader.read(pixels_HWC, decimal=",").value == Decimal("1.234")
    with pytest.raises(ReadingError, match="decimal sign must be"):
        reader.read(pixels_HWC, decimal=";")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expect", "fits"),
    [
        ("12.50", "##.##", True),
        ("12.50", "amount", True),
        ("12.50", "####", False),
        ("12.50", "##,##", False),
        ("1749", "year", True),
        ("1749", "#{3}", False),
        ("4", "[49]", True),
        ("4", "[58]", False),
        ("4", "-#", False),  # there is no dash
    ],
)
def test_what_fits_is_read_and_what_does_not_is_uncertain(
    reader: tenfold.Reader, test_images: LabelledImages, text: str, expect: str, fits: bool
) -> None:
    reading = reader.read(write_signed(test_images, text)[0], expect=expect)
    assert reading.text == text
    assert reading.status == (Status.READ if fits else Status.UNCERTAIN)
    assert reading.message == (None if fits else f"{text} does not fit the pattern {expect}")


def test_a_pattern_may_change_a_doubtful_digit_and_says_so(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    def list_likely(digit: ReadDigit) -> list[int]:
        return sorted(range(10), key=lambda each: -digit.probabilities[each])

    image_HW, digit = next(
        (image_HW, digit)
        for image_HW in test_images.images_NHW
        for digit in reader.read(image_HW).digits
        if digit.probabilities[list_likely(digit)[1]] > 0.2
    )
    other = list_likely(digit)[1]
    reading = reader.read(image_HW, expect=f"{other}|{other}#")
    assert reading.text == str(other)
    note = f"without the pattern {other}|{other}# it was read as {digit.digit}"
    assert reading.message is not None
    assert note in reading.message
    assert reading.digits[0].confidence > digit.probabilities[other]  # given that it fits


def test_alternatives_fit_the_pattern_and_are_those_given_that_it_fits(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    pixels_HWC, _ = write_signed(test_images, "12.50")
    [(_, free), *_] = reader.read(pixels_HWC).line_alternatives[0]
    [line] = reader.read(pixels_HWC, expect="##[.,]##|#{5}").lines
    assert line.alternatives[0][0] == line.text == "12.50"
    assert line.alternatives[0][1] >= free
    assert all(parse_pattern("##[.,]##|#{5}").fits(text) for text, _ in line.alternatives)


@pytest.mark.parametrize("single", [True, False])
def test_a_pattern_also_holds_for_single_digits_and_for_many_files(
    reader: tenfold.Reader, test_images: LabelledImages, single: bool
) -> None:
    images = [255 - image_HW for image_HW in test_images.images_NHW[:3]]  # 7, 2 and 1
    readings = list(reader.read_many(images, single=single, expect="[17]"))
    assert [reading.text for reading in readings] == ["7", "2", "1"]
    assert [reading.status for reading in readings] == ["read", "uncertain", "read"]
    assert readings == [reader.read(image_HW, single=single, expect="[17]") for image_HW in images]


def test_a_wrong_pattern_is_refused_before_anything_is_decoded(reader: tenfold.Reader) -> None:
    with pytest.raises(PatternError, match="character 1: no pattern is named 'dates'"):
        reader.read("none.png", expect="dates")
    with pytest.raises(PatternError):
        next(reader.read_many(["none.png"], expect="(#"))


def test_alternatives_are_the_likeliest_labels_and_texts(
    reader: tenfold.Reader, test_images: LabelledImages
) -> None:
    reading = reader.read(write_signed(test_images, "12.50")[0])
    assert "lines" not in reading.to_json()
    values = reading.to_json(top=3)
    [line] = values["lines"]
    assert line["text"] == line["alternatives"][0]["text"] == "12.50"
    assert len(line["alternatives"]) == 3
    for digit in values["digits"]:
        first, second, third = (each["probability"] for each in digit["alternatives"])
        assert first >= second >= third
        assert digit["alternatives"][0]["digit"] == digit["digit"]
