"""What a worker does with a chunk, in this process."""

import dataclasses
import functools
import os
import socket
import threading
from pathlib import Path
from typing import Any

from cluster.workers import load_rows, needs_cluster_extra, wait_until
from tenfold.cluster.chunks import (
    MAX_DEATHS,
    MAX_TRIES,
    ChunkReader,
    ReadingOptions,
    Task,
    find_problem,
    hash_models,
)
from tenfold.cluster.output import name_in_text, name_part, opening

pytestmark = needs_cluster_extra


def build_task(scans: Path, out: Path) -> Task:
    options = ReadingOptions()
    with opening(out, {}) as call:
        return Task(
            images=scans,
            out=out,
            call=call,
            options=options,
            hashes=hash_models(options),
            probe=("0/00.png", (scans / "0/00.png").stat().st_size),
        )


def test_a_worker_says_what_its_machine_lacks(scans: Path, tmp_path: Path) -> None:
    task, where = build_task(scans, tmp_path), f"on {socket.gethostname()}"
    assert find_problem(task) is None
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
        assert find_problem(lacking) == message


def read_chunk(task: Task, *names: bytes) -> dict[str, Any]:
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


def is_text(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def test_a_file_that_ends_its_workers_is_given_up_and_no_other(
    pngs: list[bytes], tmp_path: Path
) -> None:
    """Workers that wait for ever in the middle of a file stand for those that died there."""
    images, out = tmp_path / "images", tmp_path / "out"
    for name in ("0/00.png", "0/02.png"):
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        (images / name).write_bytes(pngs[0])
    os.mkfifo(images / "0/01.png")
    task = build_task(images, out)
    names = ["0/00.png", "0/01.png", "0/02.png"]
    chunk = [name.encode() for name in names]
    tries = out / f".{Path(name_part(names)).stem}.tries"
    workers = []
    # The first reads several at a time, and notes none.
    for noted in ("\n" + "\n0 1 " * number for number in range(1 + MAX_DEATHS)):
        workers.append(threading.Thread(target=read_chunk, args=(task, *chunk), daemon=True))
        workers[-1].start()
        wait_until(functools.partial(is_text, tries, noted))
    row = read_chunk(task, *chunk)
    assert (row["problem"], row["read"], row["error"]) == (None, 2, 1)
    rows = load_rows(out)
    assert [(row["file"], row["status"]) for row in rows] == [
        *(("0/00.png", "read"), ("0/01.png", "error"), ("0/02.png", "read"))
    ]
    assert rows[1]["message"] == (
        "expected a worker that reads it, found 3 that ended while they did: out of memory, or "
        "stopped from outside?"
    )
    assert rows[1]["digits"] == []
    assert not tries.exists()
    (images / "0/01.png").write_bytes(b"")  # which ends their waiting
    for worker in workers:
        worker.join()


def test_a_chunk_whose_workers_always_end_is_told(scans: Path, tmp_path: Path) -> None:
    task = build_task(scans, tmp_path)
    names = ["0/00.png", "damaged.png"]
    tries = tmp_path / f".{Path(name_part(names)).stem}.tries"
    tries.write_text("\n" + "\n0 1 " * (MAX_TRIES - 1))
    row = read_chunk(task, *(name.encode() for name in names))
    assert row["problem"] == (
        "expected workers that read on, found 20 that ended at: damaged.png. Were they out of "
        "memory, or stopped from outside? Without these files the same command goes on."
    )
    assert load_rows(tmp_path) == []
