"""`tenfold runs`."""

import os
from pathlib import Path

from tenfold.cli.options import AsJson
from tenfold.cli.output import print_json, print_table, print_text
from tenfold.recipes.catalogue import format_changes
from tenfold.runs.listing import RunEntry, list_folder

DEFAULT_FOLDER = Path("runs")


def runs(*folders: Path, json: AsJson = False) -> None:
    """List runs and studies: recipe, data, seed, accuracy, training time and state.

    The latest come first. The accuracy of a hold-out run is marked as validation. To continue a
    stopped run, use `tenfold train --resume`; to continue a stopped study, repeat its `tenfold
    study` command.

    Parameters
    ----------
    folders
        Folders of runs and studies, or single runs and studies; by default runs. The runs of a
        study are in its folder `runs`.
    """
    named = folders or ([DEFAULT_FOLDER] if os.path.lexists(DEFAULT_FOLDER) else [])
    listed = [entry for folder in named for entry in list_folder(folder)]
    if json:
        print_json(listed)
    elif listed:
        columns = ["name", "recipe", "data", "seed", "accuracy", "training", "state"]
        print_table(columns, list(map(_describe, listed)), num_unwrapped=1)
    else:
        where = f" in {', '.join(map(str, folders))}" if folders else ""
        print_text(f"no runs yet{where}; `tenfold train` makes one")


def _describe(entry: RunEntry) -> list[str]:
    state: str = entry.state
    if entry.kind == "run" and state == "stopped":
        state += ", can be resumed" if entry.has_checkpoint else " before a checkpoint"
    accuracy = ""
    if entry.accuracy is not None:
        accuracy = f"{100 * entry.accuracy:.2f} %" + ", validation" * entry.holdout
    return [
        entry.path.name or str(entry.path),
        (entry.recipe or "?") + format_changes(entry.changes),
        entry.data or "?",
        f"{entry.num_seeds} seed{'s' * (entry.num_seeds != 1)}"
        if entry.kind == "study"
        else str(entry.seed),
        accuracy,
        "" if entry.seconds is None else f"{entry.seconds:.1f} s",
        state,
    ]
