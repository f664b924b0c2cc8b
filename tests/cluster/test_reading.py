"""Folders of images read on a Ray of two workers, to Parquet files, each complete or absent."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from workers import list_workers, load_rows, needs_cluster_extra, wait_until

from pngs import to_png
from tenfold.cli import main
from tenfold.cluster import reading as module
from tenfold.cluster.chunks import MAX_DEATHS, ReadingOptions
from tenfold.cluster.connecting import Cluster
from tenfold.cluster.output import name_part
from tenfold.cluster.reading import ReadingProgress, read_folder
from tenfold.data.mnist import LabelledImages
from tenfold.errors import ModelError, ReadingError
from tenfold.reading.bulk import list_files
from tenfold.reading.classifier import BUNDLED_MODEL
from tenfold.reading.reader import Reader

pytestmark = needs_cluster_extra


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
    (out / f".{first.stem}.tries").write_text("\n\n0 ")
    assert main(["read", "--on", "ray", "--json", str(scans), str(out)]) == 1
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert told["counts"]["error"] == told["num_left_out"] == 1
    assert 41 - 6 <= told["num_before"] < 41
    said_before, *_, last = printed.err.splitlines()
    assert said_before == f"{out} has {told['num_before']} readings; going on after them"
    assert last == "41 of 41 files"
    assert load_rows(out) == rows
    assert before.items() <= {p: p.stat().st_mtime_ns for p in out.glob("*.parquet")}.items()
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    # Nothing is left to read, so no Ray is started.
    done = run_without_ray("read", "--on", "ray", "--json", str(scans), str(out))
    assert done.returncode == 1
    assert done.stderr == f"{out} is complete already; delete it to read everything again\n"
    assert json.loads(done.stdout) == {**told, "num_before": 41}


def run_without_ray(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Call `tenfold` in a process that fails where Ray is imported."""
    code = (
        "import sys; from tenfold.cli import main; code = main(sys.argv[1:]); "
        "assert 'ray' not in sys.modules; sys.exit(code)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def test_what_is_asked_for_is_looked_at_before_a_ray_is_started(
    scans: Path, tmp_path: Path
) -> None:
    nowhere, out = tmp_path / "nowhere", tmp_path / "out"
    done = run_without_ray("read", "--on", "ray", str(nowhere), str(out))
    message = f"{nowhere}: expected a folder of images, found none"
    assert (done.returncode, done.stderr) == (2, f"tenfold: {message}\n")
    out.mkdir()
    (out / "study.json").write_text("{}")
    done = run_without_ray("study", "classic", "--on", "ray", "--out", str(out))
    message = (
        f"{out}/study.json: expected a study of this version of Tenfold, found: format: expected "
        "a value, found none"
    )
    assert (done.returncode, done.stderr) == (2, f"tenfold: {message}\n")


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
    done = read_folder(images, images / "out", options=options, on_progress=seen.append)
    assert done.counts["read"] == 3
    assert [one.num_done for one in seen] == [0, 1, 2, 3]
    assert {one.num_files for one in seen} == {3}
    # The folder of readings may lie in that of images; it is not read.
    again = read_folder(images, images / "out", options=options)
    assert (again.num_before, again.counts) == (3, done.counts)
    with pytest.raises(ReadingError) as raised:
        read_folder(images, images / "out")
    check_message(
        raised,
        f"{images}/out: expected readings of the same call to go on with, found some that differ "
        "in single. Name another folder.",
    )
    (tmp_path / "others").mkdir()
    (tmp_path / "others/0.png").write_bytes(pngs[0])
    with pytest.raises(ReadingError, match=r"found some that differ in images, single\. Name"):
        read_folder(tmp_path / "others", images / "out")


