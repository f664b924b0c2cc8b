"""The training of one seed of a study, in whatever process it is done."""

import dataclasses
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tenfold.errors import ResumeError, RunError, StudyError
from tenfold.runs.config import RunConfig
from tenfold.runs.folder import (
    CHECKPOINT,
    Run,
    clean_up_complete_run,
    is_unfinished,
    load_config,
    load_run,
    lock_run,
    read_state,
)
from tenfold.studies.study import RUNS, StudyConfig, StudyRun
from tenfold.system.escaping import escape
from tenfold.system.files import flush_folder, make_folder, reporting_disk_errors, write_file
from tenfold.workflow.arguments import describe_environment
from tenfold.workflow.train import resume, train

logger = logging.getLogger("tenfold")


@dataclass(frozen=True, kw_only=True)
class SeedTrainer:
    """Trains single seeds of a study; `path` is the study's folder."""

    path: Path
    config: StudyConfig
    threads: int
    by_epoch: bool

    def get_folder(self, seed: int) -> Path:
        """The folder of the run of a seed."""
        return self.path / RUNS / str(seed)

    def train_seed(self, seed: int) -> StudyRun:
        """The run of a seed: a finished one, a stopped one resumed, or a new one."""
        run = self.load_finished(seed) or self._resume(seed)
        if run is None:
            remove_unfinished_run(self.get_folder(seed))
            run = StudyRun.from_run(self.train_into(self.get_folder(seed), seed))
        return run

    def load_finished(self, seed: int) -> StudyRun | None:
        """The finished run of a seed; None if there is none.

        Raises StudyError if it is not a run of this study, RunError if it cannot be read.
        """
        out = self.get_folder(seed)
        if not out.is_dir() or is_unfinished(out):
            return None
        with _add_removal_hint(out):
            finished = load_run(out)
        if finished.training.resumed_with:
            raise StudyError(
                f"{out}: the run was resumed with {'; '.join(finished.training.resumed_with)}, so "
                "its weights cannot be repeated. Move it away."
            )
        if not self._matches(finished.config, seed):
            raise StudyError(
                f"{out}: the finished run there is not seed {seed} of this study: the recipe, "
                "seed, data or threads differ. Move it away."
            )
        clean_up_complete_run(out)
        return StudyRun.from_run(finished)

    def _matches(self, config: RunConfig, seed: int) -> bool:
        """Whether a run has the study's recipe, data and threads, and that seed."""
        wanted = self.config
        return config == dataclasses.replace(
            config,
            recipe=wanted.recipe,
            holdout=wanted.holdout,
            checksums=wanted.checksums,
            holds_out_writers=wanted.holds_out_writers,
            threads=self.threads,
            seed=seed,
        )

    def _resume(self, seed: int) -> StudyRun | None:
        """Resume the stopped run of a seed; None if it has to start again."""
        out = self.get_folder(seed)
        if not (out / CHECKPOINT).exists():
            return None
        try:
            self._check_resumable(out, seed)
            return StudyRun.from_run(resume(out, data=self.config.data_folder, progress=False))
        except ResumeError as error:
            logger.warning("tenfold: %s; seed %s begins anew", escape(str(error)), seed)
            return None

    def _check_resumable(self, out: Path, seed: int) -> None:
        """Raise ResumeError if a stopped run cannot be continued as one of this study.

        A study's runs are repeatable to the last bit, so nothing that affects bits may change.
        """
        with _add_removal_hint(out):
            state = read_state(out)
            config = load_config(out, state)
        if not self._matches(config, seed):
            raise ResumeError(f"{out}: the run has another recipe, data or number of threads")
        now = describe_environment(config.threads, config.device, config.recipe.model)
        here = dataclasses.replace(config, **now)
        changes = [*getattr(state, "resumed_with", ()), *config.describe_changes(here)]
        if changes:
            raise ResumeError(f"{out}: the run would be resumed with {'; '.join(changes)}")

    def train_into(self, out: Path, seed: int) -> Run:
        """Train a seed into a new folder."""
        return train(
            self.config.recipe,
            seed=seed,
            holdout=self.config.holdout,
            data=self.config.data_folder,
            class_names=self.config.class_names or None,
            out=out,
            threads=self.threads,
            by_epoch=self.by_epoch,
            report=False,
            progress=False,
        )


@contextmanager
def _add_removal_hint(out: Path) -> Iterator[None]:
    try:
        yield
    except RunError as error:
        error.add_note(f"if {out} is not needed, move it away")
        raise


def remove_unfinished_run(out: Path) -> None:
    """Remove an unfinished run. Raises RunError if another process is training it."""
    if not out.is_dir():
        return
    with reporting_disk_errors(out), lock_run(out):
        if is_unfinished(out):  # still so, now that it is locked
            removed = out.with_name(f".{out.name}.removed.tmp")
            shutil.rmtree(removed, ignore_errors=True)
            out.rename(removed)  # so that the folder is never half removed
            shutil.rmtree(removed)


def write_run_files(path: Path, files: dict[str, bytes]) -> None:
    """Write a run that another machine trained, so that its folder is complete or absent."""
    temporary = path.with_name(f".{path.name}.tmp")
    with reporting_disk_errors(path):
        shutil.rmtree(temporary, ignore_errors=True)  # left by a killed process
        for name, content in files.items():
            make_folder((temporary / name).parent)
            write_file(temporary / name, content)
        remove_unfinished_run(path)
        temporary.rename(path)
        flush_folder(path.parent)
