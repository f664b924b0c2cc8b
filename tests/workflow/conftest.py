"""A tiny study that several test files share."""

import shutil
from pathlib import Path

import pytest

import tenfold
import tenfold.workflow.study
from tenfold.workflow.study_progress import StudyProgress
from tiny_studies import TINY, Calls, run_here
from workflow.continued import Continued


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, few_readings: None) -> Calls:
    """Studies train in this process and make no report; what they train is listed here."""
    noted: Calls = []
    monkeypatch.setattr("tenfold.workflow.study.run_seeds", run_here(noted))
    monkeypatch.setattr("tenfold.reports.study_files.write_study_report", lambda *_: None)
    return noted


@pytest.fixture(scope="session")
def progress() -> list[StudyProgress]:
    """The progress that the study below reports."""
    return []


@pytest.fixture(scope="session")
def study(
    small_data: Path, tmp_path_factory: pytest.TempPathFactory, progress: list[StudyProgress]
) -> tenfold.Study:
    """Three seeds, and the same with twice the epochs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tenfold.workflow.study.run_seeds", run_here([]))
        return tenfold.study(
            "classic",
            seeds=3,
            data=small_data,
            out=tmp_path_factory.mktemp("study"),
            longer=True,
            on_progress=progress.append,
            **TINY,
        )


@pytest.fixture
def copy(study: tenfold.Study, tmp_path: Path) -> Path:
    """A copy of the study's folder, to continue."""
    return shutil.copytree(study.path, tmp_path / "copy", ignore=lambda *_: ["longer"])


@pytest.fixture
def again(copy: Path, small_data: Path, calls: Calls) -> Continued:
    """The same copy, with the call that continues it."""
    return Continued(copy, small_data, calls)


@pytest.fixture
def fresh(tmp_path: Path, small_data: Path, calls: Calls) -> Continued:
    """A study that has not begun."""
    return Continued(tmp_path / "study", small_data, calls)
