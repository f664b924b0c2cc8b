"""Folders of images read on a Ray of two workers, to Parquet files, each complete or absent."""

import dataclasses
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from workers import list_workers, needs_cluster_extra, wait_until

from tenfold.cli import main
from tenfold.cluster import reading as module
from tenfold.cluster.connecting import Cluster
from tenfold.cluster.reading import (
    MAX_TRIES,
    ChunkReader,
    ReadingOptions,
    ReadingProgress,
    _count_try,
    _find_problem,
    _open_output,
    _Task,
    build_schema,
    name_in_text,
    name_part,
    read_folder,
)
from tenfold.errors import ModelError, ReadingError
from tenfold.reading.bulk import list_files
from tenfold.reading.classifier import BUNDLED_MODEL
from tenfold.reading.reader import Reader

pytestmark = needs_cluster_extra
LOCAL = Cluster(num_cores=2, num_cores_of_one=2, is_local=True)


def load_rows(out: Path) -> list[dict[str, Any]]:
    """All rows in a folder, by file; of each Parquet file the schema is checked."""
    import pyarrow.parquet as pq

    rows = []
    for path in out.glob("*.parquet"):
        table = pq.read_table(path)
        assert table.schema.equals(build_schema())
        rows += table.to_pylist()
    return sorted(rows, key=lambda row: str(row["file"]))


def read_here(images: Path) -> list[dict[str, Any]]:
    """What one process reads, as `tenfold read --json` has it."""
    reader = Reader()
    rows = [
        {"file": str(path.relative_to(images)), **reader.read(path).to_json()}
        for path in list_files([images])
    ]
    return sorted(rows, key=lambda row: str(row["file"]))


def check_message(error: pytest.ExceptionInfo[Exception], message: str) -> None:
    assert str(error.value) == message


