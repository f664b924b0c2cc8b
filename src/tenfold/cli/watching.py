"""`tenfold read --watch`: files in folders, each once, as they come in.

Folders are listed every second, or less often if that takes long: unlike the notifications of
operating systems, this also works on network drives. A file is taken once it has been the same for
two seconds and can be decoded, or has been the same for a minute.
"""

import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tenfold.cli.output import print_note
from tenfold.cli.read_options import ReadOptions
from tenfold.errors import ImageError, MissingExtraError, describe_install

if TYPE_CHECKING:
    from tenfold.forms.result import FormReading
    from tenfold.reading.result import Reading

Stamp = tuple[int, int]  # size and time of modification; network drives change inodes

INTERVAL_SECONDS, MAX_LISTING_SHARE = 1.0, 0.1  # of the time, which listing takes
SETTLED_SECONDS, PATIENCE_SECONDS = 2.0, 60.0
# Under such names browsers and others write files that are still coming in.
INCOMPLETE = (".part", ".partial", ".crdownload", ".download", ".filepart", ".tmp")
PDF_END, MAX_PDF_END_BYTES = b"%%EOF", 1024


@dataclass
class Waiting:
    """A file that is not read yet: how it looked, since when, and why it waits, once printed."""

    stamp: Stamp
    since: float
    reason: str | None = None


class Watcher:
    """Finds the files of folders, each once, under the name that `tenfold read` gives it.

    `contains` says which names the output already has.
    """

    def __init__(
        self, folders: tuple[str, ...], options: ReadOptions, contains: Callable[[str], bool]
    ) -> None:
        self.folders, self.options, self.contains = folders, options, contains
        self._waiting: dict[Path, Waiting] = {}
        self._taken: dict[Path, Stamp | None] = {}  # None if the output had it before
        self._gone: set[str] = set()  # folders that cannot be listed
        self._skips_pdf = False

    def watch(self) -> Iterator[Iterator[tuple[str, Path]]]:
        """The files that can be read now, with their names, again and again, until Ctrl-C."""
        print_note(f"watching {', '.join(self.folders)}; Ctrl-C ends")
        while True:
            now = time.monotonic()
            found = self._list_new()
            seconds = time.monotonic() - now
            yield self._take_files(found, now)
            time.sleep(max(INTERVAL_SECONDS, seconds / MAX_LISTING_SHARE))

    def _take_files(self, found: dict[Path, Stamp], now: float) -> Iterator[tuple[str, Path]]:
        """Take the files that are ripe, of those that were found just now, one at a time."""
        for path in self._waiting.keys() - found.keys():
            del self._waiting[path]
            print_note(f"{path}: was deleted before it was read")
        for path, stamp in found.items():
            waiting = self._waiting.get(path)
            if waiting is None or waiting.stamp != stamp:
                self._waiting[path] = Waiting(stamp, now)
            elif _find_stamp(path) == stamp and self._is_ripe(path, waiting, now - waiting.since):
                del self._waiting[path]
                self._taken[path] = stamp
                yield str(path), path

    def _list_new(self) -> dict[Path, Stamp]:
        """The files that were not taken yet, and how they look."""
        from tenfold.reading.bulk import list_files

        found: dict[Path, Stamp] = {}
        for folder in self.folders:
            if not self._can_list(folder):
                # What waits there is not deleted, but out of reach.
                root = Path(folder)
                found |= {
                    path: one.stamp
                    for path, one in self._waiting.items()
                    if path.is_relative_to(root)
                }
                continue
            for path in list_files([Path(folder)], leave_out=self.options.outputs, skip=self._skip):
                if path in self._taken or path.suffix.lower() in INCOMPLETE:
                    continue
                if self.contains(str(path)):
                    self._taken[path] = None
                elif (stamp := _find_stamp(path)) is not None:
                    found[path] = stamp
        return found

    def _skip(self, path: Path) -> None:
        """Say once that PDF files cannot be read."""
        from tenfold.reading.bulk import needs_pdf_extra

        if not self._skips_pdf and needs_pdf_extra(path):
            self._skips_pdf = True
            print_note(
                f"{path}: PDF files are skipped without the extra: {describe_install('pdf')}"
            )

    def _can_list(self, folder: str) -> bool:
        """Whether a folder can be listed; that it cannot, as while a drive is away, is a note."""
        try:
            os.scandir(folder).close()
        except OSError as error:
            if folder not in self._gone:
                print_note(f"{folder}: cannot be listed: {error.strerror}; still watching")
            self._gone.add(folder)
            return False
        self._gone.discard(folder)
        return True

    def _is_ripe(self, path: Path, waiting: Waiting, seconds: float) -> bool:
        if seconds < SETTLED_SECONDS:
            return False
        # Decoded once for each version, as a large file takes as long as a part of its reading.
        if waiting.reason is None:
            waiting.reason = _find_damage(path)
            if waiting.reason is None:
                return True
            print_note(
                f"{path}: {waiting.reason}; it may be incomplete, so it is read once it has not "
                f"changed for {PATIENCE_SECONDS:.0f} seconds"
            )
        return seconds >= PATIENCE_SECONDS

    def is_lost(self, path: object, reading: "Reading | FormReading") -> bool:
        """Whether a file changed or went before it was read; it is read once it is there again."""
        if not isinstance(path, Path):
            return False
        stamp = _find_stamp(path)
        is_gone = stamp is None and reading.status == "error"  # else it went after it was read
        if not is_gone and stamp in (self._taken.get(path), None):
            return False
        self._taken.pop(path, None)
        print_note(f"{path}: was {'deleted before' if is_gone else 'changed while'} it was read")
        return True


def _find_stamp(path: Path) -> Stamp | None:
    """How a file looks; None if it is none, or just gone."""
    try:
        state = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(state.st_mode):
        return None
    return state.st_size, state.st_mtime_ns


def _find_damage(path: Path) -> str | None:
    """Why a file cannot be decoded, as while its end is missing; None if it can.

    Of several pages the last is decoded. Of a PDF the first would be found without its end.
    """
    from tenfold.reading.pdf import is_pdf_file
    from tenfold.reading.sources import decode_source, split_pages

    try:
        if is_pdf_file(path) and PDF_END not in _read_end(path):
            return "the end of the PDF is missing"
        decode_source(split_pages(path)[-1])
    except MissingExtraError:
        return None  # the reading says it
    except (ImageError, OSError) as error:
        return str(error)
    return None


def _read_end(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-min(MAX_PDF_END_BYTES, path.stat().st_size), os.SEEK_END)
        return file.read()
