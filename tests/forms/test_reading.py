"""Sheets are read field by field."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tenfold.forms.form import Field, Form
from tenfold.forms.reading import BESIDE, NO_PRINT, OTHER_PRINT, FormReader, count_marks
from tenfold.forms.result import Batch, FormReading
from tenfold.forms.values import join_comb, to_field
from tenfold.reading.reader import Reader
from tenfold.reading.result import ReadDigit, Reading, Status


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
    leaning_HW = np.zeros((40, 60), bool)
    leaning_HW[10:30, 20:22] = leaning_HW[10:12, 20:34] = True
    leaning_HW[14:34, 32:44] = True  # begins below the end of the stroke before it
    assert count_marks(leaning_HW) == 2


def test_a_doubt_is_said_once_for_all_boxes_of_a_comb() -> None:
    texts = "the 3 might not be a digit", None, "the 7 might not be a digit"
    status = [Status.READ if text is None else Status.UNCERTAIN for text in texts]
    readings = [Reading(*each) for each in zip(status, ((),) * 3, texts, strict=True)]
    found = join_comb(Field("id", (0, 0, 1, 1), digits=3), readings)
    assert found.message == "boxes 1, 3: might not be a digit"


@pytest.mark.parametrize(
    ("expect", "text", "is_sure"),
    [("amount", "184 38", False), ("amount", "18438", True), ("## ##", "12 34", True)],
)
def test_a_gap_is_not_of_a_format_without_one(expect: str, text: str, is_sure: bool) -> None:
    field = Field("total", (0, 0, 1, 1), expect=expect)
    image = np.zeros((28, 28), np.uint8)
    digits = tuple(
        ReadDigit(int(each), 0.99, (0, 0, 9, 9), (), image, 0, True, i > 0 and k == 0)
        for i, word in enumerate(text.split())
        for k, each in enumerate(word)
    )
    found = to_field(field, Reading(Status.READ, digits, None), is_filled_form=False)
    assert (found.value, found.is_sure) == (text, is_sure)


def test_writing_beside_a_box_makes_its_field_doubtful(
    form: Form, scan: npt.NDArray[np.uint8], form_reader: FormReader
) -> None:
    """A tick beside a box, a digit beside a comb, and a speck, which is nothing."""
    sheet_HWC = scan.copy()
    scale = scan.shape[1] / 210

    def draw(*points_mm: tuple[float, float]) -> None:
        points = np.array(points_mm) * scale
        cv2.polylines(sheet_HWC, [points.astype(np.int32)], False, (60, 40, 30), 5, cv2.LINE_AA)

    fields = {one.name: one for one in form.fields}
    _, top, right, bottom = fields["absent"].box
    draw((right + 1.4, top + 2), (right + 2.4, bottom - 0.5), (right + 4.5, top))
    _, top, right, bottom = fields["student_id"].box
    draw((right + 2, top + 2), (right + 5, top + 2), (right + 3, bottom - 1.5))
    _, top, right, bottom = fields["late"].box
    draw((right + 1.4, top + 2), (right + 1.8, top + 2.3))
    few = replace(form, fields=tuple(map(fields.__getitem__, ("absent", "late", "student_id"))))
    sheet = FormReader(form_reader.reader, few).read(sheet_HWC)
    assert [one.message == BESIDE for one in sheet.fields] == [True, False, True]


def test_print_that_is_missing_makes_a_field_doubtful_and_deleted_fields_none(
    form: Form, scan: npt.NDArray[np.uint8]
) -> None:
    """Most fields are deleted, the bubbles are erased on the sheet, and a box is beside all."""
    [grade] = [one for one in form.fields if one.name == "grade"]
    beside = Field("beside", (150, 220, 160, 225), "tick")
    sheet_HWC = scan.copy()
    height, width = scan.shape[:2]
    left, top, right, bottom = form.get_shares(grade.box)
    rows = slice(round(top * height), round(bottom * height))
    sheet_HWC[rows, round(left * width) : round(right * width)] = 250
    few = replace(form, fields=(form.fields[0], grade, beside))
    sheet = FormReader(Reader(), few).read(sheet_HWC)
    assert sheet.message is None
    assert [one.message for one in sheet.fields] == [None, OTHER_PRINT, NO_PRINT]


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
