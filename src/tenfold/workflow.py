"""Train, evaluate and export as one call each: what `import tenfold` offers and `cli` calls.

Torch and matplotlib are imported when a call needs them, not before.
"""

import dataclasses
import datetime
import importlib.util
import json
import numbers
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenfold.completing import (
    UnfinishedRun,
    complete_run,
    load_run_images,
    write_calibration,
    write_evaluation,
)
from tenfold.data.mnist import LabelledImages, load_evaluated, load_part, split_holdout
from tenfold.disk import read_json, write_file
from tenfold.errors import (
    DataError,
    DivergedError,
    MissingExtraError,
    RecipeError,
    ResumeError,
    RunError,
    describe_install,
)
from tenfold.machine import describe_machine, find_deciding, list_versions
from tenfold.recipes import Recipe, find_recipe
from tenfold.run import (
    COMPLETE,
    CONFIG,
    DEFAULT_THREADS,
    EPOCHS,
    SEEDS,
    THREADS,
    OnProgress,
    Run,
    RunConfig,
    create_run_folder,
    list_differences,
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
from tenfold.training.threads import check_environment, limit_spinning, setting_threads

if TYPE_CHECKING:
    from tenfold.training.processes import Processes

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
    members_from: str | Path | None = None,
    tensorboard: bool = False,
    on_progress: OnProgress | None = None,
    **changes: Any,  # noqa: ANN401 - checked against the recipe's fields
) -> Run:
    """Train a recipe, evaluate it, and return the run, kept as a folder.

    `recipe` is a name or a Recipe; `changes` are fields of it to change, such as epochs=10.
    `holdout` trains on the first five sixths of the training images and evaluates on the rest; the
    test images are not opened. `data` is a folder of IDX files or of image folders, the embedded
    MNIST if None. `out` is the run's folder, by default a new one in ./runs. `threads` compute each
    step, by default 2 on every machine (under torchrun 1 in each process), for on some machines the
    weights' last bits depend on their number. `device` is "cpu", "cuda" or "auto", a GPU where
    there is one. A checkpoint is written after the last epoch, and every `checkpoint_every` epochs
    unless that is 0; `resume` goes on from it. Processes that torchrun started train one run
    together, and each gets it; files are written by the first. `by_epoch` also measures the
    accuracy after every epoch; without `report` no figures and no report are
    made, which `evaluate` can do later. `members_from` is a folder with runs of an ensemble's
    members, named by their seeds, as a study of the single recipe leaves it: members that are there
    are not trained again. With `tensorboard` event files are written to `tensorboard` in the run's
    folder.

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

    with _joining(device) as processes:
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
            members_from=None if members_from is None else str(Path(members_from).resolve()),
            **_describe_here(threads, processes),
        )
        with ExitStack() as held:
            path = Path("runs")
            if processes.is_first:
                path = create_run_folder(None if out is None else Path(out), recipe.name, seed)
                held.enter_context(locking_run(path))
                remove_leftovers(path)
                write_start(path, config)
                held.enter_context(_naming_the_way_on(path, processes.size))
            path = Path(os.fsdecode(processes.tell(os.fsencode(path))))
            begun = UnfinishedRun(
                path=path,
                config=config,
                images=images,
                processes=processes,
                threads=config.threads,
            )
            return complete_run(begun, on_progress)


def resume(
    run: str | Path | Run,
    *,
    data: str | Path | None = None,
    threads: int | None = None,
    device: str | None = None,
    allow_different: bool = False,
    on_progress: OnProgress | None = None,
) -> Run:
    """Go on with a run that was stopped, however it was, and return it when it is complete.

    It goes on from its last checkpoint, or begins anew if there is none, and ends with the very
    weights that it would have ended with: on the same machine, with the same threads, processes
    and versions. Otherwise RunError says what differs; `allow_different` goes on all the same, then
    and later, and the run says so. A run that is complete is returned as it is. All that `train`
    was asked is in the run's folder. `data` is where the run's data lie now, if that has changed;
    `threads` and `device` are by default the run's own.

    Raises RunError if there is no run or another program is at it, ResumeError, which is one, if
    its checkpoint is damaged or another run's or something differs; DataError if the data are not
    the run's.
    """
    require_train_extra()
    limit_spinning()
    if threads is not None:
        threads = check_whole("--threads", threads, 1, MAX_THREADS)
    path = run.path if isinstance(run, Run) else Path(run)
    from tenfold.training.checkpoints import list_changes, load_checkpoint, read_checkpoint

    with _joining(device or _find_device(path)) as processes, ExitStack() as held:
        found: dict[str, Any] = {}
        saved = None
        if processes.is_first:
            read_state(path)  # where there is no run, nothing can be locked
            held.enter_context(locking_run(path))
            state = read_state(path)
            if state["state"] == COMPLETE:
                found = {"complete": state, "config": load_run(path).config.to_json()}
                tidy_complete_run(path)
            else:
                remove_leftovers(path)
                saved = read_checkpoint(path)
                config = load_config(path, state, lambda found: list_changes(saved or b"", found))
                found = {
                    "config": config.to_json(),
                    "with": state.get("resumed_with", []),
                    "has_checkpoint": saved is not None,
                }
        found = json.loads(processes.tell(json.dumps(found).encode()))
        config = RunConfig.from_json(found["config"])
        if "complete" in found:
            return Run(path, config, found["complete"])
        if processes.is_first:
            _check_tensorboard(config.tensorboard)
        here = dataclasses.replace(config, **_describe_here(threads or config.threads, processes))
        differing = [one for one in _list_differences(config, here) if one not in found["with"]]
        if differing and not allow_different:
            error = ResumeError(
                f"{path}: expected what the run began with, found that {'; '.join(differing)}: its "
                "weights would differ in their last bits"
            )
            error.add_note("--allow-different goes on all the same")
            raise error
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
        if found["has_checkpoint"]:
            said = processes.tell(saved or b"")
            try:
                checkpoint = load_checkpoint(said, config, path)
            except RunError as error:
                raise ResumeError(str(error)) from error
        resumed_with = [*found["with"], *differing]
        if processes.is_first:
            write_running(path, resumed_with)
            flags = {"data": data, "threads": threads, "device": device}
            held.enter_context(_naming_the_way_on(path, processes.size, **flags))
        resumed = UnfinishedRun(
            path=path,
            config=config,
            images=images,
            processes=processes,
            threads=here.threads,
            checkpoint=checkpoint,
            resumed_with=resumed_with,
        )
        return complete_run(resumed, on_progress)


@contextmanager
def _naming_the_way_on(path: Path, num_processes: int, **flags: object) -> Iterator[None]:
    """Say to whoever stops a run, and of what stops it, how it goes on."""
    try:
        yield
    except BaseException as error:
        note = f"the unfinished run stays in {path}"
        if not isinstance(error, DivergedError):
            note += f": `{write_resume_command(path, num_processes, **flags)}` goes on with it"
        error.add_note(note)
        raise


def _find_device(path: Path) -> str:
    """On what a run began, for who sees its folder."""
    try:
        return str(read_json(path / CONFIG)["device"])
    except (RunError, KeyError):
        return "auto"


def _check_tensorboard(is_wanted: bool) -> None:
    """Raise MissingExtraError if event files are wanted and cannot be written."""
    if is_wanted:
        from tenfold.training.events import find_writer

        find_writer()


@contextmanager
def _joining(device: str) -> Iterator["Processes"]:
    """The processes that train together on a device: this one, or those that torchrun started."""
    from tenfold.training.devices import choose_device
    from tenfold.training.processes import joining_processes

    with joining_processes(choose_device(device)) as processes:
        yield processes


def is_first_process() -> bool:
    """Whether this process writes and prints: the only one, or the first that torchrun started."""
    return os.environ.get("RANK", "0") == "0" or "TORCHELASTIC_RUN_ID" not in os.environ


def _describe_here(threads: int | None, processes: "Processes") -> dict[str, Any]:
    """The fields of a config that say where and with what a run is trained."""
    from tenfold.training.devices import describe_device

    if threads is None:
        threads = DEFAULT_THREADS if processes.size == 1 else 1  # as processes share the cores
    check_environment(threads)
    return {
        "threads": threads,
        "device": processes.device.type,
        "processes": processes.size,
        "versions": list_versions(),
        "machine": describe_machine() | describe_device(processes.device),
        "started": datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
    }


def _list_differences(config: RunConfig, here: RunConfig) -> list[str]:
    """What the weights may depend on and is not as it was, in words."""
    before, now = (
        {name: getattr(one, name) for name in ("threads", "processes", "device")}
        | find_deciding(one.machine, one.versions)
        for one in (config, here)
    )
    return list_differences(before, now)


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

    from tenfold.evaluation.predictions import predict
    from tenfold.models.build import build_classifier
    from tenfold.training.weights import load_weights

    model = build_classifier(config.recipe, config.seed)
    load_weights(model, run.weights_path)
    with setting_threads(config.threads):
        predictions = predict(model, evaluated.images_NHW)
        write_evaluation(
            run.path,
            config,
            evaluated,
            predictions,
            run.read_losses(),
            run.state["training"],
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

    from tenfold.export import LARGEST_DIFFERENCE, build_metadata, compare, dump_onnx
    from tenfold.models.build import build_classifier
    from tenfold.training.weights import load_weights

    model = build_classifier(run.config.recipe, run.config.seed)
    load_weights(model, run.weights_path)
    exported = dump_onnx(model, build_metadata(run, found))
    path = run.path / "model.onnx" if out is None else Path(out)
    difference = compare(model, exported, evaluated.images_NHW, str(path))
    if difference > LARGEST_DIFFERENCE:
        raise RunError(
            f"{run.path}: expected an exported model whose probabilities are the run's within "
            f"{LARGEST_DIFFERENCE:g}, found {difference:g}"
        )
    write_file(path, exported)
    return Exported(
        path=path,
        num_bytes=len(exported),
        num_compared=len(evaluated),
        largest_difference=difference,
        is_calibrated=found is not None,
    )


def _find_calibration(run: Run, calibration: str | Path | Run | None) -> dict[str, Any] | None:
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
