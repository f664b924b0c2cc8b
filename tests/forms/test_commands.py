"""`tenfold form` and `tenfold read --form`, as the example's README calls them.

Sheets are read in tests/forms/test_reading.py; here each has the reading of the same one.
"""

import csv
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from forms.conftest import EXAMPLE
from tenfold.cli import main
from tenfold.errors import ReadingError
from tenfold.forms.form import load_form
from tenfold.forms.reading import FormReader
from tenfold.forms.records import opening_record
from tenfold.forms.reference import Reference
from tenfold.forms.result import FormReading


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sheet: FormReading, reference: Reference
) -> Path:
    """A copy of the example, where every sheet has the same reading."""
    folder = tmp_path / "exam-marks"
    shutil.copytree(EXAMPLE, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(FormReader, "read", lambda *_: sheet)
    monkeypatch.setattr("tenfold.forms.reading.load_reference", lambda _: reference)
    return folder


def test_the_commands_of_the_readme_run_in_a_row(
    here: Path, capsys: pytest.CaptureFixture[str], sheet: FormReading
) -> None:
    commands = re.findall(r"^tenfold ([^#\n]*)", (here / "README.md").read_text(), re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        assert main(shlex.split(command)) == 0, capsys.readouterr().err
    printed = capsys.readouterr()
    assert "sheets/scan-1.jpg" in printed.out
    assert "tenfold form merge marks.xlsx" in printed.err
    lines = [each for each in printed.err.splitlines() if "still doubtful" in each]
    assert len(lines) <= 3  # one for each sheet
    assert all(one.name in lines[0] for one in sheet.doubtful)
    with (here / "final.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert [rows[0][name] for name in sheet.values] == list(sheet.values.values())
    assert len(load_form("proposed.toml").fields) > 50
    assert not list(here.glob("*.part*"))


def test_nothing_is_overwritten_without_being_told(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (here / "marks.toml").read_bytes()
    assert main(["form", "new", "sheets/scan-1.jpg", "-o", "marks.toml"]) == 2
    assert "--force" in capsys.readouterr().err
    assert (here / "marks.toml").read_bytes() == before
    (here / "marks.xlsx").touch()
    assert main(["read", "sheets", "--form", "marks.toml", "--xlsx", "marks.xlsx"]) == 2
    assert "marks.xlsx exists" in capsys.readouterr().err
    assert main(["form", "merge", "marks.xlsx", "-o", "marks.xlsx"]) == 2
    assert "stays as it is" in capsys.readouterr().err


def test_tables_are_printed_beside_a_workbook(
    here: Path, capsys: pytest.CaptureFixture[str], sheet: FormReading
) -> None:
    command = ["read", "sheets/scan-1.jpg", "--form", "marks.toml", "--csv"]
    assert main([*command, "--xlsx", "marks.xlsx"]) == 0
    printed = capsys.readouterr().out
    assert main(command) == 0
    assert capsys.readouterr().out == printed
    [row] = csv.DictReader(printed.splitlines())
    assert [row[name] for name in sheet.values] == list(sheet.values.values())
    assert main([*command, "--out", "marks.csv"]) == 0
    assert (here / "marks.csv").read_text() == printed


def test_a_stopped_batch_is_continued(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["read", "sheets", "--form", "marks.toml", "--json", "--out", "marks.jsonl"]
    assert main([*command[:1], "sheets/scan-1.jpg", *command[2:]]) == 0
    read: list[object] = []
    reading = FormReader.read

    def note(self: FormReader, source: object) -> FormReading:
        read.append(source)
        return reading(self, source)  # type: ignore[arg-type]

    monkeypatch.setattr(FormReader, "read", note)
    assert main([*command, "--xlsx", "marks.xlsx"]) == 0
    assert len(read) == 2
    lines = [json.loads(line) for line in (here / "marks.jsonl").read_text().splitlines()]
    assert {line["file"] for line in lines} == {
        *("sheets/scan-1.jpg", "sheets/scan-2.jpg", "sheets/photo-3.jpg")
    }
    assert (here / "marks.xlsx").stat().st_size > 10_000


def test_sheets_are_read_as_they_come_into_a_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["read", "sheets", "--form", "marks.toml", "--json", "--out", "marks.jsonl"]

    def come(_: object) -> Iterator[Iterator[tuple[str, Path]]]:
        yield iter([("sheets/scan-1.jpg", here / "sheets/scan-1.jpg")])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("tenfold.cli.read_form.Watcher.watch", come)
        patch.setattr("tenfold.cli.read_form.Watcher.is_lost", lambda *_: False)
        assert main([*command, "--watch"]) == 130
    [line] = (here / "marks.jsonl").read_text().splitlines()
    assert json.loads(line)["file"] == "sheets/scan-1.jpg"
    assert main([*command, "--watch", "--xlsx", "marks.xlsx"]) == 2
    assert "--json --out" in capsys.readouterr().err
    assert main(command) == 0
    assert len((here / "marks.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize("action", ["new", "merge"])
def test_each_action_has_its_own_help(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["form", action, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: tenfold form {action} ")


def test_one_command_writes_to_a_record(tmp_path: Path) -> None:
    with opening_record(tmp_path / "out.jsonl", {}):
        second = opening_record(tmp_path / "out.jsonl", {})
        with pytest.raises(ReadingError, match="another command is writing"), second:
            pass


def test_what_was_read_is_kept_if_the_workbook_cannot_be_written(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    command = ["read", "sheets/scan-1.jpg", "--form", "marks.toml", "--xlsx", "marks.xlsx"]
    with monkeypatch.context() as patch:
        patch.setattr("tenfold.forms.workbook.replace_file", refuse)
        assert main(command) == 2
    error = capsys.readouterr().err
    assert "marks.xlsx.part.jsonl" in error
    assert error.count("\n") == 1
    assert (here / "marks.xlsx.part.jsonl").stat().st_size > 1000
    assert main(command) == 0
    assert (here / "marks.xlsx").exists()
