"""`tenfold train`."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from tenfold.cli.options import (
    AsJson,
    ClassNames,
    DataFolder,
    Flag,
    Holdout,
    RecipeName,
    WholeNumber,
    list_given,
)
from tenfold.cli.output import print_json, print_note, print_rows
from tenfold.cli.recipe_flags import NO_CHANGES, Changes
from tenfold.errors import RunError
from tenfold.evaluation.findings import WARNINGS
from tenfold.evaluation.text import format_interval
from tenfold.recipes.fields import flag_name
from tenfold.runs.config import SEEDS, TrackerName
from tenfold.runs.folder import CompleteState, Run, read_state

OF_THIS_MACHINE = ("data", "threads", "device")  # may be given with --resume


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """The options of a run, as `tenfold.train` takes them; None means its default."""

    seed: WholeNumber | None = None
    """The random seed: initial weights, order of images, augmentation, synthetic images; by default
    0."""
    holdout: Holdout | None = None
    data: DataFolder | None = None
    out: Path | None = None
    """The folder of the run, new or empty; by default a new one in runs."""
    threads: WholeNumber | None = None
    """The number of CPU threads; by default 2. On some machines the last bits of the weights depend
    on it."""
    device: Literal["auto", "cpu", "cuda"] | None = None
    """Where to train; by default auto, which takes a GPU if PyTorch finds one. GPU training is
    untested."""
    by_epoch: Flag | None = None
    """Also measure the accuracy after each epoch."""
    checkpoint_every: WholeNumber | None = None
    """Epochs between checkpoints; by default 1. With 0 there is one after the last epoch only."""
    log: Annotated[tuple[TrackerName, ...] | None, Parameter(negative=())] = None
    """Also log losses, accuracies, the speed and the results: csv writes metrics.csv, tensorboard
    event files to the run's folder; mlflow logs to MLflow, by default to mlflow.db in the current
    folder. Repeat it for several."""
    class_names: ClassNames | None = None
    tensorboard: Flag | None = None
    """The same as --log tensorboard."""


DEFAULTS = TrainOptions()


def train(
    recipe: RecipeName | None = None,
    /,
    *,
    options: TrainOptions = DEFAULTS,
    # All that a shell pattern matches, to say that one run is meant.
    resume: Annotated[list[Path] | None, Parameter(negative=(), consume_multiple=True)] = None,
    json: AsJson = False,
    changes: Changes = NO_CHANGES,
) -> None:
    """Train a recipe, evaluate it, and write a run folder with figures and a report.

    Ctrl-C saves a checkpoint. --resume continues a run that was stopped or killed; its weights are
    the same as without the stop.

    Parameters
    ----------
    resume
        The folder of a stopped run to continue. It keeps its recipe, seed and data.
    """
    from tenfold.workflow import train as training

    given = list_given(options) | list_given(changes)
    if resume is None:
        run = training.train(recipe or "classic", progress=True, **given)
    else:
        run = _resume(resume, recipe, given)
    for finding in run.evaluation.findings:
        if finding.name in WARNINGS:
            print_note(f"warning: {finding.sentence}")
    if json:
        print_json(_summarize(run))
    else:
        _print_run(run)


def _resume(runs: list[Path], recipe: str | None, given: dict[str, Any]) -> Run:
    from tenfold.workflow import train as training

    if len(runs) != 1:
        raise RunError(f"--resume takes one run, not {len(runs)}: {', '.join(map(str, runs))}")
    [path] = runs
    refused = [] if recipe is None else [f"the recipe {recipe}"]
    refused += [flag_name(name) for name in given if name not in OF_THIS_MACHINE]
    if refused:
        raise RunError(
            f"{', '.join(refused)} cannot be combined with --resume; the run keeps its own"
        )
    was_complete = isinstance(read_state(path), CompleteState)
    run = training.resume(path, progress=True, **given)
    if was_complete:
        print_note(f"{run.path} was already complete; nothing was trained")
    return run


def _summarize(run: Run) -> dict[str, Any]:
    evaluation = run.evaluation
    return {
        "run": str(run.path),
        "report": str(run.report) if run.config.report else None,
        "accuracy": run.accuracy,
        "accuracy_interval": evaluation.accuracy_interval,
        "part": evaluation.part,
        "training_seconds": evaluation.training.seconds,
        "weights_sha256": run.training.weights_sha256,
    }


def _print_run(run: Run) -> None:
    from tenfold.reports.run_report import describe_training

    evaluation = run.evaluation
    answers = {finding.name: finding.answer for finding in evaluation.findings}
    report = run.report if run.config.report else "not written; `tenfold evaluate` writes it"
    another = dataclasses.replace(run.config, seed=(run.config.seed + 1) % len(SEEDS))
    print_rows(
        ("accuracy", evaluation.headline),
        ("95 % CI", format_interval(evaluation.accuracy_interval)),
        ("hardest", answers.get("hardest_class", "unknown")),
        ("report", report),
        ("next", f"{describe_training(another)}    (how much depends on the seed?)"),
    )
