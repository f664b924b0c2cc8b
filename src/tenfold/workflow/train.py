"""`tenfold.train` and `tenfold.resume`.

Torch is imported when a call needs it.
"""

import dataclasses
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenfold.data.batches import count_batches
from tenfold.errors import DivergedError, ResumeError, RunError
from tenfold.recipes.own_model import ModuleConfig
from tenfold.recipes.recipe import Recipe
from tenfold.runs.config import EPOCHS, SEEDS, RunConfig
from tenfold.runs.folder import (
    CONFIG,
    WEIGHTS,
    CompleteState,
    Run,
    clean_up_complete_run,
    create_run_folder,
    describe_resuming,
    load_config,
    load_run,
    lock_run,
    read_state,
    remove_temporary_files,
    write_complete_state,
    write_running_state,
)
from tenfold.runs.progress import OnProgress
from tenfold.runs.results import Training
from tenfold.system.escaping import escape
from tenfold.system.files import hash_file, write_file, write_json
from tenfold.system.machine import CpuLoadMonitor
from tenfold.training.threads import limit_spinning, setting_threads
from tenfold.training.trackers import (
    Metrics,
    Trackers,
    check_names,
    list_earlier,
    open_trackers,
)
from tenfold.workflow.arguments import (
    check_integer,
    check_threads,
    choose_class_names,
    choose_recipe,
    describe_environment,
    get_run_path,
    require_train_extra,
)
from tenfold.workflow.evaluate import write_results
from tenfold.workflow.images import (
    Data,
    RunImages,
    generate_images,
    load_run_images,
    name_source,
    reload_run_images,
)
from tenfold.workflow.own_model import check_own_model
from tenfold.workflow.progress import showing_progress

if TYPE_CHECKING:
    from torch import nn

    from tenfold.training.checkpoint import Checkpoint

logger = logging.getLogger("tenfold")  # written to stderr unless a program configures it


def train(
    recipe: str | Recipe = "classic",
    *,
    seed: int = 0,
    holdout: bool = False,
    data: Data | None = None,
    out: str | Path | None = None,
    threads: int | None = None,
    device: str = "auto",
    checkpoint_every: int = 1,
    by_epoch: bool = False,
    report: bool = True,
    log: str | Iterable[str] | None = (),
    tensorboard: bool = False,
    progress: bool | None = None,
    class_names: Sequence[str] | None = None,
    on_progress: OnProgress | None = None,
    **changes: Any,  # noqa: ANN401 - checked against the recipe's fields
) -> Run:
    """Train a recipe, evaluate it, and return the run, which is stored as a folder.

    `recipe` is a name or a Recipe; `changes` are fields of it to change, such as epochs=10.
    `holdout` trains on five sixths of the training images and evaluates on the remaining sixth (for
    MNIST, that of 90 writers); the test images are not opened. `data` is a folder of IDX files or
    image folders, or a folder or file of CSV, NumPy or Parquet, by default MNIST; or arrays,
    ((images, labels), (test images, test labels)), as `load_mnist` returns, or (images, labels)
    with `holdout`. Images are [N, 28, 28] or [N, 784], bytes or floats, white on black
    (`tenfold.data.pixels.convert_images` has the rule), and labels 0 to 9. The run's folder keeps
    checksums of arrays, not the arrays: `resume`, `evaluate` and `export_run` need them again.
    `out` is the run's folder, by default a new one in ./runs. `threads` is the number of CPU
    threads, by default 2 on every machine, because on some machines the last bits of the weights
    depend on it. `device` is "cpu", "cuda" or "auto", which takes a GPU if PyTorch finds one; GPU
    training is untested. A checkpoint is written every `checkpoint_every` epochs and after the last
    one (0: only after the last one); `resume` continues from it. `by_epoch` also measures the
    accuracy after every epoch. Without `report` no figures and no report are written; `evaluate`
    can do that later. `log` names trackers that also get losses, accuracies, the speed and the
    results: "csv" writes metrics.csv and "tensorboard" event files to the run's folder, "mlflow"
    logs to MLflow's tracking URI, by default mlflow.db in the current folder. `tensorboard` is the
    same as log="tensorboard". `class_names` are those of the labels 0 to 9, by default those in
    classes.txt of the data folder, if it has one. `progress` shows a bar on stderr, or lines where
    that is no terminal; by default only a notebook shows progress, and with False it does not.
    `on_progress` is called with the progress reports of `tenfold.runs.progress`; with it a notebook
    shows progress only if `progress` is True.

    Raises RecipeError, DataError or RunError for arguments that cannot be used. A run that fails or
    is interrupted stays in its folder as unfinished; Ctrl-C writes a checkpoint first.
    """
    require_train_extra()
    limit_spinning()
    recipe = choose_recipe(recipe, changes)
    seed = check_integer("--seed", seed, SEEDS)
    threads = check_threads(threads)
    checkpoint_every = check_integer("--checkpoint-every", checkpoint_every, EPOCHS)
    names = check_names(log)
    if tensorboard:
        names = check_names([*names, "tensorboard"])
    trackers = open_trackers(names)
    images = load_run_images(recipe, data, holdout=holdout)
    calibrates = images.validation is not None
    check_own_model(recipe, len(images.training), seed, calibrates=calibrates)
    config = RunConfig(
        recipe=recipe,
        seed=seed,
        holdout=holdout,
        **name_source(data, images),
        checksums=images.checksums,
        holds_out_writers=images.holds_out_writers,
        checkpoint_every=checkpoint_every,
        by_epoch=by_epoch,
        report=report,
        log=names,
        class_names=choose_class_names(class_names, data),
        **describe_environment(threads, device, recipe.model),
    )
    path = create_run_folder(None if out is None else Path(out), recipe.name, seed)
    with lock_run(path):
        remove_temporary_files(path)
        write_json(path / CONFIG, config)
        write_running_state(path)
        with (
            _add_resume_hint(path, config),
            showing_progress(recipe.name, on_progress, is_shown=progress) as show,
        ):
            job = _Job(
                path=path,
                config=config,
                here=config,
                images=images,
                trackers=trackers,
                on_progress=show,
            )
            return _finish_run(job)


