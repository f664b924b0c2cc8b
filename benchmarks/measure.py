"""Contestants as fresh processes: how they are started, timed and heard.

In: a script of this folder, or a `tenfold train` command. Out: a `Result` of what it reported and
of the time that its whole process took. A contestant's script takes the flags of `build_parser`
and prints its result by `report_result`, one line of JSON. No torch here.
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
# Ends by itself when the benchmark is gone, however that ended.
BUSY_LOOP = f"""
import os
while os.getppid() == {os.getpid()}:
    for _ in range(10_000_000):
        pass
"""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one process reported: seconds warm, and cold as the whole process took."""

    whole_seconds: float
    seconds: float | None = None
    accuracy: float | None = None
    threads: int | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return asdict(self)


def list_instruction_sets() -> list[str]:
    """Those of the processor that decide how fast it multiplies; none where Linux does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
    found = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return [name for name in INSTRUCTION_SETS if name in found.partition(":")[2].split()]


def build_parser(description: str | None) -> argparse.ArgumentParser:
    """The flags that every script here takes."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=5, help="fewer for a quick try")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="as many as Tenfold would take by default")
    return parser


def report_result(**values: object) -> None:
    """Print a contestant's result where `run_script` reads it."""
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
            raise SystemExit(f"expected tenfold to write {out / 'report.html'}, found none")
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
    """Import torch in a fresh process and do nothing more: the cold start of all of them."""
    _, whole_seconds = _run(["-c", "import torch"])
    return Result(whole_seconds=whole_seconds)


@contextmanager
def busy_loop(*, own_session: bool) -> Iterator[None]:
    """Keep one thread of another program busy meanwhile.

    Linux shares the processor between sessions first (autogroup): a loop in a session of its own,
    like a program in another window, gets as much as all threads of this one together.
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
