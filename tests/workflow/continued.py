"""A study that tests go on with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tenfold
from tenfold.studies.study import load_study, write_study
from tiny_studies import TINY, Calls


def stop(_: object) -> None:
    """Interrupt training when it first reports progress."""
    raise KeyboardInterrupt


@dataclass(frozen=True)
class Continued:
    """A copy of the study's folder; `calls` lists the seeds that are trained, in this process."""

    path: Path
    data: Path
    calls: Calls

    def train(self, seeds: int = 4, **asked: Any) -> tenfold.Study:
        """Make the call that made the study, with more seeds and other arguments."""
        return tenfold.study(
            **{"seeds": seeds, "data": self.data, "out": self.path, **TINY, **asked}
        )

    def get_run(self, seed: int) -> Path:
        return self.path / "runs" / str(seed)

    def leave_stopped(self, seed: int = 3, **asked: Any) -> Path:
        """Train a seed until the first of its two epochs, as a study leaves it that is stopped."""
        run, own = self.get_run(seed), {"by_epoch": True, "report": False, **TINY, **asked}
        with pytest.raises(KeyboardInterrupt):
            tenfold.train(seed=seed, data=self.data, out=run, on_progress=stop, **own)
        return run

    def forget(self, seed: int) -> Path:
        """Take a run out of study.json, as a study leaves it that is killed before it writes it."""
        known = load_study(self.path)
        kept = tuple(run for run in known.runs if run.seed != seed)
        write_study(tenfold.Study(self.path, known.config, kept))
        return self.get_run(seed)
