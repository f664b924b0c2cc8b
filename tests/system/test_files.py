import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from run_errors import catch_error
from tenfold.errors import RunError
from tenfold.runs.folder import create_run_folder
from tenfold.runs.losses import LOSSES, append_losses
from tenfold.system.files import reporting_disk_errors, write_file, write_json


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_without_temporary_files(tmp_path: Path) -> None:
    path = tmp_path / "figures" / "a.png"  # its folder is made
    write_file(path, b"\0\xff")
    assert path.read_bytes() == b"\0\xff"
    write_file(path, "zwölf")
    assert path.read_text(encoding="utf-8") == "zwölf"
    assert list_names(path.parent) == ["a.png"]


def test_json_is_written_for_any_reader_without_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": [1, 2.5, None]})
    text = (tmp_path / "a.json").read_text()
    assert json.loads(text) == {"a": [1, 2.5, None]}
    assert text.endswith("}\n")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "b.json", {"a": float("nan")})
    assert list_names(tmp_path) == ["a.json"]


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
    found = catch_error(lambda: write_file(path, "new"))
    assert found == f"{path}: cannot be written: Is a directory"
    assert list_names(tmp_path) == ["a.json"]


def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    message = catch_error(lambda: write_file(path, b"1"), RunError)
    assert f"{path}" in message
    assert "not a regular file" in message
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert list_names(tmp_path) == ["pipe"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "figures").touch()
    path = tmp_path / "figures" / "a.png"
    assert catch_error(lambda: write_file(path, b"")) == f"{path}: cannot be written: File exists"


FULL_DISK = """
import pathlib, sys
from tenfold.errors import RunError
from tenfold.system.files import write_file
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
def test_losses_that_find_no_space_are_reported(tmp_path: Path) -> None:
    (tmp_path / LOSSES).symlink_to("/dev/full")
    found = catch_error(lambda: append_losses(tmp_path, 0, 0, [1.0]))
    assert found == f"{tmp_path / LOSSES}: {NO_SPACE}"


@pytest.mark.parametrize(
    ("number", "message"),
    [
        *((number, NO_SPACE) for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)),
        (errno.EROFS, "cannot be written: Read-only file system"),
    ],
)
def test_every_kind_of_full_disk_is_reported_as_full(number: int, message: str) -> None:
    def fail() -> None:
        with reporting_disk_errors(Path("a")):
            raise OSError(number, os.strerror(number))

    assert catch_error(fail) == f"a: {message}"


def list_flushed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A list that grows by what is flushed, a file or a folder."""
    flushed: list[Path] = []
    flush = os.fsync

    def note(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    return flushed


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux which files are flushed")
def test_the_names_of_new_folders_reach_the_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = list_flushed(monkeypatch)
    create_run_folder(tmp_path / "a" / "b", "classic", 0)
    assert flushed == [tmp_path, tmp_path / "a"]
    create_run_folder(tmp_path / "a" / "b", "classic", 0)  # there, but empty
    assert flushed == [tmp_path, tmp_path / "a"]
    flushed.clear()
    monkeypatch.chdir(tmp_path)
    create_run_folder(None, "classic", 0)
    assert flushed == [tmp_path, tmp_path / "runs"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_flushes_no_folders_can_be_written_to(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = os.fsync

    def fail_for_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fail_for_folders)
    write_file(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"


def test_a_folder_that_cannot_be_flushed_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    out = tmp_path / "a"
    found = catch_error(lambda: create_run_folder(out, "classic", 0))
    assert found == f"{out}: cannot be written: Input/output error"
