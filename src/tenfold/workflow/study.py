"""`tenfold.study`: one recipe trained with many seeds.

Torch, SciPy and Matplotlib are imported when a call needs them.
"""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tenfold.cluster.connecting import Cluster, check_cluster_flags, connecting
from tenfold.data.batches import count_batches
from tenfold.data.mnist import LabelledImages
from tenfold.errors import StudyError
from tenfold.recipes.recipe import Recipe
from tenfold.runs.config import SEEDS, THREADS
from tenfold.runs.folder import CONFIG, lock_run
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
from tenfold.system.files import make_folder, reporting_disk_errors
from tenfold.system.locks import locking
from tenfold.system.machine import count_cores
from tenfold.workflow.arguments import (
    check_integer,
    check_threads,
    choose_class_names,
    choose_recipe,
    require_train_extra,
)
from tenfold.workflow.images import RunImages, check_holdout, load_run_images
from tenfold.workflow.own_model import check_own_model
from tenfold.workflow.progress import showing_study_progress
from tenfold.workflow.seed_trainer import SeedTrainer, write_run_files
from tenfold.workflow.study_progress import OnStudyProgress, ProgressMeter

MAX_SEEDS = 10_000
NUM_ALONE = 3  # by default, without a cluster


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Which seeds a study shall have and how they are trained."""

    seeds: range
    threads: int
    num_jobs: int | None
    num_alone: int
    by_epoch: bool


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
    class_names: Sequence[str] | None = None,
    on: str | None = None,
    address: str | None = None,
    progress: bool | None = None,
    on_progress: OnStudyProgress | None = None,
    **changes: Any,  # noqa: ANN401 - checked against the recipe's fields
) -> Study:
    """Train a recipe with many seeds and return the study, stored as a folder with a report.

    `recipe`, `holdout`, `data`, `class_names` and `changes` are as in `train`. The seeds are
    `seeds` numbers from `first_seed` on. `out` is the study's folder, by default ./studies/RECIPE;
    seeds that it has are not trained again, so the same call continues a stopped study. Each run
    uses `threads` CPU threads, by default 2, and is the same run that `train` makes with its seed.
    The first `alone` runs, by default 3, are trained one at a time to measure the training time;
    `jobs` of the others run at a time, by default as many as there are cores for their threads.
    `by_epoch` also measures
    the accuracy after every epoch. `longer` also studies the recipe with twice the epochs; by
    default only for the unchanged recipe classic, for which the exercise claims that this adds
    little. `progress` is as in `train`. `on_progress` is called with a
    `tenfold.workflow.study_progress.StudyProgress`.

    `on="ray"` trains on the cluster at `address`, HOST:PORT, or starts Ray on this machine; no run
    is alone there. Every machine of the cluster needs the folder `data` under the same name; `out`
    is on this machine.

    Raises RecipeError, DataError, RunError, StudyError or ClusterError for what cannot be used.
    """
    require_train_extra()
    check_cluster_flags(on, address=address)
    recipe = choose_recipe(recipe, changes)
    if not isinstance(data, str | Path | None):
        raise StudyError(
            "the runs of a study are processes of their own, which read the images from files: "
            "data must be a path"
        )
    plan = _check_plan(seeds, first_seed, threads, jobs, alone, by_epoch, on)
    images = load_run_images(recipe, data, holdout=holdout)
    calibrates = images.validation is not None
    check_own_model(recipe, len(images.training), plan.seeds[0], calibrates=calibrates)
    config = StudyConfig(
        recipe=recipe,
        holdout=holdout,
        data_folder=None if data is None else str(Path(data).resolve()),
        checksums=images.checksums,
        holds_out_writers=images.holds_out_writers,
        num_evaluated=len(images.evaluated),
        threads=plan.threads,
        class_names=choose_class_names(class_names, data),
    )
    path = Path("studies") / (recipe.name + "-holdout" * holdout) if out is None else Path(out)
    with (
        _lock_study(path),
        showing_study_progress(on_progress, is_shown=progress) as show,
    ):
        studies = [open_study(path, config)]
        if is_longer_claimed(recipe) if longer is None else longer:
            twice = recipe.replace(epochs=2 * recipe.epochs)
            studies.append(open_study(path / LONGER, dataclasses.replace(config, recipe=twice)))
        with nullcontext() if on is None else connecting(address) as cluster:
            _train_missing_seeds(studies[0], plan, images, cluster, show)
            for opened in studies[1:]:
                _train_missing_seeds(opened, plan, images, cluster, show, is_longer=True)
        return _write_report(path, images.evaluated)


def _check_plan(
    seeds: int,
    first_seed: int,
    threads: int | None,
    jobs: int | None,
    alone: int | None,
    by_epoch: bool,
    on: str | None,
) -> _Plan:
    if on is not None and alone:
        raise StudyError("--alone cannot be combined with --on ray: no run has a cluster alone")
    if alone is None:
        alone = NUM_ALONE if on is None else 0
    num_seeds = check_integer("--seeds", seeds, range(1, MAX_SEEDS + 1))
    first = check_integer("--first-seed", first_seed, SEEDS[: len(SEEDS) + 1 - num_seeds])
    return _Plan(
        seeds=range(first, first + num_seeds),
        threads=check_threads(threads),
        num_jobs=None if jobs is None else check_integer("--jobs", jobs, THREADS),
        num_alone=check_integer("--alone", alone, range(MAX_SEEDS + 1)),
        by_epoch=by_epoch,
    )


@contextmanager
def _lock_study(path: Path) -> Iterator[None]:
    """Make and lock a study's folder; an interrupt says how to continue the study."""
    with reporting_disk_errors(path):
        make_folder(path)
    busy = StudyError(
        f"{path}: the study is locked: another process is training it. Wait until it ends, or use "
        "--out for another folder."
    )
    with locking(path, busy):
        try:
            yield
        except KeyboardInterrupt as error:
            error.add_note(f"the same command continues the study in {path}")
            raise


