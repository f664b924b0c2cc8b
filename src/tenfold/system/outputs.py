"""Files that commands write: what keeps them from it, and the settings of one that is continued."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from tenfold.errors import ReadingError
from tenfold.system.files import make_folder, parse_json, replace_file
from tenfold.system.locks import lock_file

START_ANEW = "delete it, or name another file"
# How a setting that differs is named, if not as a flag.
SETTING_NAMES = {"format": "--csv or --json", "page": "the page network, from another version"}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error about a path into a ReadingError."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "unknown error"
        raise ReadingError(f"cannot write {path}: {reason[0].lower()}{reason[1:]}") from error


def name_settings_file(path: Path) -> Path:
    """The file beside an output that keeps its settings."""
    return path.with_name(f"{path.name}.settings.json")


@contextmanager
def continuing(path: Path, settings: Mapping[str, Any]) -> Iterator[BinaryIO]:
    """Open a new file, or one that a command with the same settings wrote, to continue it.

    Its folder is made if it is missing. Raises ReadingError if it cannot be written, has other
    settings, or is written by another command.
    """
    with writing(path):
        make_folder(path.parent)
        path.touch()
        stream = path.open("r+b")
    try:
        if not lock_file(stream.fileno()):
            raise ReadingError(f"{path}: another command is writing there; wait until it ends")
        with writing(path):
            _check_settings(path, settings)
        yield stream
    finally:
        with writing(path):  # closing flushes the buffer
            stream.close()


def _check_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Write the settings of an empty file; raise ReadingError if another file has other ones."""
    beside = name_settings_file(path)
    if not path.stat().st_size:
        replace_file(beside, (json.dumps(settings, indent=1) + "\n").encode())
        return
    try:
        earlier = dict(parse_json(beside.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise ReadingError(
            f"{path}: the settings it was written with are not in {beside.name}; {START_ANEW}"
        ) from error
    earlier.setdefault("page", settings.get("page"))  # which earlier versions did not record
    differing = [key for key, value in settings.items() if earlier.get(key) != value]
    if differing:
        differences = ", ".join(SETTING_NAMES.get(key, f"--{key}") for key in differing)
        raise ReadingError(f"{path}: was written with other settings: {differences}; {START_ANEW}")
