"""`tenfold train`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from tenfold.cli.changes import NO_CHANGES, Changes, list_changes
from tenfold.cli.output import AsJson, WholeNumber, print_json, print_rows
from tenfold.cli.progress import showing_progress
from tenfold.errors import RunError
from tenfold.evaluation.findings import percent_interval
from tenfold.fields import flag_name

Device = Literal["auto", "cpu", "cuda"]


def train(
    recipe: str | None = None,
    /,
    *,
    seed: WholeNumber | None = None,
    holdout: Annotated[bool, Parameter(negative=())] = False,
    data: Path | None = None,
    out: Path | None = None,
    threads: WholeNumber | None = None,
    device: Device | None = None,
    by_epoch: Annotated[bool, Parameter(negative=())] = False,
    checkpoint_every: WholeNumber | None = None,
    resume: Annotated[list[Path] | None, Parameter(negative=(), consume_multiple=True)] = None,
    tensorboard: Annotated[bool, Parameter(negative=())] = False,
    json: AsJson = False,
    changes: Any = NO_CHANGES,  # noqa: ANN401 - of type Changes, see below
) -> None:
    """Train a recipe, evaluate it, and write a run folder with figures and a report.

    Ctrl-C saves what is trained; with --resume the run goes on, also after it was killed, and ends
    as if nothing had happened.

    Parameters
    ----------
    recipe
        The name of a recipe, by default classic; `tenfold recipes` lists them.
    seed
        Decides the initial weights and the order of the images; by default 0.
    holdout
        Train on the first five sixths of the training images and evaluate on the rest; the test
        images are not opened. For every choice between recipes.
    data
        A folder of IDX files, or of images in train/0 ... train/9 and test/0 ... test/9.
    out
        The run's folder, new or empty; by default a new one in ./runs.
    threads
        The threads that compute a step, by default 2 on every machine: on some the weights' last
        bits depend on their number. Large networks gain from more.
    device
        auto, the default, is a GPU where there is one, else the processor.
    by_epoch
        Measure the accuracy after every epoch too.
    checkpoint_every
        Save what is trained every so many epochs, by default 1; with 0 only after the last one.
        Ctrl-C saves in any case.
    resume
        The folder of a run that was stopped, to go on with; it knows what it was asked to do.
    tensorboard
        Also write event files for TensorBoard, to tensorboard/ in the run's folder.
    """
    from tenfold import workflow

    wanted = list_changes(changes)
    stopped = None
    if resume is not None:
        if len(resume) != 1:
            raise RunError(
                f"--resume: expected the folder of one run, found {len(resume)}: "
                f"{', '.join(map(str, resume))}"
            )
        [stopped] = resume
    title = recipe or (stopped.name if stopped else "classic")
    with showing_progress(title) as show:
        if stopped is not None:
            asked = {
                "a recipe": recipe,
                "--seed": seed,
                "--holdout": holdout or None,
                "--out": out,
                "--by-epoch": by_epoch or None,
                "--checkpoint-every": checkpoint_every,
                "--tensorboard": tensorboard or None,
                **{flag_name(name): value for name, value in wanted.items()},
            }
            found = [name for name, value in asked.items() if value is not None]
            if found:
                raise RunError(
                    f"--resume: expected nothing that the run knows itself, found "
                    f"{', '.join(found)}"
                )
            run = workflow.resume(
                stopped,
                data=data,
                threads=threads,
                device=device,
                on_progress=show,
            )
        else:
            run = workflow.train(
                recipe or "classic",
                seed=0 if seed is None else seed,
                holdout=holdout,
                data=data,
                out=out,
                threads=threads,
                device=device or "auto",
                by_epoch=by_epoch,
                checkpoint_every=1 if checkpoint_every is None else checkpoint_every,
                tensorboard=tensorboard,
                on_progress=show,
                **wanted,
            )
    evaluation = run.evaluation
    if json:
        print_json(
            {
                "run": str(run.path),
                "report": str(run.report) if run.config.report else None,
                "accuracy": run.accuracy,
                "accuracy_interval": evaluation.accuracy_interval,
                "part": evaluation.part,
                "training_seconds": evaluation.training.seconds,
                "weights_sha256": run.state["weights_sha256"],
            }
        )
        return
    from tenfold.evaluation.report import write_command

    another = dataclasses.replace(run.config, seed=(run.config.seed + 1) % (workflow.MAX_SEED + 1))
    answers = {one.name: one.answer for one in evaluation.findings}
    print_rows(
        ("accuracy", evaluation.headline),
        ("interval", f"{percent_interval(evaluation.accuracy_interval)} (95 %)"),
        ("hardest", answers.get("hardest_class", "unknown")),
        ("report", run.report if run.config.report else "none; `tenfold evaluate` makes it"),
        ("next", f"{write_command(another)}    (is it luck? another seed tells)"),
    )


# A class that is made at run time cannot stand in an annotation; the parser reads it from here.
train.__annotations__["changes"] = Annotated[Changes, Parameter(name="*")]