def test_two_workers_read_what_one_process_reads(
    cluster: Cluster, scans: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "readings"
    assert main(["read", "--on", "ray", str(scans), str(out)]) == 1  # one is damaged
    rows = read_here(scans)
    assert load_rows(out) == rows
    assert len(rows) == 41
    said = dict(re.findall(r"^(\S.*?)  +(\S+)$", capsys.readouterr().out, re.MULTILINE))
    by_status = [str(row["status"]) for row in rows]
    assert said == {
        "readings": str(out),
        "left out, as no images": "1",
        **{
            status.replace("_", " "): str(by_status.count(status))
            for status in ("read", "uncertain", "blank", "not_digits", "error")
        },
    }
    assert said["error"] == "1"
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    assert len(before) == 7  # 41 files in chunks of six
    # What a call that was killed leaves is removed; only what is missing is read.
    first = next(iter(before))
    first.unlink()
    del before[first]
    (out / f".{first.name}.0123abcd.tmp").write_bytes(b"half")
    (out / f".{first.stem}.tries").write_bytes(b".")
    assert main(["read", "--on", "ray", "--json", str(scans), str(out)]) == 1
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert told["counts"]["error"] == told["num_left_out"] == 1
    assert 41 - 6 <= told["num_before"] < 41
    assert f"{out} had {told['num_before']} readings; went on after them" in printed.err
    assert load_rows(out) == rows
    assert before.items() <= {p: p.stat().st_mtime_ns for p in out.glob("*.parquet")}.items()
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def test_progress_counts_what_is_done_and_options_go_to_the_workers(
    cluster: Cluster, pngs: list[bytes], tmp_path: Path
) -> None:
    images, model = tmp_path / "images", tmp_path / "model.onnx"
    images.mkdir()
    shutil.copy(BUNDLED_MODEL, model)
    for number in range(3):
        (images / f"{number}.png").write_bytes(pngs[number])
    seen: list[ReadingProgress] = []
    options = ReadingOptions(single=True, model=model)
    done = read_folder(
        images, images / "out", cluster=cluster, options=options, on_progress=seen.append
    )
    assert done.counts["read"] == 3
    assert [one.num_done for one in seen] == [1, 2, 3]
    assert {one.num_files for one in seen} == {3}
    # The folder of readings may lie in that of images; it is not read.
    again = read_folder(images, images / "out", cluster=cluster, options=options)
    assert (again.num_before, again.counts) == (3, done.counts)
    with pytest.raises(ReadingError) as raised:
        read_folder(images, images / "out", cluster=cluster)
    check_message(
        raised,
        f"{images}/out: expected readings of the same call to go on with, found some that differ "
        "in single. Name another folder.",
    )
    (tmp_path / "others").mkdir()
    (tmp_path / "others/0.png").write_bytes(pngs[0])
    with pytest.raises(ReadingError, match=r"found some that differ in images, single\. Name"):
        read_folder(tmp_path / "others", images / "out", cluster=cluster)


def test_folders_that_cannot_be_used_are_refused(scans: Path, tmp_path: Path) -> None:
    cases = [
        (tmp_path / "none", tmp_path / "o", "{0}: expected a folder of images, found none"),
        (scans, scans, "{1}: expected another folder for readings than the images'"),
        (tmp_path, tmp_path / "o", "{0}: expected a folder with images, found none"),
    ]
    for images, out, message in cases:
        with pytest.raises(ReadingError) as raised:
            read_folder(images, out, cluster=LOCAL)
        check_message(raised, message.format(images, out))
    assert not (tmp_path / "o").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(ReadingError) as raised:
        read_folder(scans, tmp_path / "file", cluster=LOCAL)
    check_message(raised, f"{tmp_path}/file: expected a folder to write to, found: File exists")
    (tmp_path / "o").mkdir()
    (tmp_path / "o/mine.txt").write_text("")
    with pytest.raises(ReadingError) as raised:
        read_folder(scans, tmp_path / "o", cluster=LOCAL)
    check_message(
        raised,
        f"{tmp_path}/o: expected a new or empty folder, or one that an earlier call wrote, found "
        "other files in it",
    )
    (tmp_path / "o/_tenfold.json").write_text('{"format": 9, "options": {}}')
    with pytest.raises(ReadingError) as raised:
        read_folder(scans, tmp_path / "o", cluster=LOCAL)
    check_message(
        raised,
        f"{tmp_path}/o/_tenfold.json: expected what this version of Tenfold wrote of a call, "
        "found: format 9",
    )
    with pytest.raises(ModelError, match="expected"):
        read_folder(
            scans,
            tmp_path / "p",
            cluster=LOCAL,
            options=ReadingOptions(model=tmp_path / "o/mine.txt"),
        )
    assert not (tmp_path / "p").exists()


def build_task(scans: Path, out: Path) -> _Task:
    options = ReadingOptions()
    hashes = module._hash_files(options)
    call = _open_output(out, module._describe_options(scans, options, hashes))
    size = (scans / "0/00.png").stat().st_size
    return _Task(
        images=scans, out=out, call=call, options=options, hashes=hashes, probe=("0/00.png", size)
    )


def test_a_damaged_parquet_file_is_named(scans: Path, tmp_path: Path) -> None:
    build_task(scans, tmp_path)
    (tmp_path / "part-0.parquet").write_bytes(b"PAR1")
    with pytest.raises(ReadingError) as raised:
        read_folder(scans, tmp_path, cluster=LOCAL)
    begin = f"{tmp_path}/part-0.parquet: expected readings as Parquet, found: "
    assert str(raised.value).startswith(begin)
    assert str(raised.value).endswith(". Remove it, and its images are read again.")


def test_a_worker_says_what_its_machine_lacks(scans: Path, tmp_path: Path) -> None:
    task, where = build_task(scans, tmp_path), f"on {socket.gethostname()}"
    assert _find_problem(task) is None
    changed = dataclasses.replace
    cases = {
        f"expected Tenfold 9.9 on every machine of the cluster, found {task.version} {where}": (
            changed(task, version="9.9")
        ),
        f"{scans}: expected a folder that every machine of the cluster shares, found another or "
        f"none {where}": changed(task, out=scans),
        f"{tmp_path}: expected to be the only call that writes there, found that another has "
        "begun": changed(task, call="another"),
        f"{scans}: expected the same images on every machine of the cluster, found 0/00.png to be "
        f"another file or none {where}": changed(task, probe=("0/00.png", 1)),
        "--lines: expected the same file on every machine of the cluster, found another or none "
        f"{where}": changed(task, hashes={**task.hashes, "lines": "0"}),
        "--model, --lines: expected the same file on every machine of the cluster, found another "
        f"or none {where}": changed(task, options=ReadingOptions(model=tmp_path / "none.onnx")),
    }
    for message, lacking in cases.items():
        assert _find_problem(lacking) == message


def read_chunk(task: _Task, *names: bytes) -> dict[str, Any]:
    import pyarrow as pa

    chunk = pa.table({"files": pa.array([list(names)], pa.list_(pa.binary()))})
    [row] = ChunkReader(task)(chunk).to_pylist()
    return dict(row)


def test_a_chunk_is_written_once_however_often_it_is_read(scans: Path, tmp_path: Path) -> None:
    task = build_task(scans, tmp_path)
    for _ in range(2):
        row = read_chunk(task, b"0/00.png", b"damaged.png", b"gone\xff.png")
        assert row == {
            **dict.fromkeys(("uncertain", "blank", "not_digits"), 0),
            "problem": None,
            "read": 1,
            "error": 2,
        }
        assert [row["file"] for row in load_rows(tmp_path)] == [
            *("0/00.png", "damaged.png", r"gone\xff.png")
        ]
    names = ["0/00.png", "damaged.png", os.fsdecode(b"gone\xff.png")]
    assert {path.name for path in tmp_path.iterdir()} == {"_tenfold.json", name_part(names)}
    assert name_in_text(names[2]) == r"gone\xff.png"


def test_another_call_ends_this_one_before_it_writes(scans: Path, tmp_path: Path) -> None:
    import pyarrow as pa

    task = build_task(scans, tmp_path)
    reader = ChunkReader(task)
    build_task(scans, tmp_path)
    chunk = pa.table({"files": pa.array([[b"0/00.png"]], pa.list_(pa.binary()))})
    [row] = reader(chunk).to_pylist()
    assert row["problem"] == (
        f"{tmp_path}: expected to be the only call that writes there, found that another has begun"
    )
    assert load_rows(tmp_path) == []


def test_files_that_end_their_workers_are_given_up(tmp_path: Path) -> None:
    path = tmp_path / ".part-0.tries"
    for _ in range(MAX_TRIES):
        _count_try(path, ["a.png", "b.png"])
    with pytest.raises(ReadingError) as raised:
        _count_try(path, ["a.png", "b.png"])
    check_message(
        raised,
        "expected workers that read on, found 4 that ended while they read the 2 files from a.png "
        "on: out of memory, or stopped from outside?",
    )


def test_a_problem_of_a_worker_ends_the_call(
    cluster: Cluster, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_probe", lambda _, name: (name, -1))  # in this process alone
    with pytest.raises(ReadingError, match="expected the same images on every machine"):
        read_folder(scans, tmp_path, cluster=cluster)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--csv"], "--csv: expected no --on ray with it, for it writes Parquet"),
        (["--out", "x"], "--out: expected no --on ray with it, for it writes Parquet"),
        (["--annotate", "x"], "--annotate: expected no --on ray with it, for it writes Parquet"),
        (
            ["more/"],
            "--on ray: expected a folder of images and one for readings, found 3 names. Try: "
            "tenfold read --on ray scans/ readings/",
        ),
    ],
)
def test_flags_that_do_not_fit_are_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["read", "--on", "ray", "scans/", "readings/", *arguments]) == 2
    assert capsys.readouterr().err == f"tenfold: {message}\n"