def open_study(path: Path, config: StudyConfig) -> Study:
    """The study in a folder, which must have this config, or a new one without runs.

    Raises StudyError if there is another study.
    """
    if not os.path.isfile(path / STUDY):  # noqa: PTH113 - Path.is_file may raise
        if os.path.lexists(path / CONFIG):
            raise StudyError(f"{path}: is the folder of a run. Use --out for another folder.")
        with reporting_disk_errors(path):
            make_folder(path)
        new = Study(path, config, ())
        write_study(new)
        return new
    known = load_study(path)
    if not known.runs:
        return dataclasses.replace(known, config=config)  # stopped before its first run ended
    mine, theirs = config.recipe.flatten(), known.config.recipe.flatten()
    differing = [name for name in mine if mine[name] != theirs.get(name)]
    differing += ["model"] * (not differing and config.recipe.model != known.config.recipe.model)
    differing += ["name"] * (config.recipe.name != known.config.recipe.name)
    differing += ["holdout"] * (config.holdout != known.config.holdout)
    differing += ["data"] * (config.checksums != known.config.checksums)
    differing += ["threads"] * (known.config.threads not in (None, config.threads))
    if differing:
        raise StudyError(
            f"{path}: cannot continue the study of {known.config.recipe.name} in this folder, "
            f"which differs in {', '.join(differing)}. Use --out for another folder."
        )
    check_holdout(known.config, f"the study in {path}")
    config = dataclasses.replace(config, threads=known.config.threads)
    return dataclasses.replace(known, config=config)  # the data folder may have moved


def _train_missing_seeds(
    study: Study,
    plan: _Plan,
    images: RunImages,
    cluster: Cluster | None,
    on_progress: OnStudyProgress,
    *,
    is_longer: bool = False,
) -> None:
    """Train the seeds that a study lacks, and write study.json after each."""
    recipe = study.config.recipe
    runs = {run.seed: run for run in study.runs}
    missing = [seed for seed in plan.seeds if seed not in runs]
    meter = ProgressMeter(
        study=study,
        title=f"{recipe.name}, {recipe.epochs} epochs" if is_longer else recipe.name,
        wanted=plan.seeds,
        missing=missing,
        num_batches=count_batches(recipe.scenes or len(images.training), recipe.batch_size),
    )
    trainer = SeedTrainer(
        path=study.path, config=study.config, threads=plan.threads, by_epoch=plan.by_epoch
    )
    num_cores = plan.threads if cluster is None else min(plan.threads, cluster.num_cores_of_one)
    most_jobs = (count_cores() if cluster is None else cluster.num_cores) // num_cores
    num_timed = sum(run.was_alone and run.threads == plan.threads for run in study.runs)
    num_alone = 0 if is_longer else max(0, plan.num_alone - num_timed)
    for seeds, num_jobs in (
        (missing[:num_alone], 1),
        (missing[num_alone:], plan.num_jobs or most_jobs),
    ):
        num_jobs = max(1, min(num_jobs, len(seeds)))
        if cluster is None:
            trained = run_seeds(trainer.train_seed, seeds, num_jobs)
        else:
            trained = _train_on_cluster(trainer, seeds, num_jobs, num_cores)
        for new in trained:
            if new is not None:
                runs[new.seed] = new
                in_order = tuple(runs[seed] for seed in sorted(runs))
                write_study(dataclasses.replace(study, runs=in_order))
            on_progress(meter.measure(runs, new))


def _write_report(path: Path, evaluated: LabelledImages) -> Study:
    from tenfold.reports.study_files import write_study_report

    finished = load_study(path)
    write_study_report(finished, evaluated)
    return finished


def _train_on_cluster(
    trainer: SeedTrainer, seeds: Sequence[int], num_jobs: int, num_cores: int
) -> Iterator[StudyRun | None]:
    """The same as `run_seeds` with `train_seed`, on the connected cluster.

    An unfinished run is not resumed; it stays until a complete one replaces it.
    """
    from tenfold.cluster.studies import run_seeds_on_ray

    missing = []
    for seed in seeds:
        folder = trainer.get_folder(seed)
        finished = trainer.load_finished(seed)
        if finished is not None:
            yield finished
            continue
        if folder.is_dir():
            with lock_run(folder):
                pass  # no other process is training it
        missing.append(seed)
    for done in run_seeds_on_ray(
        trainer.train_into, missing, num_jobs, num_cores=num_cores, folder=trainer.path / RUNS
    ):
        if done is None:
            yield None
            continue
        seed, files = done
        write_run_files(trainer.get_folder(seed), files)
        # Checked as any finished run is: that machine may have other data.
        yield trainer.load_finished(seed)
