"""XLSX files, read back as a spreadsheet program does."""

import errno
import os
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest

from tenfold.errors import MissingExtraError, ReadingError
from tenfold.forms.workbook import Entry, Sheet, check_workbook, write_workbook

PICTURE = np.full((60, 40, 3), 200, np.uint8)


def number(text: str) -> Entry:
    return Entry(text, Decimal(text))


def write_and_load(path: Path, *sheets: Sheet, pictures: bool = False) -> Any:
    write_workbook(path, sheets, pictures=pictures)
    return openpyxl.load_workbook(path)


def test_numbers_are_numbers_and_everything_else_is_text(tmp_path: Path) -> None:
    entries = [
        *(number("72"), number("-5"), number("12.50"), number("0.5"), number("0")),
        # A code, one that Excel would round, one without a number; then nothing that runs.
        *(number("0072"), number("1234567890123456"), Entry("12 34")),
        *(Entry("=1+1"), Entry("#N/A"), Entry("a\x1b\nb"), Entry("")),
    ]
    book = write_and_load(tmp_path / "out.xlsx", Sheet("Scores", ["a", "b"], [entries]))
    cells = list(book["Scores"][2])
    assert [cell.value for cell in cells] == [
        *(72, -5, 12.5, 0.5, 0, "0072", "1234567890123456", "12 34", "=1+1", "#N/A"),
        "a\\x1b\nb",
    ]
    assert [cell.data_type for cell in cells] == [*"nnnnn", *"ssssss"]
    assert cells[2].number_format == "0.00"
    assert cells[8].quotePrefix
    assert book["Scores"].freeze_panes == "A2"


def test_doubtful_entries_are_coloured_and_say_why(tmp_path: Path) -> None:
    doubtful = Entry("7", Decimal(7), is_doubtful=True, message="the 7 might be a 1")
    sheet = write_and_load(tmp_path / "out.xlsx", Sheet("a", ["b"], [[doubtful, number("7")]]))["a"]
    assert sheet["A2"].comment.text == "the 7 might be a 1"
    assert sheet["A2"].fill.fill_type == "solid"
    assert (sheet["B2"].comment, sheet["B2"].fill.fill_type) == (None, None)


def test_pictures_are_beside_their_entries_where_asked_for(tmp_path: Path) -> None:
    rows = [[Entry("a.png"), Entry("7", picture=PICTURE), Entry("8")]]
    sheet = write_and_load(tmp_path / "out.xlsx", Sheet("a", ["f", "n", "m"], rows))["a"]
    assert ([cell.value for cell in sheet[2]], sheet._images) == (["a.png", "7", "8"], [])
    sheet = write_and_load(tmp_path / "out.xlsx", Sheet("a", ["f", "n", "m"], rows), pictures=True)
    [picture] = sheet["a"]._images
    assert [cell.value for cell in sheet["a"][1]] == ["f", "n", "picture", "m"]
    assert [cell.value for cell in sheet["a"][2]] == ["a.png", "7", None, "8"]
    assert (picture.anchor._from.row, picture.anchor._from.col) == (1, 2)
    assert picture.height == 48
    assert sheet["a"].row_dimensions[2].height >= 0.75 * 48


def test_titles_are_made_valid_and_different(tmp_path: Path) -> None:
    titles = ["a/b", "A_b", "'", "x" * 40, "x" * 50]
    book = write_and_load(tmp_path / "out.xlsx", *(Sheet(title, [], []) for title in titles))
    assert book.sheetnames == ["a_b", "A_b (2)", "Sheet", "x" * 31, "x" * 27 + " (2)"]


def test_a_path_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "folder.xlsx").mkdir()
    (tmp_path / "file").touch()
    for name in ("out.csv", "folder.xlsx", "file/out.xlsx"):
        with pytest.raises(ReadingError, match=Path(name).name.split(".")[0]):
            check_workbook(tmp_path / name)


@pytest.mark.parametrize(
    ("owner", "name", "number", "said"),
    [
        pytest.param(os, "fsync", errno.ENOSPC, "no space left", id="full"),
        pytest.param(Path, "replace", errno.EACCES, "permission denied; .* close it", id="open"),
    ],
)
def test_an_earlier_file_stays_if_it_cannot_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, number: int, said: str
) -> None:
    path = tmp_path / "out.xlsx"
    path.write_bytes(b"mine")

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(owner, name, fail)
    with pytest.raises(ReadingError, match=said):
        write_workbook(path, [Sheet("a", [], [])])
    assert [each.name for each in tmp_path.iterdir()] == ["out.xlsx"]
    assert path.read_bytes() == b"mine"


def test_it_needs_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match="need the extra 'xlsx'"):
        check_workbook(tmp_path / "out.xlsx")
