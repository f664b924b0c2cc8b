"""Study and compare as one call each: what `import tenfold` offers and the command line calls.

Torch, scipy and matplotlib are imported when a call needs them, not before.
"""

import dataclasses
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tenfold.cluster.connecting import Cluster, check_cluster_flags, connecting
from tenfold.data.batches import count_batches
from tenfold.data.mnist import LabelledImages, load_part, split_holdout
from tenfold.errors import ResumeError, RunError, StudyError
from tenfold.recipes.catalogue import (
    find_recipe,
)
from tenfold.recipes.recipe import (
    Recipe,
)
from tenfold.runs.run import (
    CHECKPOINT,
    DEFAULT_THREADS,
    LOSSES,
    Run,
    RunConfig,
    is_unfinished,
    load_config,
    load_run,
    locking_run,
    read_state,
    tidy_complete_run,
)
from tenfold.studies.runner import run_seeds
from tenfold.studies.study import (
    LONGER,
    RUNS,
    STUDY,
    Study,
    StudyConfig,
    StudyRun,
    is_longer_claimed,
    load_study,
    write_study,
)
from tenfold.system.escaping import escape
from tenfold.system.files import (
    flush_folder,
    make_folder,
    parse_json,
    reporting_disk_errors,
    write_file,
)
from tenfold.system.locks import (
    locking,
)
from tenfold.system.machine import count_cores
from tenfold.training.threads import setting_threads
from tenfold.workflow.workflow import (
    MAX_SEED,
    MAX_THREADS,
    check_whole,
    describe_here,
    load_evaluated_again,
    require_train_extra,
    resume,
    train,
)

if TYPE_CHECKING:
    from tenfold.studies.comparison import Comparison

MAX_SEEDS = 10_000
NUM_ALONE = 3  # by default, where runs can be alone
LONGEST_LINE_BYTES = 200  # of losses.jsonl

logger = logging.getLogger("tenfold")  # unless a program says otherwise, it goes to stderr


@dataclass(frozen=True, kw_only=True)
class StudyProgress:
    """How far a study is: seeds done and in all, the share of all training, the newest run.

    `title` says which study, for one may come with another of twice the epochs.
    """

    title: str
    num_done: int
    num_seeds: int
    share: float
    seconds_left: float | None
    newest: StudyRun | None
    newest_accuracy: float | None


OnProgress = Callable[[StudyProgress], None]


