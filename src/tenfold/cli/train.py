"""`tenfold train`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Optional

from cyclopts import Group, Parameter

from tenfold.cli.output import AsJson, WholeNumber, parse_whole_numbers, print_json, print_rows
from tenfold.cli.progress import showing_progress
from tenfold.evaluation.findings import percent_interval
from tenfold.recipes import list_fields

RECIPE_FLAGS = Group("Changes to the recipe", sort_key=1)


def _build_changes() -> Any:  # noqa: ANN401 - a dataclass made from the recipe's own fields
    """A dataclass with every field of a recipe, None where the recipe's own value stays."""
    fields = []
    for name, field in list_fields().items():
        allowed = field.metadata["range"]
        parameter = Parameter(
            help=f"{allowed.help} {str(allowed).capitalize()}.",
            group=RECIPE_FLAGS,
            consume_multiple=allowed.num_values is not None,
            negative=(),
            converter=None if field.type is float else parse_whole_numbers,
        )
        kind: Any = Optional[field.type]  # noqa: UP045 - its type is known only when this runs
        fields.append((name, Annotated[kind, parameter], dataclasses.field(default=None)))
    changes = dataclasses.make_dataclass("Changes", fields, kw_only=True)
    changes.__module__ = __name__  # else it is "types", and the parser takes it for Python's own
    return changes


Changes = _build_changes()
_NO_CHANGES = Changes()


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
    changes: Any = _NO_CHANGES,  # noqa: ANN401 - of type Changes, see below
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

    changed = {name: value for name, value in vars(changes).items() if value is not None}
    with showing_progress(recipe) as show:
        run = workflow.train(
            recipe,
            seed=seed,
            holdout=holdout,
            data=data,
            out=out,
            threads=threads,
            on_progress=show,
            **changed,
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
