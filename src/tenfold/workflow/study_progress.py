"""How far a study is."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tenfold.runs.losses import read_num_epochs
from tenfold.studies.study import RUNS, Study, StudyRun


@dataclass(frozen=True, kw_only=True)
class StudyProgress:
    """Finished seeds, the share of all training that is done, and the newest run.

    `title` names the study, because one of twice the epochs may follow it.
    """

    title: str
    num_done: int
    num_seeds: int
    share: float
    seconds_left: float | None
    newest: StudyRun | None
    newest_accuracy: float | None


OnStudyProgress = Callable[[StudyProgress], None]


@dataclass(frozen=True, kw_only=True)
class ProgressMeter:
    """Measures how far a study is since the meter was made, including unfinished runs."""

    study: Study
    title: str
    wanted: range
    missing: list[int]
    num_batches: int
    start: float = field(default_factory=time.perf_counter)

    def measure(self, runs: Mapping[int, StudyRun], newest: StudyRun | None) -> StudyProgress:
        """The progress with these finished runs."""
        config = self.study.config
        left = [seed for seed in self.missing if seed not in runs]
        num_running = 0.0  # runs, by the share of their epochs
        for seed in left:
            folder = self.study.path / RUNS / str(seed)
            num_epochs = read_num_epochs(folder, self.num_batches)
            num_running += min(1.0, num_epochs / config.recipe.epochs)
        num_seeds, num_done = len(self.wanted), len(self.wanted) - len(left)
        share = (len(self.missing) - len(left) + num_running) / len(self.missing)
        seconds = time.perf_counter() - self.start
        return StudyProgress(
            title=self.title,
            num_done=num_done,
            num_seeds=num_seeds,
            share=(num_done + num_running) / num_seeds,
            seconds_left=seconds * (1 / share - 1) if share > 0 else None,
            newest=newest,
            newest_accuracy=(
                None if newest is None else 1 - len(newest.mistakes) / config.num_evaluated
            ),
        )
