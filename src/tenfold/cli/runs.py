"""`tenfold runs`."""

import os
from pathlib import Path

from tenfold.cli.output import AsJson, print_json, print_table, print_text
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
    json
        Print JSON.
    """
    is_default = not folders
    if is_default and not os.path.lexists(DEFAULT_FOLDER):
        listed = []
    else:
        listed = [entry for folder in folders or [DEFAULT_FOLDER] for entry in list_folder(folder)]
    if json:
        print_json([entry.to_json() for entry in listed])
        return
    if not listed:
        where = "" if is_default else f" in {', '.join(map(str, folders))}"
        print_text(f"no runs yet{where}; `tenfold train` makes one")
        return
    print_table(
        ["name", "recipe", "data", "seed", "accuracy", "training", "state"],
        [_describe(entry) for entry in listed],
        num_unwrapped=1,
    )


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
        f"{entry.num_seeds} seeds" if entry.kind == "study" else str(entry.seed),
        accuracy,
        "" if entry.seconds is None else f"{entry.seconds:.1f} s",
        state,
    ]
