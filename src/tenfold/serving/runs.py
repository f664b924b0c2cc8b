"""The runs and studies of a folder: their state, losses and reports.

Everything is looked up in the folder itself; links out of it are not followed.
"""

import json
import math
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tenfold.runs.folder import REPORT
from tenfold.runs.listing import State, find_state, list_inside
from tenfold.runs.losses import LOSSES
from tenfold.serving.problems import BUSY, NOT_FOUND, Problem
from tenfold.serving.schemas import ShownRun

MAX_REPORT_BYTES = 64 * 1024**2
MAX_SHOWN = 1000
MAX_OPEN_REPORTS = 32  # that are being sent, each of which keeps a file open
OPEN_REPORTS = threading.BoundedSemaphore(MAX_OPEN_REPORTS)
CHUNK_BYTES = 64 * 1024
UNREADABLE = (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError)


@dataclass(frozen=True)
class RunShelf:
    """A folder of runs and studies; None if none is shown."""

    folder: Path | None

    def list_all(self) -> list[ShownRun]:
        """The runs and studies, the last changed first."""
        if self.folder is None:
            return []
        try:
            listed = list_inside(self.folder, self._find, MAX_SHOWN)
        except OSError:
            return []
        return [
            ShownRun(
                name=one.path.name,
                kind=one.kind,
                recipe=one.recipe,
                seed=one.seed,
                state=one.state,
                accuracy=one.accuracy,
                has_report=self._find(one.path, REPORT) is not None,
                has_losses=one.kind == "run" and self._find(one.path, LOSSES) is not None,
            )
            for one in listed
        ]

    def read_losses(self, name: str, first: int) -> tuple[list[float], State]:
        """The losses of a run from batch `first` on, and its state. Raises Problem without it."""
        file = self._get(name, LOSSES)
        losses = []
        try:
            with file.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines):
                    if number >= first and line.endswith("\n"):
                        loss = float(json.loads(line)["loss"])
                        losses.append(loss if math.isfinite(loss) else 0.0)
        except UNREADABLE as error:
            raise Problem(NOT_FOUND, "the losses cannot be read") from error
        return losses, find_state(file.parent, self._find)

    def open_report(self, name: str) -> tuple[int, Iterator[bytes]]:
        """The report of a run or study: its number of bytes, and those, a chunk at a time.

        They are not kept in memory: a client may take them slowly, or not at all. Raises Problem
        without a report, or where as many are being sent as may.
        """
        path = self._get(name, REPORT)
        try:
            if path.stat().st_size > MAX_REPORT_BYTES:
                raise Problem(NOT_FOUND, f"the report has more than {MAX_REPORT_BYTES} bytes")
            file = path.open("rb")
        except OSError as error:
            raise Problem(NOT_FOUND, "the report cannot be read") from error
        if not OPEN_REPORTS.acquire(blocking=False):
            file.close()
            raise Problem(BUSY, f"{MAX_OPEN_REPORTS} reports are being sent; try again in a second")
        size = os.fstat(file.fileno()).st_size
        return size, _Chunks(file, size)

    def _get(self, name: str, file: str) -> Path:
        """A file of the run or study of that name. Raises Problem without it."""
        path = Path(name)
        found = self._find(path, file) if path.name == name else None
        if found is None:
            raise Problem(NOT_FOUND, f"no run or study of this name has a {file}")
        return found

    def _find(self, path: Path, file: str) -> Path | None:
        """A file in the folder of that name; None if it is missing or a link leads elsewhere."""
        if self.folder is None or path.name[:1] in ("", ".") or "\\" in path.name:
            return None
        try:
            path.name.encode()  # one that is no text nobody can ask for
            real = Path(os.path.realpath(self.folder)) / path.name / file
            return real if Path(os.path.realpath(real)) == real and real.is_file() else None
        except (OSError, ValueError):  # a name that is too long
            return None


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
