"""Train, evaluate and export as one call each: what `import tenfold` offers and `cli` calls.

Torch and matplotlib are imported when a call needs them, not before.
"""

import dataclasses
import datetime
import importlib.util
import logging
import numbers
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenfold.data.mnist import LabelledImages, load_evaluated, load_part, split_holdout
from tenfold.errors import (
    DataError,
    DivergedError,
    MissingExtraError,
    RecipeError,
    ResumeError,
    RunError,
    describe_install,
)
from tenfold.recipes.catalogue import (
    find_recipe,
)
from tenfold.recipes.recipe import (
    Recipe,
)
from tenfold.runs.results import Calibration
from tenfold.runs.run import (
    COMPLETE,
    DEFAULT_THREADS,
    EPOCHS,
    SEEDS,
    THREADS,
    OnProgress,
    Run,
    RunConfig,
    create_run_folder,
    load_config,
    load_run,
    locking_run,
    read_state,
    remove_leftovers,
    tidy_complete_run,
    write_resume_command,
    write_running,
    write_start,
)
from tenfold.studies.study import StudyConfig
from tenfold.system.escaping import escape
from tenfold.system.files import write_file
from tenfold.system.machine import describe_machine, list_versions
from tenfold.training.threads import check_environment, limit_spinning, setting_threads
from tenfold.workflow.completing import (
    complete_run,
    load_run_images,
    write_calibration,
    write_evaluation,
)

MAX_SEED, MAX_THREADS, MAX_EPOCHS = SEEDS[-1], THREADS[-1], EPOCHS[-1]
TRAIN_PACKAGES = (
    "torch",
    "safetensors",
    "matplotlib",
    "jinja2",
    "scipy",
    "onnx",
    "onnxscript",
)

logger = logging.getLogger("tenfold")  # unless a program says otherwise, it goes to stderr


def train(
    recipe: str | Recipe = "classic",
    *,
    seed: int = 0,
    holdout: bool = False,
    data: str | Path | None = None,
    out: str | Path | None = None,
    threads: int | None = None,
    device: str = "auto",
    checkpoint_every: int = 1,
    by_epoch: bool = False,
    report: bool = True,
    tensorboard: bool = False,
    on_progress: OnProgress | None = None,
    **changes: Any,  # noqa: ANN401 - checked against the recipe's fields
) -> Run:
    """Train a recipe, evaluate it, and return the run, kept as a folder.

    `recipe` is a name or a Recipe; `changes` are fields of it to change, such as epochs=10.
    `holdout` trains on the first five sixths of the training images and evaluates on the rest; the
    test images are not opened. `data` is a folder of IDX files or of image folders, the embedded
    MNIST if None. `out` is the run's folder, by default a new one in ./runs. `threads` compute each
    step, by default 2 on every machine, for on some machines the weights' last bits depend on their
    number. `device` is "cpu", "cuda" or "auto", a GPU where there is one. A checkpoint is written
    after the last epoch, and every `checkpoint_every` epochs unless that is 0; `resume` goes on
    from it. `by_epoch` also measures the accuracy after every epoch; without `report` no figures
    and no report are made, which `evaluate` can do later. With `tensorboard` event files are
    written to `tensorboard` in the run's folder.

    Raises RecipeError, DataError or RunError for what cannot be used; a run that fails or is
    interrupted stays in its folder as unfinished. Ctrl-C writes a checkpoint first.
    """
    require_train_extra()
    limit_spinning()
    recipe = find_recipe(recipe) if isinstance(recipe, str) else recipe
    recipe = recipe.replace(**changes)
    seed = check_whole("--seed", seed, 0, MAX_SEED)
    if threads is not None:
        threads = check_whole("--threads", threads, 1, MAX_THREADS)
    every = check_whole("--checkpoint-every", checkpoint_every, 0, MAX_EPOCHS)
    _check_tensorboard(tensorboard)
    data_folder = None if data is None else Path(data)
    images = load_run_images(recipe, data_folder, holdout=holdout)

    config = RunConfig(
        recipe=recipe,
        seed=seed,
        holdout=holdout,
        data_folder=None if data_folder is None else str(data_folder.resolve()),
        checksums=images.checksums,
        checkpoint_every=every,
        by_epoch=by_epoch,
        report=report,
        tensorboard=tensorboard,
        **describe_here(threads or DEFAULT_THREADS, device),
    )
    path = create_run_folder(None if out is None else Path(out), recipe.name, seed)
    with locking_run(path):
        remove_leftovers(path)
        write_start(path, config)
        with _add_resume_hint(path):
            return complete_run(
                path,
                config,
                images,
                threads=config.threads,
                device=config.device,
                on_progress=on_progress,
            )


