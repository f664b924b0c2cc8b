"""`tenfold study`."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from tenfold.cli.output import AsJson, Flag, WholeNumber, print_json, print_rows
from tenfold.cli.progress import showing_study_progress
from tenfold.cli.recipe_flags import NO_CHANGES, Changes, list_changes


def study(
    recipe: str = "classic",
    /,
    *,
    seeds: WholeNumber = 10,
    first_seed: WholeNumber = 0,
    threads: WholeNumber | None = None,
    jobs: WholeNumber | None = None,
    alone: WholeNumber | None = None,
    holdout: Flag = False,
    data: Path | None = None,
    out: Path | None = None,
    by_epoch: bool = True,
    longer: bool | None = None,
    on: Literal["ray"] | None = None,
    address: str | None = None,
    json: AsJson = False,
    changes: Any = NO_CHANGES,  # noqa: ANN401 - of type Changes, see below
) -> None:
    """Train a recipe with many seeds, and report which claims hold across them.

    The same command again continues a study that was stopped.

    Parameters
    ----------
    recipe
        The name of a recipe; by default classic. `tenfold recipes` lists them.
    seeds
        Number of seeds; by default 10.
    first_seed
        First seed, which the others follow; by default 0.
    threads
        CPU threads of each run; by default 2, as in `tenfold train`.
    jobs
        Number of runs at a time; by default the number of cores divided by --threads.
    alone
        Number of runs that are trained one at a time to measure the training time; by default 3, on
        a cluster 0.
    holdout
        Train on five sixths of the training images and evaluate on the remaining sixth (for MNIST,
        the last 10,000), not on the test images. Use it to choose between recipes.
    data
        A folder of IDX files, or of images in train/0 ... train/9 and test/0 ... test/9; by
        default MNIST.
    out
        The folder of the study; by default studies/RECIPE. Seeds that it has are not trained again.
    by_epoch
        Also measure the accuracy after each epoch; by default on.
    longer
        Also study twice as many epochs; by default only for the unchanged recipe classic.
    on
        Train on a Ray cluster. Ray comes with the extra `cluster`.
    address
        With --on ray: HOST:PORT of the cluster; by default Ray is started on this machine.
    json
        Print JSON.
    """
    from tenfold.workflow import study as studying

    with showing_study_progress() as show:
        done = studying.study(
            recipe,
            seeds=seeds,
            first_seed=first_seed,
            threads=threads,
            jobs=jobs,
            alone=alone,
            holdout=holdout,
            data=data,
            out=out,
            by_epoch=by_epoch,
            longer=longer,
            on=on,
            address=address,
            on_progress=show,
            **list_changes(changes),
        )
    summary = done.read_summary()
    if json:
        print_json(summary)
        return
    print_rows(
        ("study", done.path),
        *((finding.question, finding.answer) for finding in summary.findings),
        ("report", done.report),
    )


# Changes is built at run time, so it cannot be written in the signature.
study.__annotations__["changes"] = Annotated[Changes, Parameter(name="*")]
