"""`tenfold train`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from tenfold.cli.changes import NO_CHANGES, Changes, list_changes
from tenfold.cli.output import AsJson, WholeNumber, print_json, print_rows
from tenfold.cli.progress import showing_progress
from tenfold.evaluation.findings import percent_interval


def train(
    recipe: str = "classic",
    /,
    *,
    seed: WholeNumber = 0,
    holdout: Annotated[bool, Parameter(negative=())] = False,
    data: Path | None = None,
    out: Path | None = None,
    threads: WholeNumber | None = None,
    json: AsJson = False,
    changes: Any = NO_CHANGES,  # noqa: ANN401 - of type Changes, see below
) -> None:
    """Train a recipe, evaluate it, and write a run folder with figures and a report.

    Parameters
    ----------
    recipe
        The name of a recipe; `tenfold recipes` lists them.
    seed
        Decides the initial weights and the order of the images.
    holdout
        Train on the first five sixths of the training images and evaluate on the rest; the test
        images are not opened. For every choice between recipes.
    data
        A folder of IDX files, or of images in train/0 ... train/9 and test/0 ... test/9.
    out
        The run's folder, new or empty; by default a new one in ./runs.
    threads
        The most threads that a step uses; by default PyTorch's own choice, up to 8.
    """
    from tenfold import workflow

    with showing_progress(recipe) as show:
        run = workflow.train(
            recipe,
            seed=seed,
            holdout=holdout,
            data=data,
            out=out,
            threads=threads,
            on_progress=show,
            **list_changes(changes),
        )
    evaluation = run.evaluation
    if json:
        print_json(
            {
                "run": str(run.path),
                "report": str(run.report),
                "accuracy": run.accuracy,
                "accuracy_interval": evaluation["accuracy_interval"],
                "part": evaluation["part"],
                "training_seconds": evaluation["training"]["seconds"],
                "weights_sha256": run.state["weights_sha256"],
            }
        )
        return
    from tenfold.evaluation.report import write_command

    another = dataclasses.replace(run.config, seed=(seed + 1) % (workflow.MAX_SEED + 1))
    hardest = next(one for one in evaluation["findings"] if one["name"] == "hardest_class")
    print_rows(
        ("accuracy", evaluation["headline"]),
        ("interval", f"{percent_interval(evaluation['accuracy_interval'])} (95 %)"),
        ("hardest", hardest["answer"]),
        ("report", run.report),
        ("next", f"{write_command(another)}    (is it luck? another seed tells)"),
    )


# A class that is made at run time cannot stand in an annotation; the parser reads it from here.
train.__annotations__["changes"] = Annotated[Changes, Parameter(name="*")]
