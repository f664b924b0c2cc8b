"""Trains runs while strace makes system calls fail, and checks the error and that the run resumes.

The script imports PyTorch once and forks a process for each attempt, to which strace attaches, so
that failures hit training and not imports. It must not compute anything itself before it forks.

    python failing_calls.py DATA FOLDER STEP      prints one JSON object

Each call that writes to the run's folder fails with each error, once or from then on. Only the
calls that write the report run with one, and with one error each. Every STEP-th of these trials is
made.
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

from matplotlib.backends.backend_agg import FigureCanvasAgg

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
    "ENOSPC": "no space left on",
    "EIO": "Input/output error",
    "EROFS": "Read-only file system",
}
PR_SET_PTRACER, ANY_PROCESS = 0x59616D61, -1
MOST_TRIES = 3


@dataclass(frozen=True)
class Trial:
    """Which call fails: `place` counts calls of that name; with `lasting` all later ones fail, too.

    `report` says whether the run writes a report.
    """

    name: str
    place: int
    error: str
    lasting: bool
    report: bool


def call_apart(function: Callable[[], Any], strace_options: tuple[str, ...] = ()) -> Any:
    """Call a function in a forked process, under strace if there are options for it."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        ours.close()
        try:
            ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_long(ANY_PROCESS), 0, 0, 0)
            theirs.recv(1)
            # This calls sendto, not write, which may be made to fail.
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


def print_stub(canvas: FigureCanvasAgg, file: io.BytesIO, **_: object) -> None:
    """What takes the place of rendering a figure, which takes longer than all the rest."""
    file.write(b"a figure")


def train(data: str, out: Path, report: bool) -> tuple[int, str]:
    """The exit code and stderr of `tenfold train`."""
    sizes = ("--hidden-sizes", "8", "--epochs", "2", "--batch-size", "600", "--threads", "1")
    errors = io.StringIO()
    # As a study's runs.
    tenfold.workflow.train.train = partial(tenfold.workflow.train.train, report=report)
    with redirect_stdout(io.StringIO()), redirect_stderr(errors):
        try:
            code = main(["train", "classic", *sizes, "--data", data, "--out", str(out)])
        except BaseException:
            traceback.print_exc()
            code = 1
    return code, errors.getvalue()


def describe(run: tenfold.Run) -> tuple[str, str]:
    """The hash of a complete run's weights, and its losses."""
    assert not [*run.path.glob(".*")], [*run.path.iterdir()]
    return run.training.weights_sha256, (run.path / LOSSES).read_text()


def list_calls(data: str, out: Path, report: bool) -> list[tuple[str, int]]:
    """The calls that write to a run's folder, or its report, as pairs of name and place."""
    log = out.with_name("log")
    options = ("-o", str(log), "-e", f"trace={','.join(CALLS)}")
    code, errors = call_apart(lambda: train(data, out, report), options)
    assert code == 0, errors
    pattern = rf"{re.escape(str(out))}/(figures|\.?{REPORT})" if report else re.escape(str(out))
    seen = dict.fromkeys(CALLS, 0)
    found = []
    for line in log.read_text().splitlines():
        name = line.partition("(")[0]
        if name in seen:
            seen[name] += 1
            is_write = "O_CREAT" in line if name == "openat" else "EEXIST" not in line
            if is_write and re.search(pattern, line):
                found.append((name, seen[name]))
    return found


def list_trials(data: str, folder: Path) -> list[Trial]:
    """All possible trials."""
    trials = [
        Trial(name, place, error, lasting, report=False)
        for name, place in list_calls(data, folder / "whole", report=False)
        for lasting in (False, True)
        if not (lasting and name == "openat")  # reading would fail, too
        for error in ERRORS
    ]
    calls = list_calls(data, folder / "reported", report=True)
    for number, (name, place) in enumerate(calls):
        lasting = name != "openat" and number % 2 == 0
        trials.append(Trial(name, place, [*ERRORS][number % 3], lasting, report=True))
    return trials


def fail(data: str, out: Path, trial: Trial) -> tuple[int, str]:
    """Train while a call fails; retry if the call that failed was not one of the run's.

    The number of other calls, such as reads of /proc, varies.
    """
    log = out.with_name("log")
    inject = f"inject={trial.name}:error={trial.error}:when={trial.place}{'+' * trial.lasting}"
    for _ in range(MOST_TRIES):
        options = ("-o", str(log), "-e", f"trace={trial.name}", "-e", inject)
        code, errors = call_apart(lambda: train(data, out, trial.report), options)
        injected = [line for line in log.read_text().splitlines() if "(INJECTED)" in line]
        if injected and str(out) in injected[0]:
            return code, errors
        shutil.rmtree(out, ignore_errors=True)
    raise AssertionError(f"{trial}: another call failed: {injected[:1]}")


def check(data: str, out: Path, trial: Trial) -> str | None:
    """Make a call fail, then resume the run; return what is wrong with the error or the run."""
    code, errors = fail(data, out, trial)
    if "Traceback" in errors:
        return errors
    # A complete run whose checkpoint cannot be removed is fine.
    if code != (0 if trial.name == "unlink" else EXIT_MISTAKE):
        return f"exit code {code}: {errors}"
    expected = rf"^tenfold: .*{re.escape(str(out))}.*{ERRORS[trial.error]}"
    if code and not re.search(expected, errors, re.M):
        return errors
    if not (out / CONFIG).exists():
        is_free = not out.exists() or not [*out.glob("[!.]*")]
        return None if is_free else f"the folder is not a run: {[*out.iterdir()]}"
    whole = describe(tenfold.load_run(out.with_name("whole")))
    resumed = call_apart(lambda: describe(tenfold.resume(out, threads=1)))
    return None if tuple(resumed) == whole else f"the run differs from the whole one: {errors}"


def check_many(data: str, folder: Path, step: int) -> dict[str, Any]:
    """Make every `step`-th trial; list the trials, and what was wrong."""
    trials = list_trials(data, folder)[::step]
    wrong = []
    for number, trial in enumerate(trials):
        found = check(data, folder / str(number), trial)
        if found is not None:
            wrong.append(f"{trial}: {found}")
    return {"trials": [vars(trial) for trial in trials], "wrong": wrong}


if __name__ == "__main__":
    FigureCanvasAgg.print_png = print_stub  # type: ignore[method-assign,assignment]
    data_folder, out_folder, number_of_step = sys.argv[1:4]
    print(json.dumps(check_many(data_folder, Path(out_folder), int(number_of_step))))