def study(
    recipe: str | Recipe = "classic",
    *,
    seeds: int = 10,
    first_seed: int = 0,
    holdout: bool = False,
    data: str | Path | None = None,
    out: str | Path | None = None,
    threads: int | None = None,
    jobs: int | None = None,
    alone: int | None = None,
    by_epoch: bool = True,
    longer: bool | None = None,
    on: str | None = None,
    address: str | None = None,
    on_progress: OnProgress | None = None,
    **changes: Any,  # noqa: ANN401 - checked against the recipe's fields
) -> Study:
    """Train a recipe with many seeds and return the study, kept as a folder with a report.

    `recipe`, `holdout`, `data` and `changes` are as in `train`. The seeds are `seeds` numbers from
    `first_seed` on. `out` is the study's folder, by default ./studies/RECIPE; seeds that it holds
    are not trained again, so the same call continues a study that was stopped. Each run has
    `threads`, as in `train`, so that it is the run that `train` makes of its seed. `alone` runs, 3
    by default, have the machine to themselves, for the seconds that training takes; of the others,
    `jobs` go on at a time, by default as many as have cores for all their threads. `by_epoch` also
    measures the accuracy after every epoch. `longer` also studies the recipe with twice the
    epochs; by default only where the exercise claims that this would add little.

    `on="ray"` trains on the cluster at `address`, HOST:PORT, or on a Ray of this machine. No run is
    alone there. The folder of `data` must be there, under the same name, on every machine of the
    cluster; `out` on this one.

    Raises RecipeError, DataError, RunError or StudyError for what cannot be used, ClusterError for
    a cluster that cannot.
    """
    require_train_extra()
    check_cluster_flags(on, address=address)
    if on is not None:
        if alone:
            raise StudyError("--alone cannot be combined with --on ray: no run has a cluster alone")
        alone = 0
    recipe = find_recipe(recipe) if isinstance(recipe, str) else recipe
    recipe = recipe.replace(**changes)
    num_seeds = check_whole("--seeds", seeds, 1, MAX_SEEDS)
    first_seed = check_whole("--first-seed", first_seed, 0, MAX_SEED + 1 - num_seeds)
    threads = DEFAULT_THREADS if threads is None else threads
    threads = check_whole("--threads", threads, 1, MAX_THREADS)
    if jobs is not None:
        check_whole("--jobs", jobs, 1, MAX_THREADS)
    num_alone = check_whole("--alone", NUM_ALONE if alone is None else alone, 0, MAX_SEEDS)
    if longer is None:
        longer = is_longer_claimed(recipe)
    if out is None:
        out = Path("studies") / (recipe.name + "-holdout" * holdout)
    data_folder = None if data is None else Path(data).resolve()
    training_images, evaluated = load_study_images(data_folder, holdout)
    checksums = {"train": training_images.checksums}
    if not holdout:
        checksums["test"] = evaluated.checksums
    config = StudyConfig(
        recipe=recipe,
        holdout=holdout,
        data_folder=None if data_folder is None else str(data_folder),
        checksums=checksums,
        num_evaluated=len(evaluated),
        threads=threads,
    )
    wanted = range(first_seed, first_seed + num_seeds)
    plans = [(Path(out), config, "")]
    if longer:
        twice = recipe.replace(epochs=2 * recipe.epochs)
        longer_config = dataclasses.replace(config, recipe=twice)
        plans.append((Path(out) / LONGER, longer_config, f", {twice.epochs} epochs"))
    with reporting_disk_errors(Path(out)):
        make_folder(Path(out))
    busy = StudyError(
        f"{out}: expected a study that nothing else continues, found that another program is at "
        "it. Wait for its end, or use --out for another folder."
    )
    with locking(Path(out), busy), _add_resume_hint(Path(out)), ExitStack() as stack:
        opened = [(open_study(path, planned), note) for path, planned, note in plans]
        cluster = None
        if on is not None:
            cluster = stack.enter_context(connecting(address))
        for opened_study, note in opened:
            _complete(
                opened_study,
                wanted,
                threads=threads,
                cluster=cluster,
                num_jobs=jobs,
                num_alone=0 if note else num_alone,
                by_epoch=by_epoch,
                title=recipe.name + note,
                num_batches=count_batches(len(training_images), recipe.batch_size),
                on_progress=on_progress,
            )
        stack.close()  # the cluster is not needed for the report
        from tenfold.reports.study_files import write_study_report

        finished = load_study(Path(out))
        write_study_report(finished, evaluated)
    return finished