def resume(
    run: str | Path | Run,
    *,
    data: str | Path | None = None,
    threads: int | None = None,
    device: str | None = None,
    on_progress: OnProgress | None = None,
) -> Run:
    """Go on with a run that was stopped, however it was, and return it when it is complete.

    It goes on from its last checkpoint, or begins anew if there is none, and ends with the very
    weights that it would have ended with: on the same machine, with the same threads, device and
    versions. On others their last bits may differ: a warning is logged, and the run's state and
    report say so. A run that is complete is returned as it is. All that `train` was asked is in the
    run's folder. `data` is where the run's data lie now, if that has changed; `threads` and
    `device` are by default the run's own.

    Raises RunError if there is no run or another program trains it, ResumeError, which is one, if
    its checkpoint is damaged or another run's; DataError if the data are not the run's.
    """
    require_train_extra()
    limit_spinning()
    if threads is not None:
        threads = check_whole("--threads", threads, 1, MAX_THREADS)
    path = run.path if isinstance(run, Run) else Path(run)
    from tenfold.training.checkpoint import load_checkpoint, read_checkpoint

    read_state(path)  # where there is no run, nothing can be locked
    with locking_run(path):
        state = read_state(path)
        if state["state"] == COMPLETE:
            complete = load_run(path)
            tidy_complete_run(path)
            return complete
        remove_leftovers(path)
        saved = read_checkpoint(path)
        config = load_config(path, state)
        _check_tensorboard(config.tensorboard)
        here = dataclasses.replace(
            config, **describe_here(threads or config.threads, device or config.device)
        )
        folder = config.data_folder if data is None else data
        with _hinting_at_data(folder, data):
            images = load_run_images(
                config.recipe, None if folder is None else Path(folder), holdout=config.holdout
            )
        if images.checksums != config.checksums:
            raise DataError(
                f"{folder or 'the embedded MNIST'}: expected the data of the run in {path}, found "
                "others. If the run's data have moved, say where they are with --data."
            )
        checkpoint = None
        if saved is not None:
            try:
                checkpoint = load_checkpoint(saved, path)
            except RunError as error:
                raise ResumeError(str(error)) from error
        changes = config.describe_changes(here)
        if changes:
            logger.warning(
                "tenfold: %s: resumed with %s; the weights may differ in their last bits",
                escape(str(path)),
                escape("; ".join(changes)),
            )
        resumed_with = list(dict.fromkeys([*state.get("resumed_with", []), *changes]))
        write_running(path, resumed_with)
        with _add_resume_hint(path, data=data, threads=threads, device=device):
            return complete_run(
                path,
                config,
                images,
                threads=here.threads,
                device=here.device,
                checkpoint=checkpoint,
                on_progress=on_progress,
            )


@contextmanager
def _add_resume_hint(path: Path, **flags: object) -> Iterator[None]:
    """Add the command that resumes a run to any error or interrupt that stops it."""
    try:
        yield
    except BaseException as error:
        note = f"the unfinished run stays in {path}"
        if not isinstance(error, DivergedError):
            note += f": `{write_resume_command(path, **flags)}` goes on with it"
        error.add_note(note)
        raise


def _check_tensorboard(is_wanted: bool) -> None:
    """Raise MissingExtraError if event files are wanted and cannot be written."""
    if is_wanted:
        from tenfold.training.tensorboard import find_writer

        find_writer()


def describe_here(threads: int, device: str) -> dict[str, Any]:
    """The fields of a config that say where and with what a run is trained."""
    from tenfold.training.devices import choose_device, describe_device

    check_environment(threads)
    chosen = choose_device(device)
    return {
        "threads": threads,
        "device": chosen.type,
        "versions": list_versions(),
        "machine": describe_machine() | describe_device(chosen),
        "started": datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
    }


