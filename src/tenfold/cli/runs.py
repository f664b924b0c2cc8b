"""`tenfold runs`."""

import os
from pathlib import Path

from tenfold.cli.output import AsJson, print_json, print_table, print_text
from tenfold.recipes.catalogue import format_changes
from tenfold.runs.listing import RunEntry, list_folder

DEFAULT_FOLDER = Path("runs")


def runs(*folders: Path, json: AsJson = False) -> None:
    """List runs and studies: recipe, data, seed, accuracy, training time and state.

    The latest come first. The accuracy of a hold-out run is marked as validation. `tenfold train
    --resume` continues a stopped run, the same `tenfold study` a stopped study.

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
        listed = [one for folder in folders or [DEFAULT_FOLDER] for one in list_folder(folder)]
    if json:
        print_json([one.to_json() for one in listed])
        return
    if not listed:
        where = "" if is_default else f" in {', '.join(map(str, folders))}"
        print_text(f"no runs yet{where}; `tenfold train` makes one")
        return
    print_table(
        ["name", "recipe", "data", "seed", "accuracy", "training", "state"],
        [_describe(one) for one in listed],
        num_unwrapped=1,
    )


def _describe(one: RunEntry) -> list[str]:
    state: str = one.state
    if one.kind == "run" and state == "stopped":
        state += ", can be resumed" if one.has_checkpoint else " before a checkpoint"
    accuracy = ""
    if one.accuracy is not None:
        accuracy = f"{100 * one.accuracy:.2f} %" + ", validation" * one.holdout
    return [
        one.path.name or str(one.path),
        (one.recipe or "?") + format_changes(one.changes),
        one.data or "?",
        f"{one.num_seeds} seeds" if one.kind == "study" else str(one.seed),
        accuracy,
        "" if one.seconds is None else f"{one.seconds:.1f} s",
        state,
    ]
