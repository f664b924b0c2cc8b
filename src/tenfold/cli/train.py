"""`tenfold train`."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from tenfold.cli.output import AsJson, Flag, WholeNumber, print_json, print_note, print_rows
from tenfold.cli.progress import showing_progress
from tenfold.cli.recipe_flags import NO_CHANGES, Changes, list_changes
from tenfold.errors import RunError
from tenfold.evaluation.findings import WARNINGS
from tenfold.evaluation.text import format_interval
from tenfold.recipes.fields import flag_name
from tenfold.runs.config import SEEDS
from tenfold.runs.folder import CompleteState, read_state

Device = Literal["auto", "cpu", "cuda"]


def train(
    recipe: str | None = None,
    /,
    *,
    seed: WholeNumber | None = None,
    holdout: Flag = False,
    data: Path | None = None,
    out: Path | None = None,
    threads: WholeNumber | None = None,
    device: Device | None = None,
    by_epoch: Flag = False,
    checkpoint_every: WholeNumber | None = None,
    # All that a shell pattern matches, to say that one run is meant.
    resume: Annotated[list[Path] | None, Parameter(negative=(), consume_multiple=True)] = None,
    tensorboard: Flag = False,
    json: AsJson = False,
    changes: Any = NO_CHANGES,  # noqa: ANN401 - of type Changes, see below
) -> None:
    """Train a recipe, evaluate it, and write a run folder with figures and a report.

    Ctrl-C saves a checkpoint. --resume continues a run that was stopped or killed; its weights are
    the same as without the stop.

    Parameters
    ----------
    recipe
        The name of a recipe; by default classic. `tenfold recipes` lists them.
    seed
        The random seed: initial weights, order of images, augmentation, synthetic images; by
        default 0.
    holdout
        Train on five sixths of the training images and evaluate on the remaining sixth (for MNIST,
        the last 10,000), not on the test images. Use it to choose between recipes.
    data
        A folder of IDX files, or of images in train/0 ... train/9 and test/0 ... test/9; by
        default MNIST.
    out
        The folder of the run, new or empty; by default a new one in runs.
    threads
        CPU threads; by default 2. On some machines the last bits of the weights depend on them.
    device
        Where to train; by default auto, which takes a GPU if PyTorch finds one. GPU training is
        untested.
    by_epoch
        Also measure the accuracy after each epoch.
    checkpoint_every
        Epochs between checkpoints; by default 1. With 0 there is one after the last epoch only.
    resume
        The folder of a stopped run to continue. It keeps its recipe, seed and data.
    tensorboard
        Write event files for TensorBoard to the run's folder tensorboard.
    json
        Print JSON.
    """
    from tenfold.workflow import train as training

    recipe_changes = list_changes(changes)
    is_complete = False
    stopped = None
    if resume is not None:
        if len(resume) != 1:
            raise RunError(
                f"--resume takes one run, not {len(resume)}: {', '.join(map(str, resume))}"
            )
        [stopped] = resume
    title = recipe or (stopped.name if stopped else "classic")
    with showing_progress(title) as show:
        if stopped is not None:
            options = {
                f"the recipe {recipe}": recipe,
                "--seed": seed,
                "--holdout": holdout or None,
                "--out": out,
                "--by-epoch": by_epoch or None,
                "--checkpoint-every": checkpoint_every,
                "--tensorboard": tensorboard or None,
                **{flag_name(name): value for name, value in recipe_changes.items()},
            }
            given = [name for name, value in options.items() if value is not None]
            if given:
                raise RunError(
                    f"{', '.join(given)} cannot be combined with --resume; the run keeps its own"
                )
            is_complete = isinstance(read_state(stopped), CompleteState)
            run = training.resume(
                stopped,
                data=data,
                threads=threads,
                device=device,
                on_progress=show,
            )
        else:
            run = training.train(
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
                **recipe_changes,
            )
    if is_complete:
        print_note(f"{run.path} was already complete; nothing was trained")
    evaluation = run.evaluation
    for finding in evaluation.findings:
        if finding.name in WARNINGS:
            print_note(f"warning: {finding.sentence}")
    if json:
        print_json(
            {
                "run": str(run.path),
                "report": str(run.report) if run.config.report else None,
                "accuracy": run.accuracy,
                "accuracy_interval": evaluation.accuracy_interval,
                "part": evaluation.part,
                "training_seconds": evaluation.training.seconds,
                "weights_sha256": run.training.weights_sha256,
            }
        )
        return
    from tenfold.reports.run_report import build_train_command

    another = dataclasses.replace(run.config, seed=(run.config.seed + 1) % len(SEEDS))
    answers = {finding.name: finding.answer for finding in evaluation.findings}
    print_rows(
        ("accuracy", evaluation.headline),
        ("95 % CI", format_interval(evaluation.accuracy_interval)),
        ("hardest", answers.get("hardest_class", "unknown")),
        (
            "report",
            run.report if run.config.report else "not written; `tenfold evaluate` writes it",
        ),
        ("next", f"{build_train_command(another)}    (how much depends on the seed?)"),
    )


# Changes is built at run time, so it cannot be written in the signature.
train.__annotations__["changes"] = Annotated[Changes, Parameter(name="*")]