@pytest.fixture
def many(pngs: list[bytes], tmp_path: Path) -> Path:
    """Twelve hundred images."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(1200):
        (folder / f"{number:04}.png").write_bytes(pngs[number % len(pngs)])
    return folder


@pytest.mark.heavy
def test_a_worker_that_is_killed_costs_a_read_nothing_but_time(
    cluster: Cluster, many: Path, tmp_path: Path
) -> None:
    out, killed = tmp_path / "readings", []

    def kill_one() -> None:
        wait_until(lambda: list(out.glob("*.parquet")))
        [worker, *_] = list_workers("MapWorker")
        os.kill(worker.pid, signal.SIGKILL)
        killed.append(worker.pid)

    killing = threading.Thread(target=kill_one)
    killing.start()
    done = read_folder(many, out, cluster=cluster)
    killing.join()
    assert killed
    assert load_rows(out) == read_here(many)
    assert sum(done.counts.values()) == 1200
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


def start_reading(many: Path, out: Path) -> "subprocess.Popen[str]":
    """`tenfold read --on ray` with a Ray of its own, that has written its first file."""
    command = [sys.executable, "-m", "tenfold", "read", "--on", "ray", str(many), str(out)]
    # The tests' own Ray is another one's.
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_until(lambda: list(out.glob("*.parquet")))
    return process


@pytest.mark.heavy
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_call_that_is_stopped_is_continued_by_the_next(
    how: signal.Signals, cluster: Cluster, many: Path, tmp_path: Path
) -> None:
    import psutil

    out = tmp_path / "readings"
    with start_reading(many, out) as process:
        # Ray's agents look but seldom whether the rest is still there.
        below = [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if "Agent" not in child.name()
        ]
        assert below
        process.send_signal(how)
        _, errors = process.communicate(timeout=60)
        if how == signal.SIGINT:
            assert process.returncode == 130
            assert errors.splitlines()[-1] == (
                f"tenfold: interrupted; the same command goes on in {out}"
            )
            assert "Traceback" not in errors
    _, alive = psutil.wait_procs(below, timeout=30)
    assert alive == []
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    num_before = len(load_rows(out))
    assert 0 < num_before < 1200
    done = read_folder(many, out, cluster=cluster)
    assert done.num_before == num_before
    assert load_rows(out) == read_here(many)
    assert before.items() <= {p: p.stat().st_mtime_ns for p in out.glob("*.parquet")}.items()
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
