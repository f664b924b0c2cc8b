import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tenfold.disk import reporting_disk_errors, write_file, write_json
from tenfold.errors import RunError
from tenfold.run import LOSSES, append_losses


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(RunError) as raised:
        call()
    message = str(raised.value)
    assert "\n" not in message
    return message


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_whole_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "figures" / "a.png"  # its folder is made
    write_file(path, b"\0\xff")
    assert path.read_bytes() == b"\0\xff"
    write_file(path, "zwölf")
    assert path.read_text(encoding="utf-8") == "zwölf"
    assert list_names(path.parent) == ["a.png"]


def test_json_is_written_for_any_reader(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": [1, 2.5, None]})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"a": [1, 2.5, None]}
    assert text.endswith("}\n")


def test_numbers_that_json_lacks_are_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert list_names(tmp_path) == []


def test_a_write_that_fails_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_file(path, "old")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        write_file(path, "new")
    assert path.read_text() == "old"
    assert list_names(tmp_path) == ["a.json"]


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.mkdir()
    assert refusal(lambda: write_file(path, "new")) == f"{path}: cannot be written: Is a directory"
    assert list_names(tmp_path) == ["a.json"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "figures").touch()
    path = tmp_path / "figures" / "a.png"
    assert refusal(lambda: write_file(path, b"")) == f"{path}: cannot be written: File exists"


FULL_DISK = """
import pathlib, sys
from tenfold.errors import RunError
from tenfold.disk import write_file
path = pathlib.Path(sys.argv[1]) / "model.safetensors"
write_file(path, b"old")
try:
    write_file(path, bytes(2**20))
except RunError as error:
    print(error)
assert path.read_bytes() == b"old"
assert [other.name for other in path.parent.iterdir()] == [path.name]
"""
NO_SPACE = "no space left on the disk; free some, or use another disk"


def run_python(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run a command with `tenfold` importable from where this process has it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a file system of 64 KiB")
def test_a_full_disk_is_reported_and_leaves_the_old_file(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=64k none "$1" || exit 77; exec "$2" -c "$3" "$1"'
    user = [] if os.geteuid() == 0 else ["-r"]
    ran = run_python(
        "unshare", *user, "-m", "sh", "-c", mount, "sh", tmp_path, sys.executable, FULL_DISK
    )
    if ran.returncode == 77 or "unshare" in ran.stderr:
        pytest.skip(f"no file system can be mounted here: {ran.stderr.strip()}")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"{tmp_path / 'model.safetensors'}: {NO_SPACE}\n"


@pytest.mark.skipif(os.name != "posix", reason="sets the largest file of a process")
def test_a_limit_to_the_size_of_files_is_reported_as_a_full_disk(tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))"
    ran = run_python(sys.executable, "-c", limit + FULL_DISK, tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"{tmp_path / 'model.safetensors'}: {NO_SPACE}\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="writes to a device that is full")
def test_losses_that_find_no_space_are_reported() -> None:
    def append() -> None:
        with reporting_disk_errors(Path(LOSSES)), Path("/dev/full").open("w", buffering=1) as file:
            append_losses(file, 0, 0, [1.0])

    assert refusal(append) == f"{LOSSES}: {NO_SPACE}"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_every_kind_of_full_is_told_as_such(number: int) -> None:
    def fail() -> None:
        with reporting_disk_errors(Path("a")):
            raise OSError(number, os.strerror(number))

    assert refusal(fail) == f"a: {NO_SPACE}"


def test_other_errors_of_the_disk_are_told_in_its_words() -> None:
    def fail() -> None:
        with reporting_disk_errors(Path("a")):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    assert refusal(fail) == "a: cannot be written: Read-only file system"


def test_errors_that_are_not_the_disks_pass() -> None:
    with pytest.raises(ZeroDivisionError), reporting_disk_errors(Path("a")):
        raise ZeroDivisionError
