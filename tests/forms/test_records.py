"""A batch that was stopped is continued from its record."""

from pathlib import Path

import pytest

from tenfold.errors import ReadingError
from tenfold.forms.records import opening_record
from tenfold.forms.result import FieldReading, FormReading
from tenfold.reading.result import Status

SETTINGS = {"form": "1", "model": "2"}


def read(page: int | None = None, num_pages: int | None = None) -> FormReading:
    field = FieldReading("mark", "digits", "7", Status.READ, None, 0.98, ((1, 2), (3, 4)))
    return FormReading("marks", Status.READ, (field,), None, page, num_pages)


def test_a_record_is_continued_after_the_last_complete_file(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    with opening_record(path, SETTINGS) as record:
        record.add("a.png", read())
        record.add("b.tif", read(1, 2))
    with path.open("a") as file:
        file.write('{"file": "c.png", "sta')
    with opening_record(path, SETTINGS) as record:
        assert record.names == {"a.png"}
        assert record.sheets == [("a.png", read())]
        record.add("b.tif", read(1, 2))
        record.add("b.tif", read(2, 2))
    with opening_record(path, SETTINGS) as record:
        assert record.names == {"a.png", "b.tif"}


def test_a_record_of_another_form_or_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "marks.jsonl"
    with opening_record(path, SETTINGS) as record:
        record.add("a.png", read())
    with (
        pytest.raises(ReadingError, match="--form"),
        opening_record(path, {**SETTINGS, "form": "other"}),
    ):
        pass
    path.write_text("[]\n")
    with pytest.raises(ReadingError, match="line 1"), opening_record(path, SETTINGS):
        pass