def evaluate(run: str | Path | Run, *, data: str | Path | None = None) -> Run:
    """Evaluate a finished run again: its evaluation, figures and report are replaced.

    So is its calibration, if it has one: that depends on the whole of reading, not on it alone.

    `data` is where the run's data lie now, if that has changed; their checksums must be the run's.

    Raises RunError if the folder holds no finished run, DataError if the data cannot be read or are
    not the run's.
    """
    require_train_extra()
    run = load_run(run.path if isinstance(run, Run) else Path(run))
    config = run.config
    evaluated = load_evaluated_again(config, f"the run {run.path}", data)

    from tenfold.models.build import build_model
    from tenfold.models.predict import predict
    from tenfold.training.weights import load_weights

    model = build_model(config.recipe.model, config.seed)
    load_weights(model, run.weights_path)
    with setting_threads(config.threads):
        predictions = predict(model, evaluated.images_NHW)
        write_evaluation(
            run.path,
            config,
            evaluated,
            predictions,
            run.read_losses(),
            run.training,
        )
        if run.is_calibrated:
            folder = config.data_folder if data is None else data
            training_images = load_part(None if folder is None else Path(folder), "train")
            if training_images.checksums != tuple(config.checksums["train"]):
                raise DataError(f"{folder}: expected the run's training images, found others")
            write_calibration(run.path, config, model, split_holdout(training_images)[1])
    return load_run(run.path)


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The file, how many images it was compared on, and by how much probabilities differed."""

    path: Path
    num_bytes: int
    num_compared: int
    largest_difference: float
    is_calibrated: bool


def export_run(
    run: str | Path | Run,
    out: str | Path | None = None,
    *,
    calibration: str | Path | Run | None = None,
    data: str | Path | None = None,
) -> Exported:
    """Write a run's model as one ONNX file, by default `model.onnx` in the run's folder.

    `calibration` is a hold-out run of the same recipe, whose temperature and thresholds the file
    gets; a hold-out run has its own, and so has one of a recipe that calibrates. Without one the
    file says that it is not calibrated. `data` is where the run's data lie now, if that has
    changed: the file is compared with the run's model on the images that the run was evaluated on.

    Raises RunError if a folder holds no finished run, the two runs do not belong together, or the
    file answers otherwise than the model; DataError if the data cannot be read.
    """
    require_train_extra()
    run = load_run(run.path if isinstance(run, Run) else Path(run))
    found = _find_calibration(run, calibration)
    evaluated = load_evaluated_again(run.config, f"the run {run.path}", data)

    from tenfold.models.build import build_model
    from tenfold.models.onnx import MAX_DIFFERENCE, dump_onnx, measure_difference
    from tenfold.training.weights import load_weights
    from tenfold.workflow.export import build_metadata

    model = build_model(run.config.recipe.model, run.config.seed)
    load_weights(model, run.weights_path)
    exported = dump_onnx(model, build_metadata(run, found))
    path = run.path / "model.onnx" if out is None else Path(out)
    difference = measure_difference(model, exported, evaluated.images_NHW, str(path))
    if difference > MAX_DIFFERENCE:
        raise RunError(
            f"{run.path}: expected an exported model whose probabilities are the run's within "
            f"{MAX_DIFFERENCE:g}, found {difference:g}"
        )
    write_file(path, exported)
    return Exported(
        path=path,
        num_bytes=len(exported),
        num_compared=len(evaluated),
        largest_difference=difference,
        is_calibrated=found is not None,
    )


def _find_calibration(run: Run, calibration: str | Path | Run | None) -> Calibration | None:
    """The run's own calibration, or what a hold-out run of the same recipe found."""
    if calibration is None:
        return run.calibration if run.is_calibrated else None
    other = load_run(calibration.path if isinstance(calibration, Run) else Path(calibration))
    if not other.is_calibrated:
        raise RunError(f"{other.path}: expected a hold-out run for the calibration, found another")
    if other.config.recipe != run.config.recipe:
        raise RunError(
            f"{other.path}: expected a hold-out run of the recipe of {run.path}, found one of "
            f"another recipe: {other.config.recipe.name}"
        )
    if other.config.checksums["train"] != run.config.checksums["train"]:
        raise RunError(
            f"{other.path}: expected a hold-out run of the data of {run.path}, found one of others"
        )
    return other.calibration


def load_evaluated_again(
    config: RunConfig | StudyConfig, owner: str, data: str | Path | None
) -> LabelledImages:
    """The images that a run or study evaluated, from `data` if they lie elsewhere now."""
    folder = config.data_folder if data is None else data
    with _hinting_at_data(folder, data):
        return load_evaluated(
            None if folder is None else Path(folder),
            holdout=config.holdout,
            checksums=config.checksums["train" if config.holdout else "test"],
            owner=owner,
        )


@contextmanager
def _hinting_at_data(folder: str | Path | None, data: str | Path | None) -> Iterator[None]:
    """Say of what is wrong with the folder that a run's config names how to name another."""
    try:
        yield
    except DataError as error:
        if data is None and folder is not None:
            error.add_note("if the data have moved, say where they are with --data")
        raise


def require_train_extra() -> None:
    """Raise MissingExtraError if Tenfold was installed without what training needs."""
    missing = [name for name in TRAIN_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"the extra 'train' is not installed ({', '.join(missing)} missing): "
            f"{describe_install('train')} (see the README for PyTorch's CPU build)"
        )


def check_whole(flag: str, value: object, low: int, high: int) -> int:
    """The value as an int. Raises RecipeError if it is no whole number from `low` to `high`."""
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_whole or not low <= int(value) <= high:  # type: ignore[call-overload]
        raise RecipeError(f"{flag}: expected a whole number from {low} to {high}, found {value}")
    return int(value)  # type: ignore[call-overload,no-any-return]
