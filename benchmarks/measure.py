"""Runs and times contestants in fresh processes.

A contestant's script takes the flags of `build_parser` and prints one line of JSON by
`report_result`. No torch is imported here.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16")
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


def build_parser(description: str | None) -> argparse.ArgumentParser:
    """The flags of every script in this folder."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=5, help="fewer for a quick try")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="as many as Tenfold would take by default")
    return parser


def report_result(**values: object) -> None:
    """Print a contestant's result for `run_script`."""
    print(json.dumps(values))


def run_script(name: str, *flags: str) -> Result:
    """Run a contestant's script of this folder in a fresh process."""
    output, whole_seconds = _run([str(FOLDER / name), *flags])
    values = json.loads(output.splitlines()[-1])
    return Result(
        whole_seconds=whole_seconds,
        seconds=values.pop("seconds", None),
        accuracy=values.pop("accuracy", None),
        threads=values.pop("threads", None),
        details=values,
    )


def run_tenfold(*flags: str) -> Result:
    """Run `tenfold train classic` in a fresh process and read its run folder."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        _, whole_seconds = _run(["-m", "tenfold", "train", "classic", "--out", str(out), *flags])
        if not (out / "report.html").is_file():
            raise SystemExit(f"tenfold did not write {out / 'report.html'}")
        evaluation = json.loads((out / "evaluation.json").read_text())
        config = json.loads((out / "config.json").read_text())
        state = json.loads((out / "state.json").read_text())
    return Result(
        whole_seconds=whole_seconds,
        seconds=evaluation["training"]["seconds"],
        accuracy=evaluation["accuracy"],
        threads=config["threads"],
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


def _run(arguments: list[str]) -> tuple[str, float]:
    """Standard output and wall seconds of a Python process."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr}")
    return done.stdout, seconds
