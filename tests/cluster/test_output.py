"""The folder that readings go to: whose it is, and what is in it already."""

from pathlib import Path
from typing import Any

import pytest

from cluster.workers import needs_cluster_extra
from tenfold.cluster.output import find_done, opening
from tenfold.errors import ReadingError

pytestmark = needs_cluster_extra
OPTIONS: dict[str, Any] = {"single": False, "version": "1"}


def test_a_damaged_parquet_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "part-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(ReadingError) as raised:
        find_done(tmp_path)
    begin = f"{tmp_path}/part-0.parquet: expected readings as Parquet, found: "
    assert str(raised.value).startswith(begin)
    assert str(raised.value).endswith(". Remove it, and its images are read again.")


def test_a_folder_is_of_one_call_at_a_time(tmp_path: Path) -> None:
    with opening(tmp_path, OPTIONS) as call:
        with pytest.raises(ReadingError) as raised, opening(tmp_path, OPTIONS):
            pass
        assert str(raised.value) == (
            f"{tmp_path}: expected to be the only call that writes there, found that another is "
            "at it. Wait for its end, or name another folder."
        )
    with opening(tmp_path, OPTIONS) as again:
        assert again != call


def test_what_another_version_read_is_not_gone_on_with(tmp_path: Path) -> None:
    with opening(tmp_path, OPTIONS):
        pass
    with pytest.raises(ReadingError) as raised, opening(tmp_path, {**OPTIONS, "version": "2"}):
        pass
    assert str(raised.value) == (
        f"{tmp_path}: expected readings of the same call to go on with, found some that differ in "
        "version. Name another folder."
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"format": 9, "options": {}}', "format 9"),
        ('{"format": 1, "options": {}}', "'call'"),
        ("[]", "list indices must be integers or slices, not str"),
    ],
)
def test_a_call_that_cannot_be_read_is_named(content: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "_tenfold.json").write_text(content)
    with pytest.raises(ReadingError) as raised, opening(tmp_path, OPTIONS):
        pass
    assert str(raised.value) == (
        f"{tmp_path}/_tenfold.json: expected what this version of Tenfold wrote of a call, found: "
        f"{reason}"
    )


def test_what_a_killed_worker_left_is_removed(tmp_path: Path) -> None:
    for name in (".part-0.tries", ".part-0.parquet.01ab.tmp", ".mine"):
        (tmp_path / name).write_text("")
    with opening(tmp_path, OPTIONS):
        assert {path.name for path in tmp_path.iterdir()} == {".mine", "_tenfold.json"}
    (tmp_path / ".part-1.tries").mkdir()
    with pytest.raises(ReadingError) as raised, opening(tmp_path, OPTIONS):
        pass
    assert str(raised.value) == (
        f"{tmp_path}/.part-1.tries: expected a file that can be removed, found: Is a directory"
    )