def test_folders_that_cannot_be_used_are_refused(scans: Path, tmp_path: Path) -> None:
    cases = [
        (tmp_path / "none", tmp_path / "o", "{0}: expected a folder of images, found none"),
        (scans, scans, "{1}: expected another folder for readings than the images'"),
        (tmp_path, tmp_path / "o", "{0}: expected a folder with images, found none"),
    ]
    for images, out, message in cases:
        with pytest.raises(ReadingError) as raised:
            read_folder(images, out)
        check_message(raised, message.format(images, out))
    assert not (tmp_path / "o").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(ReadingError) as raised:
        read_folder(scans, tmp_path / "file")
    check_message(raised, f"{tmp_path}/file: expected a folder to write to, found: File exists")
    (tmp_path / "o").mkdir()
    (tmp_path / "o/mine.txt").write_text("")
    with pytest.raises(ReadingError) as raised:
        read_folder(scans, tmp_path / "o")
    check_message(
        raised,
        f"{tmp_path}/o: expected a new or empty folder, or one that an earlier call wrote, found "
        "other files in it",
    )
    with pytest.raises(ModelError, match="expected"):
        read_folder(
            scans,
            tmp_path / "p",
            options=ReadingOptions(model=tmp_path / "o/mine.txt"),
        )
    assert not (tmp_path / "p").exists()


def test_a_problem_of_a_worker_ends_the_call(
    cluster: Cluster, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "probe", lambda _, name: (name, -1))  # in this process alone
    with pytest.raises(ReadingError, match="expected the same images on every machine"):
        read_folder(scans, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--csv"], "--csv cannot be combined with --on ray"),
        (["--out", "x"], "--out cannot be combined with --on ray"),
        (["--annotate", "x"], "--annotate cannot be combined with --on ray"),
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
    assert capsys.readouterr().err.startswith(f"tenfold: {message}")


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
    done = read_folder(many, out)
    killing.join()
    assert killed
    assert load_rows(out) == read_here(many)
    assert sum(done.counts.values()) == 1200
    assert not [path for path in out.iterdir() if path.name.startswith(".")]


@pytest.mark.heavy
def test_a_file_that_ends_its_workers_costs_no_other_file(
    cluster: Cluster, pngs: list[bytes], test_images: LabelledImages, tmp_path: Path
) -> None:
    """A file that takes seconds stands for one that takes all memory: its readers are killed."""
    images, out = tmp_path / "images", tmp_path / "readings"
    images.mkdir()
    for number in range(16):
        (images / f"{number:02}.png").write_bytes(pngs[number])
    page_HW = np.concatenate(test_images.images_NHW[:60], axis=1)
    (images / "05.png").write_bytes(to_png(np.tile(page_HW, (60, 1))))
    rows = [row for row in read_here(images) if row["file"] != "05.png"]
    tries = out / f".{Path(name_part(['04.png', '05.png'])).stem}.tries"
    expected = ["\n" + "\n0 1 " * number for number in range(1 + MAX_DEATHS)]

    def kill_readers() -> None:
        for noted in expected:
            wait_until(lambda: tries.exists() and tries.read_text() == noted)  # noqa: B023
            for worker in list_workers("MapWorker"):
                os.kill(worker.pid, signal.SIGKILL)

    killing = threading.Thread(target=kill_readers)
    killing.start()
    done = read_folder(images, out)
    killing.join()
    found = load_rows(out)
    assert done.counts["error"] == 1
    [given_up] = [row for row in found if row["status"] == "error"]
    assert given_up["file"] == "05.png"
    assert [row for row in found if row != given_up] == rows


def start_reading(many: Path, out: Path) -> "subprocess.Popen[str]":
    """`tenfold read --on ray` with a Ray of its own, that has written its first file."""
    command = [sys.executable, "-m", "tenfold", "read", "--on", "ray", str(many), str(out)]
    # The tests' own Ray is another one's.
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    wait_until(lambda: process.poll() is not None or list(out.glob("*.parquet")))
    return process


@pytest.mark.heavy
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_call_that_is_stopped_is_continued_by_the_next(
    how: signal.Signals, cluster: Cluster, many: Path, tmp_path: Path
) -> None:
    import psutil

    out = tmp_path / "readings"
    with start_reading(many, out) as process:
        assert process.poll() is None, process.communicate()
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
    done = read_folder(many, out)
    assert done.num_before == num_before
    assert load_rows(out) == read_here(many)
    assert before.items() <= {p: p.stat().st_mtime_ns for p in out.glob("*.parquet")}.items()
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
