"""The example's form and sheets, read once."""

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tenfold.forms.form import Form, load_form
from tenfold.forms.reading import FormReader
from tenfold.forms.reference import Reference, load_reference
from tenfold.forms.result import FormReading
from tenfold.reading.reader import Reader
from tenfold.reading.sources import decode_source

EXAMPLE = Path(__file__).parents[2] / "examples" / "exam-marks"


@pytest.fixture(scope="session")
def form() -> Form:
    """The form without the lower rows of its table, which take time."""
    form = load_form(EXAMPLE / "marks.toml")
    left_out = tuple(f"task{row}_" for row in range(5, 13))
    fields = tuple(one for one in form.fields if not one.name.startswith(left_out))
    return replace(form, fields=fields)


@pytest.fixture(scope="session")
def form_reader(form: Form) -> FormReader:
    return FormReader(Reader(), form)


@pytest.fixture(scope="session")
def reference() -> Reference:
    """That of all fields."""
    return load_reference(load_form(EXAMPLE / "marks.toml"))


@pytest.fixture(scope="session")
def scan() -> npt.NDArray[np.uint8]:
    """A filled sheet, scanned, at half its size."""
    pixels_HWC = decode_source(EXAMPLE / "sheets" / "scan-1.jpg").pixels_HWC
    return np.asarray(cv2.resize(pixels_HWC, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


@pytest.fixture(scope="session")
def sheet(form_reader: FormReader) -> FormReading:
    """The reading of a filled sheet, photographed."""
    return form_reader.read(EXAMPLE / "sheets" / "photo-3.jpg")


@pytest.fixture(scope="session")
def written(form: Form) -> dict[str, str]:
    """What was written on that sheet, in the form's fields."""
    with (EXAMPLE / "written.csv").open(newline="") as file:
        [row] = [row for row in csv.DictReader(file) if row.pop("file") == "photo-3.jpg"]
    return {one.name: row[one.name] for one in form.fields}
