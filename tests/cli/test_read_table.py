"""`tenfold read --table` and `--xlsx`, on the pictures of the examples."""

import csv
import io
import json
import re
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from PIL import Image

from cli.conftest import Fail
from tenfold.cli import main
from tenfold.cli.read_table import format_table
from tenfold.reading.result import ReadDigit, Reading, Status
from tenfold.reading.table_result import Table, TableCell

EXAMPLES = Path(__file__).parents[2] / "examples"
Capture = pytest.CaptureFixture[str]


def read_rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def agree(found: list[list[str]], expected: list[list[str]]) -> bool:
    """Whether cells are the same; what a doubtful one looks like may differ by the processor."""
    return len(found) == len(expected) and all(
        len(row) == len(wanted)
        and all(
            cell == want or (cell.endswith("?") and want.endswith("?"))
            for cell, want in zip(row, wanted, strict=True)
        )
        for row, wanted in zip(found, expected, strict=True)
    )


@pytest.fixture
def part(here: Path) -> Path:
    """Here: a.jpg, the first two rows of the list of meters below its header."""
    with Image.open(EXAMPLES / "meter-list" / "meter-list.jpg") as image:
        image.crop((40, 210, 760, 400)).save("a.jpg", quality=95)
    return here


@pytest.mark.parametrize("name", ["score-card", "meter-list"])
def test_the_command_of_an_example_writes_what_it_shows(
    name: str, here: Path, capsys: Capture
) -> None:
    shown = (EXAMPLES / name / "README.md").read_text()
    [command] = re.findall(r"^    tenfold (read .*--csv) > ", shown, re.MULTILINE)
    [expected] = re.findall(r"```csv\n(.*?)```", shown, re.DOTALL)
    shutil.copy(EXAMPLES / name / f"{name}.jpg", here)
    assert main(command.split()) == 0
    printed = capsys.readouterr()
    assert agree(read_rows(printed.out), read_rows(expected))
    assert "outside the cells" in printed.err


def test_several_tables_have_their_file_page_and_row(part: Path, capsys: Capture) -> None:
    Path("b.jpg").write_bytes(b"no image")
    assert main(["read", "a.jpg", "b.jpg", "--table", "--csv", "--out", "out.csv"]) == 1
    rows = read_rows(Path("out.csv").read_text())
    assert [row[:4] for row in rows] == [["a.jpg", "1", str(number), "02"] for number in (1, 2)]
    assert rows[1][4:] == ["0418", "07735"]
    assert "b.jpg: not an image" in capsys.readouterr().err


def test_a_workbook_has_a_sheet_for_each_table(part: Path, capsys: Capture) -> None:
    assert main(["read", "a.jpg", "--table", "--xlsx", "out.xlsx", "--pictures"]) == 0
    assert capsys.readouterr().err.endswith("wrote out.xlsx\n")
    sheet: Any = openpyxl.load_workbook("out.xlsx")["a"]
    cells = [cell for row in sheet.iter_rows(min_row=2) for cell in row]
    by_value = {cell.value: cell for cell in cells if cell.value is not None}
    assert by_value["0418"].data_type == "s"
    assert by_value[18204].data_type == "n"
    for cell in by_value.values():
        assert (cell.fill.fill_type == "solid") == (cell.comment is not None)
    assert len(sheet._images) == 6


def test_a_workbook_without_tables_has_a_row_for_each_file(blank: Path) -> None:
    assert main(["read", "one.png", "--xlsx", "out.xlsx"]) == 0
    header, row = openpyxl.load_workbook("out.xlsx")["readings"].values
    assert header == ("file", "page", "text", "value", "status", "message")
    assert (row[0], row[4]) == ("one.png", "blank")


def build_reading(text: str, *, is_sure: bool) -> Reading:
    status = Status.READ if is_sure else Status.UNCERTAIN
    digits = (ReadDigit(int(one), 0.9, (0, 0, 9, 9), (), None, 0, is_sure) for one in text)  # type: ignore[arg-type]
    return Reading(status, tuple(digits), None if is_sure else "the 7 might be a 1")


def test_text_is_aligned_and_marks_what_is_doubtful() -> None:
    readings = [build_reading("5", is_sure=True), build_reading("17", is_sure=False)]
    readings += [build_reading("123", is_sure=True), Reading(Status.NOT_DIGITS)]
    cells = [TableCell(i // 2, i % 2, 1, 1, (0, 0, 9, 9), one) for i, one in enumerate(readings)]
    table = Table(Status.UNCERTAIN, (tuple(cells[:2]), tuple(cells[2:])), "1 cell is doubtful")
    assert format_table("a\x1b.png", table) == (
        "a\\x1b.png: (1 cell is doubtful)\n    5  17?\n  123    ?\n"
    )
    assert readings[2].value == Decimal(123)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--pictures", "--pictures needs --table and --xlsx"),
        ("--xlsx out.xlsx --csv", "--xlsx cannot be combined with --csv"),
        ("--table --annotate boxes", "--table cannot be combined with --annotate"),
        ("--table --xlsx out.csv", "the name of a workbook ends with .xlsx"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: str, said: str, blank: Path, fail: Fail
) -> None:
    assert said in fail(f"read one.png {options}")


def test_json_has_the_table_of_each_file(blank: Path, capsys: Capture) -> None:
    assert main(["read", "one.png", "--table", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert (values["file"], values["status"], values["rows"]) == ("one.png", "blank", [])