@contextmanager
def _add_resume_hint(folder: Path) -> Iterator[None]:
    """Add to an interrupt how the study goes on."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(f"the same command continues the study in {folder}")
        raise


def load_study_images(
    data_folder: Path | None, holdout: bool
) -> tuple[LabelledImages, LabelledImages]:
    """The images that a study trains on, and those that it evaluates."""
    training = load_part(data_folder, "train")
    if holdout:
        return split_holdout(training)
    return training, load_part(data_folder, "test")


def open_study(path: Path, config: StudyConfig) -> Study:
    """The study in a folder, which must be of this config, or a new one without runs.

    Raises StudyError if there is another study.
    """
    if not os.path.isfile(path / STUDY):  # noqa: PTH113 - Path's raises where this says no
        with reporting_disk_errors(path):
            make_folder(path)
        new = Study(path, config, ())
        write_study(new)
        return new
    known = load_study(path)
    if not known.runs:
        return dataclasses.replace(known, config=config)  # stopped before there was anything
    mine, theirs = config.recipe.flatten(), known.config.recipe.flatten()
    differing = [name for name in mine if mine[name] != theirs.get(name)]
    differing += ["name"] * (config.recipe.name != known.config.recipe.name)
    differing += ["holdout"] * (config.holdout != known.config.holdout)
    differing += ["data"] * (config.checksums != known.config.checksums)
    differing += ["threads"] * (known.config.threads not in (None, config.threads))
    if differing:
        raise StudyError(
            f"{path}: expected a study of the same recipe and data to continue, found one of "
            f"{known.config.recipe.name} that differs in {', '.join(differing)}. "
            "Use --out for another folder."
        )
    config = dataclasses.replace(config, threads=known.config.threads)
    return dataclasses.replace(known, config=config)  # the data may lie elsewhere now


def _complete(
    study: Study,
    wanted: range,
    *,
    threads: int,
    cluster: Cluster | None,
    num_jobs: int | None,
    num_alone: int,
    by_epoch: bool,
    title: str,
    num_batches: int,
    on_progress: OnProgress | None,
) -> None:
    """Train the seeds that a study lacks, writing study.json after each."""
    runs = {run.seed: run for run in study.runs}
    missing = [seed for seed in wanted if seed not in runs]
    num_cores = threads if cluster is None else min(threads, cluster.num_cores_of_one)
    most_jobs = (count_cores() if cluster is None else cluster.num_cores) // num_cores
    num_timed = sum(run.was_alone and run.threads == threads for run in study.runs)
    num_alone = min(len(missing), max(0, num_alone - num_timed))
    training = SeedTraining(
        path=study.path,
        config=study.config,
        threads=threads,
        by_epoch=by_epoch,
    )
    num_epochs = study.config.recipe.epochs
    start, num_before = time.perf_counter(), len(wanted) - len(missing)
    for seeds, jobs in ((missing[:num_alone], 1), (missing[num_alone:], num_jobs or most_jobs)):
        jobs = max(1, min(jobs, len(seeds)))
        if cluster is None:
            trained = run_seeds(training.train_seed, seeds, jobs)
        else:
            trained = _train_on_cluster(training, seeds, jobs, num_cores)
        for new in trained:
            if new is not None:
                runs[new.seed] = new
                in_order = tuple(runs[seed] for seed in sorted(runs))
                write_study(dataclasses.replace(study, runs=in_order))
            if on_progress is None:
                continue
            num_done = sum(seed in runs for seed in wanted)
            running = sum(
                _read_share(study.path / RUNS / str(seed), num_epochs, num_batches)
                for seed in missing
                if seed not in runs
            )
            share_of_missing = (num_done - num_before + running) / len(missing)
            seconds = time.perf_counter() - start
            on_progress(
                StudyProgress(
                    title=title,
                    num_done=num_done,
                    num_seeds=len(wanted),
                    share=(num_done + running) / len(wanted),
                    seconds_left=(
                        seconds * (1 / share_of_missing - 1) if share_of_missing > 0 else None
                    ),
                    newest=new,
                    newest_accuracy=(
                        None if new is None else 1 - len(new.mistakes) / study.config.num_evaluated
                    ),
                )
            )


@dataclass(frozen=True, kw_only=True)
class SeedTraining:
    """How each seed of a study is trained, in whatever process; `path` is the study's folder."""

    path: Path
    config: StudyConfig
    threads: int
    by_epoch: bool

    def find_folder(self, seed: int) -> Path:
        """Where the run of a seed lies."""
        return self.path / RUNS / str(seed)

    def train_seed(self, seed: int) -> StudyRun:
        """One run, in a process of its own: taken, gone on with, or trained from its beginning."""
        return (
            self.take_finished(seed)
            or self._resume(seed)
            or self._train_anew(self.find_folder(seed), seed)
        )

    def take_finished(self, seed: int) -> StudyRun | None:
        """The run in a seed's folder if it is finished, which must be of this study."""
        out = self.find_folder(seed)
        if not out.is_dir() or is_unfinished(out):
            return None
        with _naming_the_way_out(out):
            finished = load_run(out)
        resumed_with = finished.training.resumed_with
        if resumed_with:
            raise StudyError(
                f"{out}: the run was resumed with {'; '.join(resumed_with)}, so its weights cannot "
                "be repeated. Move it away."
            )
        if not self._is_mine(finished.config, seed):
            raise StudyError(
                f"{out}: expected the run of this study with seed {seed}, found a finished one of "
                "another recipe, seed, data or number of threads. Move it away."
            )
        tidy_complete_run(out)
        return StudyRun.from_run(finished)

    def _is_mine(self, found: RunConfig, seed: int) -> bool:
        mine = self.config
        return (found.recipe, found.holdout, found.checksums, found.threads, found.seed) == (
            *(mine.recipe, mine.holdout, mine.checksums, self.threads),
            seed,
        )

    def _resume(self, seed: int) -> StudyRun | None:
        """Go on with a run that was stopped; None if it begins anew."""
        out = self.find_folder(seed)
        if not (out / CHECKPOINT).exists():
            return None
        try:
            with _naming_the_way_out(out):
                state = read_state(out)
                found = load_config(out, state)
            reason = self._find_obstacle(state, found, seed)
            if reason is None:
                return StudyRun.from_run(resume(out, data=self.config.data_folder))
            reason = f"{out}: {reason}"
        except ResumeError as error:
            reason = str(error)
        logger.warning("tenfold: %s; seed %s begins anew", escape(reason), seed)
        return None

    def _find_obstacle(self, state: dict[str, Any], found: RunConfig, seed: int) -> str | None:
        """Why a run that was stopped cannot go on as one of this study; None if it can.

        A study's runs can be repeated to the last bit, so they go on where they began alone.
        """
        if not self._is_mine(found, seed):
            return "the run has another recipe, data or number of threads"
        here = dataclasses.replace(found, **describe_here(found.threads, found.device))
        changes = state.get("resumed_with", []) + found.describe_changes(here)
        return f"the run would be resumed with {'; '.join(changes)}" if changes else None

    def _train_anew(self, out: Path, seed: int) -> StudyRun:
        remove_unfinished_run(out)
        return StudyRun.from_run(self.train_into(out, seed))

    def train_into(self, out: Path, seed: int) -> Run:
        """Train a seed into a new folder."""
        return train(
            self.config.recipe,
            seed=seed,
            holdout=self.config.holdout,
            data=self.config.data_folder,
            out=out,
            threads=self.threads,
            by_epoch=self.by_epoch,
            report=False,
        )


