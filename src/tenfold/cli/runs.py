"""`tenfold runs`."""

from pathlib import Path

from tenfold.cli.output import AsJson, print_json, print_table, print_text
from tenfold.runs.listing import Listed, list_folder


def runs(folder: Path = Path("runs"), /, *, json: AsJson = False) -> None:
    """List the runs and studies in a folder: recipe, seed, accuracy, state; the latest first.

    A run that is stopped goes on with `tenfold train --resume`.

    Parameters
    ----------
    folder
        The folder, by default runs; `runs/` of a study's folder has the study's own.
    """
    listed = list_folder(folder)
    if json:
        print_json([one.to_json() for one in listed])
        return
    if not listed:
        print_text(f"no runs in {folder}; `tenfold train` makes one")
        return
    print_table(
        ["name", "recipe", "seed", "accuracy", "training", "state"],
        [_describe(one) for one in listed],
    )


def _describe(one: Listed) -> list[str]:
    state: str = one.state
    if state == "stopped":
        state += ", can be resumed" if one.has_checkpoint else " before a checkpoint"
    return [
        one.path.name or str(one.path),
        one.recipe or "?",
        f"{one.num_seeds} seeds" if one.kind == "study" else str(one.seed),
        "" if one.accuracy is None else f"{100 * one.accuracy:.2f} %",
        "" if one.seconds is None else f"{one.seconds:.1f} s",
        state,
    ]
