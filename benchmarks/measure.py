"""Runs and times contestants in fresh processes.

A contestant's script takes the flags of `build_parser` and prints one line of JSON by
`report_result`. No torch is imported here.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tenfold.system.machine import count_cores, find_cpu_name

FOLDER = Path(__file__).parent
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16")
IDLE_LOAD = 0.5
# Ends when the benchmark has ended, even if that was killed.
BUSY_LOOP = f"""
import os
while os.getppid() == {os.getpid()}:
    for _ in range(10_000_000):
        pass
"""


@dataclass(frozen=True, kw_only=True)
class Result:
    """The report of a process, with warm seconds, and the cold seconds of the whole process."""

    whole_seconds: float
    seconds: float | None = None
    accuracy: float | None = None
    threads: int | None = None
    num_parameters: int | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return asdict(self)


def list_instruction_sets() -> list[str]:
    """The processor's instruction sets for fast products; empty on systems other than Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    found = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return [name for name in INSTRUCTION_SETS if name in found.partition(":")[2].split()]


def describe_processor() -> str:
    """The processor, its cores and its instruction sets for fast products."""
    sets = ", ".join(list_instruction_sets())
    return f"{find_cpu_name()}, {count_cores()} cores" + (f" ({sets})" if sets else "")


def build_parser(description: str | None, epochs: int = 5) -> argparse.ArgumentParser:
    """The flags of every script in this folder; `epochs` is what its recipe says."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=epochs, help="fewer for a quick try")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="as many as Tenfold would take by default")
    return parser


def note(text: str) -> None:
    """Print to standard error."""
    print(text, file=sys.stderr, flush=True)


def report_result(**values: object) -> None:
    """Print a contestant's result for `run_script`."""
    print(json.dumps(values))


def keep_to_cores(threads: int) -> int:
    """Keep this process and its threads to as many cores, and return how many these are.

    For libraries that start a thread on each core that they may use, such as XLA. It does what
    `taskset` does, on Linux only, and must be called before they start theirs.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    return count_cores()


def run_script(name: str, *flags: str, python: str = sys.executable) -> Result:
    """Run a contestant's script of this folder in a fresh process of the given Python."""
    output, whole_seconds = _run([str(FOLDER / name), *flags], python)
    values = json.loads(output.splitlines()[-1])
    return Result(
        whole_seconds=whole_seconds,
        seconds=values.pop("seconds", None),
        accuracy=values.pop("accuracy", None),
        threads=values.pop("threads", None),
        num_parameters=values.pop("num_parameters", None),
        details=values,
    )


def run_tenfold(*flags: str, recipe: str = "classic", keep: Path | None = None) -> Result:
    """Run `tenfold train` in a fresh process and read its run folder.

    The first run folder of the recipe is kept in the folder `keep`, if one is given.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        _, whole_seconds = _run(["-m", "tenfold", "train", recipe, "--out", str(out), *flags])
        if not (out / "report.html").is_file():
            raise SystemExit(f"tenfold did not write {out / 'report.html'}")
        evaluation = json.loads((out / "evaluation.json").read_text())
        config = json.loads((out / "config.json").read_text())
        state = json.loads((out / "state.json").read_text())
        if keep is not None and not (keep / recipe).exists():
            shutil.copytree(out, keep / recipe)
    return Result(
        whole_seconds=whole_seconds,
        seconds=evaluation["training"]["seconds"],
        accuracy=evaluation["accuracy"],
        threads=config["threads"],
        num_parameters=evaluation["training"]["num_parameters"],
        details={"weights_sha256": state.get("weights_sha256")},
    )


def run_import() -> Result:
    """Import torch in a fresh process: the cold start of all contestants."""
    _, whole_seconds = _run(["-c", "import torch"])
    return Result(whole_seconds=whole_seconds)


@contextmanager
def busy_loop(*, own_session: bool) -> Iterator[None]:
    """Run a busy loop in another process during the context.

    Linux divides the processor among sessions first (autogroup): a loop in its own session, like a
    program in another window, gets as much as all threads of this one together.
    """
    process = subprocess.Popen([sys.executable, "-c", BUSY_LOOP], start_new_session=own_session)
    try:
        time.sleep(0.3)  # until it has started
        yield
    finally:
        process.kill()
        process.wait()


def _run(arguments: list[str], python: str = sys.executable) -> tuple[str, float]:
    """Standard output and wall seconds of a Python process."""
    started = time.perf_counter()
    done = subprocess.run([python, *arguments], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout, seconds
