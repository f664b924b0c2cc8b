"""The runs and studies in a folder, to be shown: their state, losses and reports.

Whatever is asked for is looked up in the folder itself; a link out of it is not followed.
"""

import json
import math
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tenfold.run import (
    CONFIG,
    EVALUATION,
    LOSSES,
    REPORT,
    STATE,
)
from tenfold.serving.problems import BUSY, NOT_FOUND, Problem
from tenfold.serving.schemas import ShownRun

STUDY = "study.json"
MAX_JSON_BYTES, MAX_REPORT_BYTES = 64 * 1024**2, 64 * 1024**2
MAX_SHOWN = 1000
MAX_OPEN_REPORTS = 32  # that are being sent, each of which keeps a file open
OPEN_REPORTS = threading.BoundedSemaphore(MAX_OPEN_REPORTS)
CHUNK_BYTES = 64 * 1024
QUIET_SECONDS = 300  # without a new loss: whoever trained is gone


@dataclass(frozen=True)
class RunShelf:
    """A folder of runs and studies, or None for none."""

    folder: Path | None

    def list_all(self) -> list[ShownRun]:
        """What lies in the folder, the last changed first."""
        if self.folder is None:
            return []
        try:
            times = {one.name: _find_time(one) for one in self.folder.iterdir()}
        except OSError:
            return []
        # Those of the same time by name, or their order would change.
        names = sorted(times, key=lambda name: (times[name], name), reverse=True)[:MAX_SHOWN]
        shown = []
        for name in names:
            path = self._find(name)
            described = None if path is None else _describe(name, path)
            if described is not None:
                shown.append(described)
        return shown

    def read_losses(self, name: str, first: int) -> tuple[list[float], str]:
        """The losses of a run from batch `first` on, and its state. Raises Problem without it."""
        path = self._get(name)
        file = _inside(path, LOSSES)
        if file is None:
            raise Problem(NOT_FOUND, "expected a run with losses")
        losses = []
        try:
            with file.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines):
                    if number >= first and line.endswith("\n"):
                        loss = float(json.loads(line)["loss"])
                        losses.append(loss if math.isfinite(loss) else 0.0)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Problem(NOT_FOUND, "expected losses that can be read") from error
        return losses, _find_state(path)

    def open_report(self, name: str) -> tuple[int, Iterator[bytes]]:
        """The report of a run or study: its number of bytes, and those, a chunk at a time.

        They are not kept in memory: a client may take them slowly, or not at all. Raises Problem
        without a report, or where as many are being sent as may.
        """
        path = _inside(self._get(name), REPORT)
        try:
            if path is None or path.stat().st_size > MAX_REPORT_BYTES:
                raise Problem(NOT_FOUND, "expected a run or study with a report")
            file = path.open("rb")
        except OSError as error:
            raise Problem(NOT_FOUND, "expected a report that can be read") from error
        if not OPEN_REPORTS.acquire(blocking=False):
            file.close()
            raise Problem(BUSY, f"{MAX_OPEN_REPORTS} reports are being sent; come back in a second")
        size = os.fstat(file.fileno()).st_size
        return size, _Chunks(file, size)

    def _get(self, name: str) -> Path:
        path = self._find(name)
        if path is None:
            raise Problem(NOT_FOUND, "expected the name of a run or study that is shown")
        return path

    def _find(self, name: str) -> Path | None:
        """The folder of that name, if it lies in this folder and is one."""
        if self.folder is None or name in ("", ".", "..") or name.startswith("."):
            return None
        if "/" in name or "\\" in name or "\0" in name:
            return None
        return _inside(self.folder, name, is_folder=True)


class _Chunks:
    """A file's bytes, a chunk at a time; it is closed with the last one, or when it is dropped."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left = file, size

    def __iter__(self) -> "_Chunks":
        return self

    def __next__(self) -> bytes:
        chunk = self._file.read(min(CHUNK_BYTES, self._left))
        self._left -= len(chunk)
        if not chunk:
            self.close()
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Close the file, once."""
        if not self._file.closed:
            self._file.close()
            OPEN_REPORTS.release()

    def __del__(self) -> None:
        self.close()


def _find_time(folder: Path) -> float:
    """When a run or a study was last changed, in seconds; 0 for what is none."""
    for name in (STUDY, STATE):
        try:
            return (folder / name).stat().st_mtime
        except OSError:
            pass
    return 0.0


def _inside(folder: Path, name: str, *, is_folder: bool = False) -> Path | None:
    """A file or folder in a folder; None if it is not there, or lies elsewhere by a link."""
    try:
        real = Path(os.path.realpath(folder)) / name
        if Path(os.path.realpath(real)) != real:
            return None
        return real if (real.is_dir() if is_folder else real.is_file()) else None
    except (OSError, ValueError):  # a name that is too long
        return None


def _describe(name: str, path: Path) -> ShownRun | None:
    has_report = _inside(path, REPORT) is not None
    if (study := _read(path, STUDY)) is not None:
        config = study.get("config")
        recipe = config.get("recipe") if isinstance(config, dict) else None
        return ShownRun(
            name=name,
            kind="study",
            recipe=_find_text(recipe, "name"),
            seed=None,
            state="complete",  # each of the runs in it is
            accuracy=_average(study),
            has_report=has_report,
            has_losses=False,
        )
    config = _read(path, CONFIG)
    if config is None:
        return None
    state = _find_state(path)
    seed = config.get("seed")
    return ShownRun(
        name=name,
        kind="run",
        recipe=_find_text(config.get("recipe"), "name"),
        seed=seed if isinstance(seed, int) else None,
        state=state,
        accuracy=_find_number(_read(path, EVALUATION), "accuracy"),
        has_report=has_report,
        has_losses=_inside(path, LOSSES) is not None,
    )


def _average(study: dict[str, Any]) -> float | None:
    """The mean accuracy of a study's runs."""
    try:
        mistakes = [len(run["mistakes"]) for run in study["runs"]]
        return 1 - sum(mistakes) / len(mistakes) / float(study["config"]["num_evaluated"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def _find_state(path: Path) -> Any:  # noqa: ANN401 - one of ShownRun's states
    state = (_read(path, STATE) or {}).get("state")
    if state != "running":
        return "complete" if state == "complete" else "unreadable"
    file = _inside(path, LOSSES) or path
    return "running" if time.time() - file.stat().st_mtime < QUIET_SECONDS else "stopped"


def _read(folder: Path, name: str) -> dict[str, Any] | None:
    """The JSON object in a file, None if there is none."""
    path = _inside(folder, name)
    try:
        if path is None or path.stat().st_size > MAX_JSON_BYTES:
            return None
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _find_text(values: Any, key: str) -> str | None:  # noqa: ANN401 - any JSON
    found = values.get(key) if isinstance(values, dict) else values
    return found if isinstance(found, str) else None


def _find_number(values: Any, *keys: str) -> float | None:  # noqa: ANN401 - any JSON
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    return float(values) if isinstance(values, int | float) else None
