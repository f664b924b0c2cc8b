"""Trains runs of which a system call fails, or all such calls from one on; says what came of them.

A script of its own: it imports PyTorch once and forks a process for each attempt, to which strace
attaches, so that failures fall on training and not on imports. It must not compute anything itself
before it forks.

    python failing_calls.py DATA FOLDER STEP      prints one JSON object

Every call that writes to the run's folder fails with each error, once and for good. A report takes
longer than all the rest: the calls that write it fail with one error each, and all other rounds
make none. Of these rounds each STEP-th is made.
"""

import ctypes
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import tenfold
import tenfold.cli.train
import tenfold.reports.figures.confusion
import tenfold.reports.figures.images
import tenfold.reports.figures.loss
import tenfold.reports.run_report
import tenfold.training.trainer
import tenfold.workflow.train
from tenfold.cli import EXIT_MISTAKE, main
from tenfold.runs.folder import CONFIG, REPORT
from tenfold.runs.losses import LOSSES

CALLS = ("write", "fsync", "rename", "openat", "mkdir", "unlink")
ERRORS = {
    "ENOSPC": "no space left on the disk",
    "EIO": "cannot be written: Input/output error",
    "EROFS": "cannot be written: Read-only file system",
}
PR_SET_PTRACER, ANY_PROCESS = 0x59616D61, -1
MOST_TRIES = 3


@dataclass(frozen=True)
class Round:
    """Which call fails: `place` counts calls of that name, and with `lasting` all later ones fail.

    `report` says whether the run makes one.
    """

    name: str
    place: int
    error: str
    lasting: bool
    report: bool


def call_apart(function: Callable[[], Any], strace_options: tuple[str, ...] = ()) -> Any:
    """What a function returns in a process of its own, under strace if there are options for it."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        ours.close()
        try:
            ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_long(ANY_PROCESS), 0, 0, 0)
            theirs.recv(1)
            # By a call that is not made to fail: sendto, not write.
            theirs.sendall(json.dumps(function()).encode())
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    theirs.close()
    with ours:
        strace = None
        if strace_options:
            strace = subprocess.Popen(["strace", "-qq", "-y", *strace_options, "-p", str(child)])
            while "TracerPid:\t0" in Path(f"/proc/{child}/status").read_text():
                assert strace.poll() is None, "strace cannot attach here"
                time.sleep(0.002)
        ours.sendall(b"x")
        answer = b"".join(iter(lambda: ours.recv(2**16), b""))
    os.waitpid(child, 0)
    if strace is not None:
        strace.wait()
    return json.loads(answer)


def train(data: str, out: Path, report: bool) -> tuple[int, str]:
    """The exit code of `tenfold train`, and what it printed to stderr."""
    sizes = ("--hidden-sizes", "8", "--epochs", "2", "--batch-size", "600", "--threads", "1")
    told = io.StringIO()
    tenfold.workflow.train.train = partial(
        tenfold.workflow.train.train, report=report
    )  # as a study's runs
    with redirect_stdout(io.StringIO()), redirect_stderr(told):
        try:
            code = main(["train", "classic", *sizes, "--data", data, "--out", str(out)])
        except BaseException:
            traceback.print_exc()
            code = 1
    return code, told.getvalue()


def describe(run: tenfold.Run) -> tuple[str, str]:
    """The hash of a finished run's weights, and its losses."""
    assert not [*run.path.glob(".*")], [*run.path.iterdir()]
    return run.training.weights_sha256, (run.path / LOSSES).read_text()


def list_calls(data: str, out: Path, report: bool) -> list[tuple[str, int]]:
    """The calls of a run that write to its folder: the name, and which call of that name it is.

    With `report` only those that write it.
    """
    log = out.with_name("log")
    options = ("-o", str(log), "-e", f"trace={','.join(CALLS)}")
    code, told = call_apart(lambda: train(data, out, report), options)
    assert code == 0, told
    meant = rf"{re.escape(str(out))}/(figures|\.?{REPORT})" if report else re.escape(str(out))
    seen = dict.fromkeys(CALLS, 0)
    found = []
    for line in log.read_text().splitlines():
        name = line.partition("(")[0]
        if name in seen:
            seen[name] += 1
            is_write = "O_CREAT" in line if name == "openat" else "EEXIST" not in line
            if is_write and re.search(meant, line):
                found.append((name, seen[name]))
    return found


def list_rounds(data: str, folder: Path) -> list[Round]:
    """All rounds that there are."""
    rounds = [
        Round(name, place, error, lasting, report=False)
        for name, place in list_calls(data, folder / "whole", report=False)
        for lasting in (False, True)
        if not (lasting and name == "openat")  # it would fail for what is read, too
        for error in ERRORS
    ]
    calls = list_calls(data, folder / "reported", report=True)
    for number, (name, place) in enumerate(calls):
        lasting = name != "openat" and number % 2 == 0
        rounds.append(Round(name, place, [*ERRORS][number % 3], lasting, report=True))
    return rounds


def fail(data: str, out: Path, one: Round) -> tuple[int, str]:
    """Train while a call fails, again where it was another call that failed than one of the run's.

    How often a run looks at /proc, for one, depends on the time.
    """
    log = out.with_name("log")
    inject = f"inject={one.name}:error={one.error}:when={one.place}{'+' * one.lasting}"
    for _ in range(MOST_TRIES):
        options = ("-o", str(log), "-e", f"trace={one.name}", "-e", inject)
        code, told = call_apart(lambda: train(data, out, one.report), options)
        injected = [line for line in log.read_text().splitlines() if "(INJECTED)" in line]
        if injected and str(out) in injected[0]:
            return code, told
        shutil.rmtree(out, ignore_errors=True)
    raise AssertionError(f"{one}: it was no call of the run that failed, but {injected[:1]}")


def check(data: str, out: Path, one: Round) -> str | None:
    """Make a call fail, and go on with the run; what is wrong with that, or with what is told."""
    code, told = fail(data, out, one)
    if "Traceback" in told:
        return told
    # A checkpoint of a complete run that cannot be removed takes room, and no more.
    if code != (0 if one.name == "unlink" else EXIT_MISTAKE):
        return f"exit code {code}: {told}"
    expected = rf"^tenfold: {re.escape(str(out))}.*: {ERRORS[one.error]}"
    if code and not re.search(expected, told, re.M):
        return told
    if not (out / CONFIG).exists():
        is_free = not out.exists() or not [*out.glob("[!.]*")]
        return None if is_free else f"a folder that is no run: {[*out.iterdir()]}"
    whole = describe(tenfold.load_run(out.with_name("whole")))
    resumed = call_apart(lambda: describe(tenfold.resume(out, threads=1)))
    return None if tuple(resumed) == whole else f"another run than the whole one: {told}"


def check_many(data: str, folder: Path, step: int) -> dict[str, Any]:
    """Make every `step`-th round: which they were, and what was wrong then."""
    rounds = list_rounds(data, folder)[::step]
    wrong = []
    for number, one in enumerate(rounds):
        found = check(data, folder / str(number), one)
        if found is not None:
            wrong.append(f"{one}: {found}")
    return {"rounds": [vars(one) for one in rounds], "wrong": wrong}


if __name__ == "__main__":
    data_folder, out_folder, number_of_step = sys.argv[1:4]
    print(json.dumps(check_many(data_folder, Path(out_folder), int(number_of_step))))
