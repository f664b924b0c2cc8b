"""The runs and studies in a folder: recipe, data, seed, accuracy, state. No torch.

Nothing is verified or changed. A damaged file makes an entry unreadable, not the whole list.
"""

import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tenfold.errors import RecipeError, RunError
from tenfold.recipes.catalogue import find_changes
from tenfold.recipes.recipe import Recipe
from tenfold.runs.folder import (
    CHECKPOINT,
    CONFIG,
    EVALUATION,
    HUB_FILES,
    STATE,
    CompleteState,
    RunningState,
    has_only_config,
    parse_state,
)
from tenfold.runs.losses import LOSSES
from tenfold.system.files import parse_json
from tenfold.system.locks import is_locked

STUDY, SUMMARY, STUDY_RUNS = "study.json", "summary.json", "runs"
MAX_JSON_BYTES = 64 * 1024**2
LARGEST_NUMBER = 2**63  # every JSON parser reads smaller ones
QUIET_SECONDS = 300  # a run on another machine without a new loss for so long has stopped

State = Literal["complete", "running", "stopped", "unreadable"]
Find = Callable[[Path, str], Path | None]


@dataclass(frozen=True, kw_only=True)
class RunEntry:
    """A run or a study in a list.

    `changes` are the fields in which the recipe differs from the one of its name. `data` is
    "MNIST", "arrays" or the name of the data folder. `accuracy` is of the validation images with
    `holdout`, otherwise of the test images; it is a share from 0 to 1, for a study the mean of its
    runs.

    The state is "running" while a process trains it and "stopped" if it can be continued. A
    study.json that was shared without its runs is complete.
    """

    path: Path
    kind: Literal["run", "study"]
    recipe: str | None
    changes: dict[str, Any]
    data: str | None
    holdout: bool
    seed: int | None = None
    num_seeds: int | None = None
    accuracy: float | None
    state: State
    has_checkpoint: bool = False
    seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {**vars(self), "path": str(self.path)}


def find_file(folder: Path, name: str) -> Path | None:
    """The path of a file in a folder; None if there is no such file."""
    path = folder / name
    return path if os.path.isfile(path) else None  # noqa: PTH113 - Path.is_file may raise


def list_folder(folder: Path) -> list[RunEntry]:
    """The runs and studies in a folder, or its own entry if it is a run or study itself.

    The order is that of `list_inside`. Raises RunError if the folder cannot be read.
    """
    own = describe(folder)
    try:
        return [own] if own else list_inside(folder)
    except OSError as error:
        raise RunError(f"cannot list the runs in {folder}: {error.strerror or error}") from error


def list_inside(folder: Path, find: Find = find_file, most: int | None = None) -> list[RunEntry]:
    """The runs and studies in a folder, the last changed first.

    Only the first `most` entries of the folder are read. Raises OSError if it cannot be listed.
    """
    paths = [path for path in folder.iterdir() if path.name[0] != "."]
    paths.sort(key=lambda path: (_find_time(path), path.name), reverse=True)
    return [entry for path in paths[:most] if (entry := describe(path, find))]


def describe(path: Path, find: Find = find_file) -> RunEntry | None:
    """The entry of a folder; None if it holds neither a run nor a study."""
    if (study := find(path, STUDY)) is not None:
        return _describe_study(path, read_object(study) or {}, find)
    config = read_object(find(path, CONFIG))
    if config is None:
        return None
    if find(path, STATE) is None and all(find(path, name) for name in HUB_FILES):
        return None  # a folder for the Hugging Face Hub has a config.json, too
    evaluation = read_object(find(path, EVALUATION))
    return RunEntry(
        path=path,
        kind="run",
        **_describe_config(config),
        seed=_get(config, int, "seed"),
        accuracy=_get(evaluation, float, "accuracy"),
        state=find_state(path, find),
        has_checkpoint=find(path, CHECKPOINT) is not None,
        seconds=_get(evaluation, float, "training", "seconds"),
    )


def find_state(path: Path, find: Find = find_file) -> State:
    """Whether a run is complete, being trained, stopped or unreadable.

    On the machine that trains it, the lock of its folder decides; elsewhere the age of its losses.
    """
    file = find(path, STATE)
    try:
        if file is None and has_only_config(path):
            state: RunningState | CompleteState = RunningState(state="running")
        else:
            state = parse_state(read_object(file) or {})
        if isinstance(state, CompleteState):
            return "complete"
        is_held = is_locked(path)
        if not is_held and (is_held is None or state.host != platform.node()):
            changed = (find(path, LOSSES) or path).stat().st_mtime
            is_held = time.time() - changed < QUIET_SECONDS
    except (OSError, ValueError):
        return "unreadable"  # just removed, or another version's file
    return "running" if is_held else "stopped"


def _find_time(path: Path) -> float:
    """When a run or study was last changed, in seconds since 1970; 0 for other files."""
    for name in (STUDY, STATE, CONFIG):
        with suppress(OSError):
            return (path / name).stat().st_mtime
    return 0.0


def _describe_study(path: Path, study: dict[str, Any], find: Find) -> RunEntry:
    runs, config = study.get("runs"), study.get("config")
    accuracy = num_seeds = None
    state: State = "unreadable"
    if isinstance(runs, list) and isinstance(config, dict):
        num_seeds = len(runs)
        state = "complete" if _is_complete(path, runs, find) else "stopped"
        if is_locked(path):
            state = "running"
        # No runs yet, or another version's file.
        with suppress(KeyError, TypeError, ZeroDivisionError):
            mistakes = sum(len(run["mistakes"]) for run in runs)
            accuracy = 1 - mistakes / num_seeds / _get(config, int, "num_evaluated")
    return RunEntry(
        path=path,
        kind="study",
        **_describe_config(config),
        num_seeds=num_seeds,
        accuracy=accuracy,
        state=state,
    )


def _is_complete(path: Path, runs: list[Any], find: Find) -> bool:
    """Whether the summary, which is written last, has all seeds of a study.

    A study.json that was shared without its runs has no summary and is complete.
    """
    if runs and not os.path.isdir(path / STUDY_RUNS):  # noqa: PTH112 - Path.is_dir may raise
        return True
    summary = read_object(find(path, SUMMARY)) or {}
    seeds = [run.get("seed") for run in runs if isinstance(run, dict)]
    return bool(runs) and summary.get("seeds") == seeds


def _describe_config(config: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """The fields of an entry that come from the config of a run or study."""
    folder = _get(config, str, "data_folder")
    from_arrays = _get(config, bool, "from_arrays")
    is_mnist = isinstance(config, dict) and config.get("data_folder", "") is None
    try:
        changes = find_changes(Recipe.from_json(config["recipe"]))
    except (RecipeError, TypeError, KeyError):
        changes = {}  # another version's recipe
    return {
        "recipe": _get(config, str, "recipe", "name"),
        "changes": changes,
        "data": "arrays" if from_arrays else "MNIST" if is_mnist else folder and Path(folder).name,
        "holdout": _get(config, bool, "holdout") is True,
    }


def read_object(path: Path | None) -> dict[str, Any] | None:
    """The JSON object in a file; None if it cannot be read."""
    try:
        if path is None or path.stat().st_size > MAX_JSON_BYTES:
            return None
        values = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def _get(values: Any, kind: type, *keys: str) -> Any:  # noqa: ANN401 - any JSON
    """The value under nested keys; None if it has another type or is not valid in JSON."""
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    if type(values) not in ((int, float) if kind is float else (kind,)):
        return None
    is_sound = values.isprintable() if kind is str else abs(values) < LARGEST_NUMBER
    return values if is_sound else None