@contextmanager
def _naming_the_way_out(out: Path) -> Iterator[None]:
    try:
        yield
    except RunError as error:
        error.add_note(f"if {out} is not needed, move it away")
        raise


def remove_unfinished_run(out: Path) -> None:
    """Remove a run that is not finished. Raises RunError if another process trains it."""
    if not out.is_dir():
        return
    with reporting_disk_errors(out), locking_run(out):
        if is_unfinished(out):  # still, now that nobody else can be at it
            removed = out.with_name(f".{out.name}.removed.tmp")
            shutil.rmtree(removed, ignore_errors=True)
            out.rename(removed)  # so that half of a run is never there
            shutil.rmtree(removed)


def _train_on_cluster(
    training: SeedTraining, seeds: Sequence[int], num_jobs: int, num_cores: int
) -> Iterator[StudyRun | None]:
    """As `run_seeds` with `train_seed`, on the cluster that is connected.

    An unfinished run is not resumed there; it stays until a complete one takes its place.
    """
    from tenfold.cluster.studies import run_seeds_on_ray

    missing = []
    for seed in seeds:
        finished = training.take_finished(seed)
        if finished is not None:
            yield finished
            continue
        if training.find_folder(seed).is_dir():
            with locking_run(training.find_folder(seed)):
                pass  # no other process trains it
        missing.append(seed)
    for done in run_seeds_on_ray(
        training.train_into, missing, num_jobs, num_cores=num_cores, folder=training.path / RUNS
    ):
        if done is None:
            yield None
            continue
        seed, files = done
        _write_run(training.find_folder(seed), files)
        # It is checked as an earlier one is: the data of that machine may be others.
        yield training.take_finished(seed)


def _write_run(path: Path, files: dict[str, bytes]) -> None:
    """Write a run that was trained elsewhere, so that its folder is complete or absent."""
    temporary = path.with_name(f".{path.name}.tmp")
    with reporting_disk_errors(path):
        shutil.rmtree(temporary, ignore_errors=True)  # of a call that was killed
        for name, content in files.items():
            make_folder((temporary / name).parent)
            write_file(temporary / name, content)
        remove_unfinished_run(path)
        temporary.rename(path)
        flush_folder(path.parent)


def _read_share(path: Path, num_epochs: int, num_batches: int) -> float:
    """How much of a run's training is done, from the last line of its losses."""
    try:
        with (path / LOSSES).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LONGEST_LINE_BYTES))
            last = parse_json(file.read().splitlines()[-1])
    except (OSError, ValueError, IndexError):
        return 0.0  # it has not begun, or is being written at this moment
    return min(1.0, float(last["epoch"] + (last["batch"] + 1) / num_batches) / num_epochs)


