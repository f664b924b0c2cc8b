"""The runs and studies in a folder: recipe, seed, accuracy, state. No torch.

In: a folder, and how a file in one is found. Out: what lies in it, or in it and the `runs` of its
studies; nothing is checked or changed, and nothing that lies there makes it fail.
"""

import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tenfold.errors import RunError
from tenfold.runs.run import (
    CHECKPOINT,
    COMPLETE,
    CONFIG,
    EVALUATION,
    LOSSES,
    RUNNING,
    STATE,
    fit_state,
    has_just_begun,
)
from tenfold.system.files import (
    parse_json,
)
from tenfold.system.locks import (
    is_locked,
)

STUDY = "study.json"
MAX_JSON_BYTES = 64 * 1024**2
LARGEST_NUMBER = 2**63  # that any reader of JSON takes
QUIET_SECONDS = 300  # without a new loss: whoever trained on another machine is gone

State = Literal["complete", "running", "stopped", "unreadable"]
Find = Callable[[Path, str], Path | None]


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A run or a study. `accuracy` is a share from 0 to 1, of a study the mean of its runs.

    A run is running while some program trains it, stopped when none does and it can be resumed; a
    study that is not running is complete as far as it goes.
    """

    path: Path
    kind: Literal["run", "study"]
    recipe: str | None
    seed: int | None
    num_seeds: int | None
    accuracy: float | None
    state: State
    has_checkpoint: bool
    seconds: float | None

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {**vars(self), "path": str(self.path)}


def find_file(folder: Path, name: str) -> Path | None:
    """A file in a folder, None if it is not there."""
    path = folder / name
    return path if os.path.isfile(path) else None  # noqa: PTH113 - Path's raises where this says no


def list_folder(folder: Path) -> list[Listed]:
    """The runs and studies in a folder, as `list_inside`; the folder itself if it is one.

    Raises RunError if the folder cannot be read.
    """
    own = describe(folder)
    try:
        return [own] if own else list_inside(folder)
    except OSError as error:
        raise RunError(
            f"{folder}: expected a folder of runs or studies, found: {error.strerror}"
        ) from error


def list_inside(folder: Path, find: Find = find_file, most: int | None = None) -> list[Listed]:
    """The runs and studies in a folder, the last changed first, those of the same time by name.

    At most `most` are looked at. Raises OSError if the folder cannot be read.
    """
    paths = [path for path in folder.iterdir() if path.name[0] != "."]
    paths.sort(key=lambda path: (_find_time(path), path.name), reverse=True)
    return [one for path in paths[:most] if (one := describe(path, find))]


def describe(path: Path, find: Find = find_file) -> Listed | None:
    """The run or study in a folder, None if there is none."""
    if (study := find(path, STUDY)) is not None:
        return _describe_study(path, read_object(study) or {})
    config = read_object(find(path, CONFIG))
    if config is None:
        return None
    evaluation = read_object(find(path, EVALUATION))
    return Listed(
        path=path,
        kind="run",
        recipe=_get(config, str, "recipe", "name"),
        seed=_get(config, int, "seed"),
        num_seeds=None,
        accuracy=_get(evaluation, float, "accuracy"),
        state=find_state(path, find),
        has_checkpoint=find(path, CHECKPOINT) is not None,
        seconds=_get(evaluation, float, "training", "seconds"),
    )


def find_state(path: Path, find: Find = find_file) -> State:
    """Whether a run is complete, is being trained, or was stopped.

    The lock of its folder tells, on the machine that trains it; on another, the age of its losses.
    """
    file = find(path, STATE)
    state = read_object(file) or {}
    try:
        if file is None and has_just_begun(path):
            state = {"state": RUNNING}
        state = fit_state(state)
        if state["state"] == COMPLETE:
            return "complete"
        is_held = is_locked(path)
        if not is_held and (is_held is None or state.get("host") != platform.node()):
            changed = (find(path, LOSSES) or path).stat().st_mtime
            is_held = time.time() - changed < QUIET_SECONDS
    except (OSError, ValueError):
        return "unreadable"  # it was just removed, or is of another version
    return "running" if is_held else "stopped"


def _find_time(path: Path) -> float:
    """When a run or a study was last changed, in seconds; 0 for what is none."""
    for name in (STUDY, STATE, CONFIG):
        with suppress(OSError):
            return (path / name).stat().st_mtime
    return 0.0


def _describe_study(path: Path, study: dict[str, Any]) -> Listed:
    runs: Any = study.get("runs")
    config: Any = study.get("config")
    is_readable = isinstance(runs, list) and isinstance(config, dict)
    try:
        mistakes = sum(len(run["mistakes"]) for run in runs)
        accuracy = 1 - mistakes / len(runs) / _get(config, int, "num_evaluated")
    except (KeyError, TypeError, ZeroDivisionError):
        accuracy = None  # it has no runs yet, or is no study of this version
    return Listed(
        path=path,
        kind="study",
        recipe=_get(config, str, "recipe", "name"),
        seed=None,
        num_seeds=len(runs) if is_readable else None,
        accuracy=accuracy,
        state="unreadable" if not is_readable else "running" if is_locked(path) else "complete",
        has_checkpoint=False,
        seconds=None,
    )


def read_object(path: Path | None) -> dict[str, Any] | None:
    """The JSON object in a file, None if there is none that can be read."""
    try:
        if path is None or path.stat().st_size > MAX_JSON_BYTES:
            return None
        values = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def _get(values: Any, kind: type, *keys: str) -> Any:  # noqa: ANN401 - any JSON
    """The value that keys lead to, if it is of a kind, and one that can be written again."""
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    if type(values) not in ((int, float) if kind is float else (kind,)):
        return None
    is_sound = values.isprintable() if kind is str else abs(values) < LARGEST_NUMBER
    return values if is_sound else None
