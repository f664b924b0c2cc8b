"""Corrections of the review list, merged into the table."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from tenfold.errors import FormError, ReadingError
from tenfold.forms.form import Field, Form, Kind
from tenfold.forms.merge import load_review, merge
from tenfold.forms.reading import encode
from tenfold.forms.result import Batch, FieldReading, FormReading
from tenfold.forms.review import CORRECT, write_review
from tenfold.forms.workbook import Entry, Sheet, write_workbook
from tenfold.reading.result import Status

PICTURE = encode(np.full((20, 60, 3), 200, np.uint8))
FORM = Form(
    "marks",
    Path("marks.png"),
    (
        Field("id", (0, 0, 0.3, 0.1), expect="####", digits=4),
        Field("mark", (0, 0.2, 0.3, 0.3), expect="#{1,2}"),
        Field("late", (0, 0.4, 0.1, 0.5), "tick"),
    ),
)


def read(name: str, value: str, message: str | None = None) -> FieldReading:
    kind: Kind = "tick" if name == "late" else "digits"
    status = Status.READ if message is None else Status.UNCERTAIN
    return FieldReading(name, kind, value, status, message, 0.9, (), PICTURE if message else None)


@pytest.fixture
def workbook(tmp_path: Path) -> Path:
    """A sheet that is sure, one with three doubts, and one that was refused."""
    sure = read("id", "0012"), read("mark", "7"), read("late", "no")
    doubts = read("id", "0O13", "?"), read("mark", "1", "a 7?"), read("late", "no", "a speck")
    sheets = (
        ("a.png", FormReading("marks", Status.READ, sure)),
        ("b.tif", FormReading("marks", Status.UNCERTAIN, doubts, None, 2, 3)),
        ("c.png", FormReading("marks", Status.ERROR, (), "does not match")),
    )
    write_review(tmp_path / "marks.xlsx", Batch(FORM, sheets))
    return tmp_path / "marks.xlsx"


def correct(path: Path, values: dict[str, Any]) -> Path:
    """A copy with correct values entered as a person would."""
    book: Any = openpyxl.load_workbook(path)
    review = book["review"]
    header = [cell.value for cell in review[1]]
    for row in review.iter_rows(min_row=2):
        field = row[header.index("field")].value
        if field in values:
            row[header.index(CORRECT)].value = values[field]
    book.save(path.with_name("corrected.xlsx"))
    return path.with_name("corrected.xlsx")


def test_the_review_list_shows_what_is_doubtful_with_its_picture(workbook: Path) -> None:
    book: Any = openpyxl.load_workbook(workbook)
    rows = [[cell.value for cell in row] for row in book["review"].iter_rows(min_row=2)]
    assert [row[2] for row in rows] == ["id", "mark", "late", "(the whole sheet)"]
    assert len(book["review"]._images) == 3
    table = book["table"]
    assert [cell.value for cell in table[2]] == ["a.png", None, "read", None, "0012", 7, "no"]
    fills = [cell.fill.fgColor.rgb for cell in table[3]]
    assert len(set(fills[4:])) == 1
    assert fills[4] != fills[0]


def test_correct_values_replace_what_was_read(workbook: Path) -> None:
    before = workbook.read_bytes()
    review = load_review(correct(workbook, {"id": "0013", "mark": 17}))
    merged = merge(review)
    assert merged.num_corrected == 2
    assert merged.doubtful == (("b.tif", "2", "late"),)
    assert merged.refused == ("c.png",)
    assert merged.rows == (
        ("a.png", "", "read", "", "0012", "7", "no"),
        ("b.tif", "2", "uncertain", "doubtful: late", "0013", "17", "no"),
        ("c.png", "", "error", "does not match", "", "", ""),
    )
    assert workbook.read_bytes() == before


def test_a_dash_means_empty(workbook: Path) -> None:
    merged = merge(load_review(correct(workbook, {"id": "-", "mark": "-", "late": "yes"})))
    assert merged.rows[1][2:] == ("read", "", "", "", "yes")


@pytest.mark.parametrize(
    ("word", "value"), [("Yes", "yes"), ("X", "yes"), (True, "yes"), (0, "no"), ("\u2013", "no")]
)
def test_the_usual_words_are_taken_for_a_tick(workbook: Path, word: object, value: str) -> None:
    merged = merge(load_review(correct(workbook, {"late": word, "mark": "\u2014"})))
    assert merged.rows[1][5:] == ("", value)


def test_a_correct_value_in_another_column_gets_a_hint(workbook: Path) -> None:
    book: Any = openpyxl.load_workbook(workbook)
    review = book["review"]
    header = [cell.value for cell in review[1]]
    assert review.cell(2, header.index(CORRECT) + 1).number_format == "@"
    review.cell(2, header.index("read") + 1).value = "0013"
    review.cell(3, len(header) + 1).value = 17
    book.save(workbook)
    hints = merge(load_review(workbook)).hints
    assert [hint.split(":")[0] for hint in hints] == ["row 2, id", "row 3, mark"]
    assert CORRECT in hints[0]


@pytest.mark.parametrize(("column", "fact"), [(1, "late"), (3, "no field 'nope'")])
def test_no_doubt_is_lost_with_a_row_of_the_list(workbook: Path, column: int, fact: str) -> None:
    """Its row is deleted, or names another field."""
    book: Any = openpyxl.load_workbook(workbook)
    if column == 1:
        book["review"].delete_rows(4)
    else:
        book["review"].cell(4, column).value = "nope"
    book.save(workbook)
    with pytest.raises(FormError, match=fact):
        merge(load_review(workbook))


@pytest.mark.parametrize(
    ("field", "value", "facts"),
    [
        ("id", 13, ["row 2", "id", "'13'", "####"]),
        ("mark", "many", ["row 3", "mark", "'many'", "#{1,2}"]),
        ("mark", "\u20ac 17", ["row 3", "mark", "has \u20ac", "digits and the signs"]),
        ("late", "perhaps", ["row 4", "late", "yes or no"]),
        ("(the whole sheet)", "7", ["row 5", "whole sheet"]),
        ("mark", "=6+1", ["row 3", "formula"]),
    ],
)
def test_a_wrong_value_is_named(
    workbook: Path, field: str, value: object, facts: list[str]
) -> None:
    review = load_review(correct(workbook, {field: value}))
    with pytest.raises(FormError) as caught:
        merge(review)
    assert all(fact in str(caught.value) for fact in facts)


def test_two_correct_values_of_a_field_are_named(workbook: Path) -> None:
    path = correct(workbook, {"mark": "7"})
    book: Any = openpyxl.load_workbook(path)
    review = book["review"]
    review.append([cell.value for cell in review[3]])
    book.save(path)
    assert merge(load_review(path)).num_corrected == 1
    book = openpyxl.load_workbook(path)
    next(cell for cell in book["review"][6] if cell.value == "7").value = "17"
    book.save(path)
    with pytest.raises(FormError, match=r"rows 3 and 6.*'7' and '17'"):
        merge(load_review(path))


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.xlsx"
    write_workbook(path, [Sheet("table", ["a"], [[Entry("1")]])])
    with pytest.raises(FormError, match="not written by"):
        load_review(path)
    path.write_bytes(b"PK not a zip")
    with pytest.raises(FormError, match="damaged"):
        load_review(path)
    with pytest.raises(FormError, match="no such file"):
        load_review(tmp_path / "missing.xlsx")
    with pytest.raises(ReadingError, match=r"\.xlsx"):
        load_review(tmp_path / "table.csv")


def repack(path: Path, name: str, content: bytes) -> Path:
    """A copy of a workbook in which one part is other."""
    with zipfile.ZipFile(path) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    parts[name] = content
    target = path.with_name("repacked.xlsx")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, data in parts.items():
            archive.writestr(each, data)
    return target


def test_bombs_are_refused_before_they_are_unpacked(workbook: Path) -> None:
    with pytest.raises(FormError, match="unpacks"):
        load_review(repack(workbook, "xl/worksheets/sheet1.xml", b"\0" * 5_000_000))
    entities = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'
    with pytest.raises(FormError, match="entities"):
        load_review(repack(workbook, "xl/sharedStrings.xml", entities))
