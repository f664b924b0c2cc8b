"""Sheets are read field by field."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np

from tenfold.forms.form import Form
from tenfold.forms.reading import FormReader, count_marks
from tenfold.forms.result import Batch, FormReading
from tenfold.reading.result import Status


def test_the_fields_of_a_photographed_sheet_are_read(
    sheet: FormReading, written: dict[str, str]
) -> None:
    assert list(sheet.values) == list(written)
    wrong = [name for name, value in sheet.values.items() if value != written[name]]
    assert len(wrong) <= 0.1 * len(written), wrong
    marks = [one.name for one in sheet.fields if one.kind != "digits"]
    assert not set(marks) & set(wrong)
    empty = [name for name, value in written.items() if value == ""]
    assert all(sheet.values[name] == "" for name in empty)
    sure = [one.name for one in sheet.fields if one.is_sure]
    assert len(sure) >= 0.85 * len(written)
    assert len(set(sure) & set(wrong)) <= 1


def test_only_doubtful_fields_have_pictures_and_all_have_places(sheet: FormReading) -> None:
    assert all((one.picture is None) == one.is_sure for one in sheet.fields)
    tasks = [one for one in sheet.fields if one.name.startswith("task")]
    centres = {one.name: np.mean(one.corners, axis=0) for one in tasks}
    assert centres["task2_a"][1] > centres["task1_a"][1] + 20
    assert centres["task1_b"][0] > centres["task1_a"][0] + 20


def test_marks_side_by_side_are_counted() -> None:
    is_ink_HW = np.zeros((40, 60), bool)
    assert count_marks(is_ink_HW) == 0
    is_ink_HW[10:30, 30:45] = True
    is_ink_HW[8:11, 40:50] = True  # a stroke above it belongs to it
    assert count_marks(is_ink_HW) == 1
    is_ink_HW[9:29, 15:18] = True
    assert count_marks(is_ink_HW) == 2
    is_ink_HW[25:30, 5:8] = True  # too low for a digit
    assert count_marks(is_ink_HW) == 2


def test_a_reading_survives_json(sheet: FormReading) -> None:
    again = FormReading.from_json(sheet.to_json())
    assert again.values == sheet.values
    assert [one.is_sure for one in again.fields] == [one.is_sure for one in sheet.fields]
    assert again.to_json() == sheet.to_json()


def test_a_sheet_that_does_not_match_has_no_values(form_reader: FormReader) -> None:
    sheet = form_reader.read(np.full((900, 640, 3), 250, np.uint8))
    assert (sheet.status, sheet.fields) == (Status.ERROR, ())
    assert "does not match the form marks" in (sheet.message or "")
    missing = form_reader.read(Path("missing.png"))
    assert missing.status == Status.ERROR


def test_a_batch_is_a_table(form: Form, sheet: FormReading) -> None:
    refused = replace(sheet, status=Status.ERROR, fields=(), message="no such form")
    batch = Batch(form, (("a.png", sheet), ("b.png", refused)))
    first, second = batch.list_rows()
    assert batch.columns[:4] == ("file", "page", "status", "message")
    assert first[4:] == tuple(sheet.values.values())
    assert second == ("b.png", "", "error", "no such form", *[""] * len(form.fields))
    if importlib.util.find_spec("pandas") is not None:
        assert batch.to_dataframe().shape == (2, 4 + len(form.fields))
