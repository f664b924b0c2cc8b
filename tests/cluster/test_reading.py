"""Folders of images read into Parquet files on a local Ray with two workers."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.workers import load_rows, needs_cluster_extra
from processes import wait_until
from tenfold.cli import main
from tenfold.cluster import reading as module
from tenfold.cluster.connecting import Cluster
from tenfold.cluster.reading import read_folder
from tenfold.errors import ClusterError, ModelError, ReadingError
from tenfold.reading.bulk import list_files
from tenfold.reading.reader import Reader
from tenfold.reading.result import ReadDigit, Reading, ReadSign, Status
from tenfold.system.locks import locking

pytestmark = needs_cluster_extra


def read_here(images: Path) -> list[dict[str, Any]]:
    """What one process reads, in the form of `tenfold read --json`."""
    reader = Reader()
    rows = []
    for path in list_files([images]):
        name = os.fsencode(path.relative_to(images)).decode(errors="backslashreplace")
        rows.append({"file": name, **reader.read(path).to_json()})
    return sorted(rows, key=lambda row: str(row["file"]))


def test_two_workers_give_the_readings_of_one_process(
    cluster: Cluster, scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "readings"
    assert main(["read", "--on", "ray", str(scans), str(out)]) == 1  # one is damaged
    rows = read_here(scans)
    assert load_rows(out) == rows
    assert len(rows) == 41
    printed = capsys.readouterr()
    assert printed.err == ""
    shown = dict(re.findall(r"^(\S.*?)  +(\S+)$", printed.out, re.MULTILINE))
    by_status = [str(row["status"]) for row in rows]
    assert shown == {
        "readings": str(out),
        "read earlier": "0",
        "not images, skipped": "1",
        **{
            status.replace("_", " "): str(by_status.count(status))
            for status in ("read", "uncertain", "blank", "not_digits", "error")
        },
    }
    # The same call again reads what is missing.
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert len(before) == 7  # of six images
    first = next(iter(before))
    first.unlink()
    del before[first]
    assert main(["read", "--on", "ray", "--json", str(scans), str(out)]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["counts"]["error"] == told["num_left_out"] == 1
    assert 41 - 6 <= told["num_before"] < 41
    assert load_rows(out) == rows
    assert before.items() <= {p: p.stat().st_mtime_ns for p in out.glob("*.parquet")}.items()
    # Nothing is missing, so no Ray is started.
    code = (
        "import sys; from tenfold.cli import main; code = main(sys.argv[1:]); "
        "assert 'ray' not in sys.modules; sys.exit(code)"
    )
    again = [sys.executable, "-c", code, "read", "--on", "ray", "--json", str(scans), str(out)]
    done = subprocess.run(again, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"{out} already has all images; delete it to read them again\n"
    assert json.loads(done.stdout) == {**told, "num_before": 41}


def test_an_output_of_other_options_is_refused(
    cluster: Cluster, pngs: list[bytes], tmp_path: Path
) -> None:
    images, out = tmp_path / "images", tmp_path / "images/out"  # which is not read
    images.mkdir()
    for number in range(3):
        (images / f"{number}.png").write_bytes(pngs[number])
    (images / os.fsdecode(b"3\xff.png")).write_bytes(b"no image")
    done = read_folder(images, out, reading={"single": True})
    assert (done.counts["read"], done.counts["error"], done.num_before) == (3, 1, 0)
    assert [row["file"] for row in load_rows(out)] == ["0.png", "1.png", "2.png", r"3\xff.png"]
    assert read_folder(images, out, reading={"single": True}).num_before == 4
    with pytest.raises(ReadingError, match="was written with other options"):
        read_folder(images, out)


def test_rows_have_signs_and_values_of_many_digits() -> None:
    import pyarrow as pa

    image = np.zeros((28, 28), np.uint8)
    nines = 20 * (ReadDigit(9, 0.99, (0, 0, 9, 9), (0.1,) * 10, image),)
    dash = ReadSign("-", 0.99, (0, 0, 2, 2), 0, 0, is_sure=True)
    reading = Reading(Status.READ, nines, signs=(dash,))
    row = {"file": "a.png", **module._describe(reading)}
    schema = module.build_schema(b"")
    assert pa.Table.from_pylist([row], schema=schema).to_pylist() == [row]
    assert row["value"] == -99999999999999999999.0
    assert set(schema.names) == set(row)


def test_unusable_folders_are_refused(scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for images in (tmp_path / "none", tmp_path, scans / "notes.txt"):
        with pytest.raises(ReadingError, match=f"{images}: not a folder with images"):
            read_folder(images, out)
    with pytest.raises(ReadingError, match="must go to another folder than the images"):
        read_folder(scans, scans)
    with pytest.raises(ModelError, match=r"notes\.txt"):
        read_folder(scans, out, model=scans / "notes.txt")
    assert not out.exists()
    with pytest.raises(ReadingError, match=r"cannot write .*notes\.txt: there is a file where"):
        read_folder(scans, scans / "notes.txt")
    out.mkdir()
    with locking(out, ReadingError("")), pytest.raises(ReadingError, match="another command"):
        read_folder(scans, out)
    (out / "half.parquet").write_bytes(b"PAR1")
    with pytest.raises(ReadingError, match=r"half\.parquet: cannot be read as Parquet.*delete it"):
        read_folder(scans, out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--csv"], "--csv cannot be combined with --on ray"),
        (["--out", "x"], "--out cannot be combined with --on ray"),
        (["more/"], "--on ray needs a folder of images and a folder for the readings"),
    ],
)
def test_flags_that_ray_does_not_support_are_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["read", "--on", "ray", "scans/", "readings/", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_other_blocks_are_read_if_an_image_kills_its_workers(
    cluster: Cluster, pngs: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    for name in ("0.png", "killer.png", "1.png"):
        (images / name).write_bytes(pngs[0])
    read_block = module._read_block

    def read_or_die(paths: list[str], *arguments: Any) -> None:
        if any(path.endswith("killer.png") for path in paths):
            with (images / "tries.txt").open("a") as file:
                file.write("x")
            os.kill(os.getpid(), signal.SIGKILL)
        read_block(paths, *arguments)

    monkeypatch.setattr(module, "_read_block", read_or_die)
    with pytest.raises(ClusterError, match=r"lacks 1 images.* killer\.png: .*again"):
        read_folder(images, out)
    assert (images / "tries.txt").read_text() == "xxxx"  # Ray retries three times
    assert [row["file"] for row in load_rows(out)] == ["0.png", "1.png"]
    monkeypatch.undo()
    assert read_folder(images, out).num_before == 2
    assert load_rows(out) == read_here(images)


@pytest.mark.heavy
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_call_is_continued_by_the_next(
    how: signal.Signals, cluster: Cluster, pngs: list[bytes], tmp_path: Path
) -> None:
    import psutil

    images, out = tmp_path / "images", tmp_path / "readings"
    images.mkdir()
    for number in range(1200):
        (images / f"{number:04}.png").write_bytes(pngs[number % len(pngs)])
    command = [sys.executable, "-m", "tenfold", "read", "--on", "ray", str(images), str(out)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        wait_until(lambda: process.poll() is not None or any(out.glob("*.parquet")))
        assert process.poll() is None, process.communicate()
        # Ray's agents look but seldom whether the rest is still there.
        below = [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if "Agent" not in child.name()
        ]
        process.send_signal(how)
        _, errors = process.communicate(timeout=60)
        if how == signal.SIGINT:
            assert process.returncode == 130
            assert (
                errors == f"tenfold: interrupted; run the same command again to continue in {out}\n"
            )
    _, alive = psutil.wait_procs(below, timeout=30)
    assert alive == []
    num_before = len(load_rows(out))
    assert 0 < num_before < 1200
    assert read_folder(images, out).num_before == num_before
    assert load_rows(out) == read_here(images)
