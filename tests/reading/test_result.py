"""Readings as text and as JSON."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tenfold.reading.result import ReadDigit, Reading, Status


def build_digit(digit: int, confidence: float = 0.99, line: int = 0, left: int = 0) -> ReadDigit:
    probabilities = [0.0] * 10
    probabilities[digit] = confidence
    image = np.zeros((28, 28), np.uint8)
    box = (left, 10, left + 20, 40)
    return ReadDigit(digit, confidence, box, tuple(probabilities), image, line)


def test_the_text_has_a_line_for_each_line_of_digits() -> None:
    digits = (build_digit(7), build_digit(0), build_digit(2, line=1), build_digit(9, line=3))
    assert Reading(Status.READ, digits).text == "70\n2\n9"
    assert Reading(Status.UNCERTAIN, digits, "the 7 might be a 1").text == "70\n2\n9"
    assert Reading(Status.READ, digits[:2]).text == "70"


@pytest.mark.parametrize("status", [Status.BLANK, Status.NOT_DIGITS, Status.ERROR])
def test_other_statuses_have_no_text(status: Status) -> None:
    assert Reading(status, (build_digit(7),), "why").text == ""
    assert Reading(status, message="why").text == ""


def test_a_wide_gap_is_a_space() -> None:
    digits = (build_digit(1), build_digit(2), replace(build_digit(3), starts_number=True))
    assert Reading(Status.READ, digits).text == "12 3"


def test_json_has_status_text_digits_and_message() -> None:
    sure = replace(build_digit(2, 0.5, line=1, left=30), is_sure=True)
    digits = (build_digit(7, 0.98765432), sure)
    values = Reading(Status.UNCERTAIN, digits, "the 2 (digit 2) might be a 7").to_json()
    first = {"is_sure": False, "starts_number": False}
    second = {"is_sure": True, "starts_number": False}
    assert json.loads(json.dumps(values)) == {
        "status": "uncertain",
        "text": "7\n2",
        "value": None,
        "digits": [
            {**first, "digit": 7, "confidence": 0.9877, "box": [0, 10, 20, 40], "line": 0},
            {**second, "digit": 2, "confidence": 0.5, "box": [30, 10, 50, 40], "line": 1},
        ],
        "signs": [],
        "message": "the 2 (digit 2) might be a 7",
    }
    assert list(values) == ["status", "text", "value", "digits", "signs", "message"]


def test_json_of_a_reading_without_digits() -> None:
    values: dict[str, Any] = {"status": "error", "text": "", "value": None, "digits": []}
    assert Reading(Status.ERROR, message="no image").to_json() == {
        **values,
        "signs": [],
        "message": "no image",
    }


def test_statuses_are_strings() -> None:
    assert [*Status] == ["read", "uncertain", "blank", "not_digits", "error"]
    assert f"{Status.READ}" == "read"


def test_readings_are_compared_without_images() -> None:
    one, other = build_digit(7), build_digit(7)
    other.image[:] = 255
    assert Reading(Status.READ, (one,)) == Reading(Status.READ, (other,))
    assert Reading(Status.READ, (one,)) != Reading(Status.READ, (build_digit(7, 0.98),))
    assert "image" not in repr(one)