def compare(
    studies: str | Path | Study | Sequence[str | Path | Study],
    *,
    data: str | Path | None = None,
    out: str | Path | None = None,
) -> "Comparison":
    """Compare studies of the same images, the first with each of the others.

    Returns a summary of each study, and for each pair the difference with two tests and the images
    that are mended. `data` is where the studies' data lie now, if that has changed.
    With `out`, comparison.json, figures and a report are written there.

    Raises StudyError for a folder without a study or studies of different images, DataError for
    data that cannot be read or are not the studies'.
    """
    require_train_extra()
    if isinstance(studies, str | Path | Study):
        studies = [studies]
    if out is not None and os.path.exists(Path(out) / STUDY):  # noqa: PTH110 - as below
        raise StudyError(f"{out}: expected another folder than a study's, whose report is there")
    from tenfold.studies.comparison import check_comparable
    from tenfold.studies.comparison import compare as compare_studies

    opened = [one if isinstance(one, Study) else load_study(Path(one)) for one in studies]
    if not opened:
        raise StudyError("expected the folders of studies, found none")
    check_comparable(opened)
    evaluated = load_evaluated_again(opened[0].config, f"the study {opened[0].path}", data)
    for one in opened:
        if one.config.num_evaluated != len(evaluated):
            raise StudyError(
                f"{one.path}: expected a study of {len(evaluated)} evaluated images, found one of "
                f"{one.config.num_evaluated}"
            )
    comparison = compare_studies(opened, evaluated.labels_N, is_mnist=opened[0].is_mnist)
    if out is not None:
        from tenfold.reports.study_files import write_comparison_report

        write_comparison_report(Path(out), opened, comparison, evaluated, data)
    return comparison


@dataclass(frozen=True, kw_only=True)
class StudyAverage:
    """How accurate the averaged probabilities of some runs are, beside the runs one by one.

    `seeds` are those of the runs. Accuracies are shares, `mean_` those of single runs on average.
    The corrected ones are on the corrected labels of MNIST's test images; None for other images.
    """

    part: str
    num_images: int
    seeds: tuple[int, ...]
    accuracy: float
    mean_accuracy: float
    corrected_accuracy: float | None
    mean_corrected_accuracy: float | None


def average_study(
    study: str | Path | Study, *, num_runs: int | None = None, data: str | Path | None = None
) -> StudyAverage:
    """Average the probabilities of a study's runs over the images that it was evaluated on.

    The first `num_runs` runs by seed are averaged, by default all; their weights are read from
    runs/SEED in the study's folder. `data` is where the study's data lie now, if that has changed.

    Raises StudyError if the study has fewer runs, or their weights are not there; DataError for
    data that cannot be read or are not the study's.
    """
    require_train_extra()
    opened = study if isinstance(study, Study) else load_study(Path(study))
    if not opened.runs:
        raise StudyError(f"{opened.path}: the study has no runs yet")
    runs = opened.runs
    if num_runs is not None:
        check_whole("--average", num_runs, 1, MAX_SEEDS)
        if num_runs > len(runs):
            raise StudyError(
                f"{opened.path}: cannot average {num_runs} runs; the study has {len(runs)}"
            )
        runs = runs[:num_runs]
    evaluated = load_evaluated_again(opened.config, f"the study {opened.path}", data)
    from tenfold.evaluation.metrics import measure_corrected
    from tenfold.models.build import build_model
    from tenfold.models.predict import compute_probabilities
    from tenfold.training.weights import load_weights

    probabilities_RNK = []
    for run in runs:
        model = build_model(opened.config.recipe.model, run.seed)
        load_weights(model, _find_weights(opened, run))
        with setting_threads(run.threads):
            probabilities_RNK.append(compute_probabilities(model, evaluated.images_NHW))
    average_NK = np.mean(probabilities_RNK, axis=0)
    answers = [one_NK.argmax(1) for one_NK in (average_NK, *probabilities_RNK)]
    labels_N = evaluated.labels_N
    shares = [float((answer_N == labels_N).mean()) for answer_N in answers]
    corrected: list[float | None] = [None, None]
    if opened.is_mnist and not opened.config.holdout:
        of_each = [measure_corrected(labels_N, answer_N).accuracy for answer_N in answers]
        corrected = [of_each[0], sum(of_each[1:]) / len(runs)]
    return StudyAverage(
        part=opened.config.part,
        num_images=len(evaluated),
        seeds=tuple(run.seed for run in runs),
        accuracy=shares[0],
        mean_accuracy=sum(shares[1:]) / len(runs),
        corrected_accuracy=corrected[0],
        mean_corrected_accuracy=corrected[1],
    )


def _find_weights(study: Study, run: StudyRun) -> Path:
    """The weights of one of a study's runs. Raises StudyError if they are not there."""
    folder = study.path / RUNS / str(run.seed)
    if not folder.is_dir():
        raise StudyError(
            f"{folder}: no such run; a study.json alone has no weights. Use the folder that the "
            "study was trained in."
        )
    found = load_run(folder)
    if found.state["weights_sha256"] != run.weights_sha256:
        raise StudyError(f"{found.weights_path}: these are not the weights of the run in {STUDY}")
    return found.weights_path
