"""Drawn cases of what once was read wrong: cells, tight crops, circles, uneven light."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

import tenfold
from tenfold.reading.result import Status

CASES = Path(__file__).parent / "cases"
with (CASES / "labels.csv").open() as stream:
    LABELS = {row["file"]: row["label"].replace("|", "\n") for row in csv.DictReader(stream)}


@pytest.fixture(scope="module")
def reader() -> tenfold.Reader:
    return tenfold.Reader()


@pytest.mark.parametrize("name", sorted(LABELS))
def test_a_case_is_read_right(name: str, reader: tenfold.Reader) -> None:
    assert reader.read(CASES / name).text.replace(" ", "") == LABELS[name]


@pytest.mark.parametrize("name", sorted(LABELS))
@pytest.mark.parametrize(("scale", "is_dark"), [(0.7, True), (1.0, False), (1.6, True)])
def test_a_case_of_another_size_or_polarity_is_not_read_wrong(
    name: str, scale: float, is_dark: bool, reader: tenfold.Reader
) -> None:
    pixels_HWC = cv2.imread(str(CASES / name))
    assert pixels_HWC is not None
    scaled = cv2.resize(pixels_HWC, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    reading = reader.read(np.asarray(scaled if is_dark else 255 - scaled))
    if reading.status == Status.READ:
        assert reading.text.replace(" ", "") == LABELS[name]
