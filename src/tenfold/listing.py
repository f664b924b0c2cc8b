"""The runs and studies in a folder, each in a line: recipe, seed, accuracy, state. No torch.

In: a folder. Out: what lies in it, or in it and the `runs` of its studies; nothing is checked or
changed.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tenfold.disk import is_locked
from tenfold.errors import RunError
from tenfold.run import CHECKPOINT, COMPLETE, CONFIG, EVALUATION, read_state

STUDY = "study.json"
MAX_JSON_BYTES = 64 * 1024**2

State = Literal["complete", "running", "stopped", "unreadable"]


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A run or a study. `accuracy` is a share from 0 to 1, of a study the mean of its runs.

    A run is running while some program of this system trains it, stopped when none does and it can
    be resumed; a study that is not running is complete as far as it goes.
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


def list_folder(folder: Path) -> list[Listed]:
    """The runs and studies in a folder, the latest first; the folder itself if it is one.

    Raises RunError if the folder cannot be read.
    """
    try:
        own = describe(folder)
        paths = [folder] if own else [path for path in folder.iterdir() if path.is_dir()]
        listed = [(path.stat().st_mtime, describe(path)) for path in paths if path.name[0] != "."]
    except OSError as error:
        raise RunError(
            f"{folder}: expected a folder of runs or studies, found: {error.strerror}"
        ) from error
    found = [(changed, one) for changed, one in listed if one is not None]
    return [one for _, one in sorted(found, key=lambda pair: pair[0], reverse=True)]


def describe(path: Path) -> Listed | None:
    """The run or study in a folder, None if there is none."""
    if os.path.isfile(path / STUDY):  # noqa: PTH113 - Path's raises where this says no
        return _describe_study(path)
    config = read_object(path / CONFIG)
    if config is None:
        return None
    evaluation = read_object(path / EVALUATION) or {}
    training = evaluation.get("training")
    return Listed(
        path=path,
        kind="run",
        recipe=_get(config.get("recipe"), "name", str),
        seed=_get(config, "seed", int),
        num_seeds=None,
        accuracy=_get(evaluation, "accuracy", float),
        state=find_state(path),
        has_checkpoint=(path / CHECKPOINT).exists(),
        seconds=_get(training, "seconds", float),
    )


def find_state(path: Path) -> State:
    """Whether a run is complete, is being trained, or was stopped."""
    try:
        state = read_state(path)["state"]
    except RunError:
        return "unreadable"
    if state == COMPLETE:
        return "complete"
    return "running" if is_locked(path) else "stopped"


def _describe_study(path: Path) -> Listed:
    study = read_object(path / STUDY)
    runs, config = (study or {}).get("runs"), (study or {}).get("config")
    accuracy = num_seeds = None
    if isinstance(runs, list) and isinstance(config, dict):
        num_seeds = len(runs)
        try:
            mistakes = sum(len(run["mistakes"]) for run in runs)
            accuracy = 1 - mistakes / len(runs) / float(config["num_evaluated"])
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            pass  # it has no runs yet, or is no study of this version
    is_readable = num_seeds is not None
    return Listed(
        path=path,
        kind="study",
        recipe=_get((config or {}).get("recipe"), "name", str) if is_readable else None,
        seed=None,
        num_seeds=num_seeds,
        accuracy=accuracy,
        state="unreadable" if not is_readable else "running" if is_locked(path) else "complete",
        has_checkpoint=False,
        seconds=None,
    )


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file, None if there is none that can be read."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            return None
        values = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _get(values: Any, key: str, kind: type) -> Any:  # noqa: ANN401 - any JSON
    """The value of a key, if it is of a kind."""
    found = values.get(key) if isinstance(values, dict) else None
    is_right = isinstance(found, (int, float) if kind is float else kind)
    return found if is_right and not isinstance(found, bool) else None
