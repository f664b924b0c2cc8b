"""`tenfold study`."""

from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from tenfold.cli.options import (
    Address,
    AsJson,
    ClassNames,
    DataFolder,
    Engine,
    Holdout,
    RecipeName,
    WholeNumber,
    list_given,
)
from tenfold.cli.output import print_json, print_rows
from tenfold.cli.recipe_flags import NO_CHANGES, Changes


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """The options of a study, as `tenfold.study` takes them."""

    seeds: WholeNumber = 10
    """Number of seeds; by default 10."""
    first_seed: WholeNumber = 0
    """The first seed, by default 0; the others count up from it."""
    threads: WholeNumber | None = None
    """CPU threads of each run; by default 2, as in `tenfold train`."""
    jobs: WholeNumber | None = None
    """Number of runs at a time; by default the number of cores divided by --threads."""
    alone: WholeNumber | None = None
    """Number of runs that are trained one at a time to measure the training time; by default 3, on
    a cluster 0."""
    holdout: Holdout = False
    data: DataFolder | None = None
    class_names: ClassNames | None = None
    out: Path | None = None
    """The folder of the study; by default studies/RECIPE. Seeds that it has are not trained
    again."""
    by_epoch: bool = True
    """Also measure the accuracy after each epoch; by default on."""
    longer: bool | None = None
    """Also study twice as many epochs; by default only for the unchanged recipe classic."""
    on: Engine | None = None
    """Train on a Ray cluster. Ray comes with the extra `cluster`."""
    address: Address | None = None


DEFAULTS = StudyOptions()


def study(
    recipe: RecipeName = "classic",
    /,
    *,
    options: StudyOptions = DEFAULTS,
    json: AsJson = False,
    changes: Changes = NO_CHANGES,
) -> None:
    """Train a recipe with many seeds, and report which claims hold across them.

    The same command again continues a study that was stopped.
    """
    from tenfold.workflow import study as studying

    done = studying.study(recipe, progress=True, **vars(options), **list_given(changes))
    summary = done.read_summary()
    if json:
        print_json(summary)
        return
    print_rows(
        ("study", done.path),
        *((finding.question, finding.answer) for finding in summary.findings),
        ("report", done.report),
    )