def resume(
    run: str | Path | Run,
    *,
    data: Data | None = None,
    threads: int | None = None,
    device: str | None = None,
    progress: bool | None = None,
    on_progress: OnProgress | None = None,
) -> Run:
    """Continue a run that was stopped or killed, and return it when it is complete.

    Continues from the last checkpoint, or from the start if there is none, with the options the run
    was started with. Its weights are the same as without the stop if the machine, the threads, the
    device and the versions are the same. Otherwise their last bits may differ, and with a changed
    model of your own the weights themselves: a warning is logged, and the run's state and report
    say so. A complete run is returned unchanged. `data` is the run's data folder, needed if it has
    moved, or its arrays; `threads` and `device` are by default the run's own. `progress` and
    `on_progress` are as in `train`.

    Raises RunError if there is no run or another process is training it, ResumeError (a RunError)
    if its checkpoint is damaged or another run's, DataError if the data are not the run's.
    """
    require_train_extra()
    limit_spinning()
    if threads is not None:
        threads = check_threads(threads)
    path = get_run_path(run)
    read_state(path)  # a folder that is not a run cannot be locked
    with lock_run(path):
        state = read_state(path)
        if isinstance(state, CompleteState):
            complete = load_run(path)
            clean_up_complete_run(path)
            return complete
        remove_temporary_files(path)
        config = load_config(path, state)  # first: a changed config makes its checkpoint foreign
        checkpoint = _load_checkpoint(path)
        trackers = open_trackers(config.log, is_resumed=True)
        here = dataclasses.replace(
            config,
            **describe_environment(
                threads or config.threads, device or config.device, config.recipe.model
            ),
        )
        images = reload_run_images(config, path, data)
        changes = config.describe_changes(here)
        if changes:
            logger.warning(
                "tenfold: %s: resumed with %s; %s",
                escape(str(path)),
                escape("; ".join(changes)),
                _describe_effect(config, here),
            )
        resumed_with = tuple(dict.fromkeys([*state.resumed_with, *changes]))
        write_running_state(path, resumed_with)
        with (
            _add_resume_hint(path, config, data=data, threads=threads, device=device),
            showing_progress(path.name, on_progress, is_shown=progress) as show,
        ):
            job = _Job(
                path=path,
                config=config,
                here=here,
                images=images,
                trackers=trackers,
                on_progress=show,
                checkpoint=checkpoint,
                resumed_with=resumed_with,
            )
            return _finish_run(job)


def _describe_effect(config: RunConfig, here: RunConfig) -> str:
    """What the changes since a run was begun mean for its weights."""
    model = config.recipe.model
    if isinstance(model, ModuleConfig):
        module = model.name.partition(":")[0]
        if config.versions.get(module) != here.versions.get(module):
            return f"the source of {module} has changed, so the weights may be quite different"
    return "the weights may differ in their last bits"


def _load_checkpoint(path: Path) -> "Checkpoint | None":
    """The checkpoint of a run, if there is one. Raises ResumeError if it is damaged."""
    from tenfold.training.checkpoint import load_checkpoint, read_checkpoint

    saved = read_checkpoint(path)
    try:
        return None if saved is None else load_checkpoint(saved, path)
    except RunError as error:
        raise ResumeError(str(error)) from error


@contextmanager
def _add_resume_hint(path: Path, config: RunConfig, **flags: object) -> Iterator[None]:
    """Add the command that resumes a run to any error or interrupt that stops it."""
    try:
        yield
    except BaseException as error:
        note = f"the unfinished run stays in {path}"
        if not isinstance(error, DivergedError):
            note += f": `{describe_resuming(path, config, **flags)}` continues it"
        error.add_note(note)
        raise


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A run to train, from its start or a checkpoint.

    `here` is its config with the threads and the device of this process.
    """

    path: Path
    config: RunConfig
    here: RunConfig
    images: RunImages
    trackers: Trackers
    on_progress: OnProgress
    checkpoint: "Checkpoint | None" = None
    resumed_with: tuple[str, ...] = ()

    @property
    def num_batches(self) -> int:
        """The number of steps of an epoch."""
        recipe = self.config.recipe
        return count_batches(recipe.scenes or len(self.images.training), recipe.batch_size)


def _finish_run(job: _Job) -> Run:
    """Train the rest of a run, evaluate and calibrate it, and write its state last."""
    images = job.images
    with setting_threads(job.here.threads), job.trackers:
        _start_trackers(job)
        model, training = _train_model(job)
        run = Run(job.path, job.config, training)
        write_results(
            run,
            model,
            images.evaluated,
            images.validation,
            report=job.config.report,
            on_progress=job.on_progress,
        )
        _finish_trackers(job, run, model)
        write_complete_state(job.path, training)
    clean_up_complete_run(job.path)
    return run


def _start_trackers(job: _Job) -> None:
    saved = job.checkpoint
    earlier = list_earlier(saved.losses, saved.accuracies, job.num_batches) if saved else []
    job.trackers.start(job.path, job.config, earlier)


def _finish_trackers(job: _Job, run: Run, model: "nn.Module") -> None:
    """Log the evaluation, and end the logs."""
    from tenfold.models.predict import measure_nll

    if job.trackers:
        evaluated, epochs = job.images.evaluated, job.config.recipe.epochs
        metrics = Metrics(
            step=epochs * job.num_batches,
            epoch=epochs,
            accuracy=run.accuracy,
            nll=measure_nll(model, evaluated.images_NHW, evaluated.labels_N),
        )
        job.trackers.log([metrics])
        job.trackers.finish(run)


def _train_model(job: _Job) -> tuple["nn.Module", Training]:
    """Train a model and write its losses and weights to the run's folder."""
    from tenfold.models.build import build_model
    from tenfold.models.predict import predict
    from tenfold.training.trainer import Trainer
    from tenfold.training.weights import dump_weights

    config, recipe, evaluated = job.config, job.config.recipe, job.images.evaluated
    monitor, start = CpuLoadMonitor(), time.perf_counter()
    images = job.images.training
    if recipe.scenes:
        images = generate_images(images, recipe, config.seed, job.on_progress)
        if job.checkpoint is not None:
            start = time.perf_counter()  # the checkpoint's seconds include the first generation
    model = build_model(recipe.model, config.seed).to(job.here.device)

    def measure_accuracy() -> float:
        predicted_N = predict(model, evaluated.images_NHW).labels_N
        return float((predicted_N == evaluated.labels_N).mean())

    trainer = Trainer(
        job.path,
        config,
        model,
        images,
        start=start,
        trackers=job.trackers,
        checkpoint=job.checkpoint,
        measure_accuracy=measure_accuracy if config.by_epoch else None,
        on_progress=job.on_progress,
    )
    trained = trainer.train()
    # The load from other programs while an earlier process trained is unknown.
    other_cores = monitor.measure_cores() if job.checkpoint is None else None
    model.to("cpu")
    write_file(job.path / WEIGHTS, dump_weights(model, recipe, config.seed))
    return model, Training(
        seconds=trained.seconds,
        other_cores=other_cores,
        num_images=len(images),
        images_per_second=len(images) * len(trained.losses) / trained.seconds,
        num_parameters=sum(parameter.numel() for parameter in model.parameters()),
        weights_sha256=hash_file(job.path / WEIGHTS),
        epoch_accuracies=tuple(trained.accuracies if config.by_epoch else ()),
        resumed_with=job.resumed_with,
    )
