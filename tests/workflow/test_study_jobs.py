"""Which runs of a study are trained alone, how many at a time, and with how many threads."""

import json
from typing import Any

import pytest

from tenfold.reports.study_report import build_study_command
from tenfold.runs.config import DEFAULT_THREADS
from tiny_studies import Calls
from workflow.continued import Continued


@pytest.mark.parametrize(
    ("other_cores", "alone", "expected"),
    [
        ([0.0, 0.0, 1.0], 3, [([3], 1), ([4, 5], 2)]),
        ([0.0, 0.0, 0.0], 3, [([3, 4, 5], 2)]),
        ([None, 1.0, 1.0], 9, [([3, 4, 5], 1)]),
        ([1.0, 1.0, 1.0], 0, [([3, 4, 5], 2)]),
    ],
)
def test_alone_sets_the_number_of_timed_runs(
    other_cores: list[float | None], alone: int, expected: Calls, again: Continued
) -> None:
    known = json.loads((again.path / "study.json").read_text())
    for run, cores in zip(known["runs"], other_cores, strict=True):
        run["other_cores"] = cores
    (again.path / "study.json").write_text(json.dumps(known))
    again.train(6, alone=alone, jobs=2)
    assert again.calls == expected


def test_only_runs_with_the_same_threads_count_as_timed(again: Continued) -> None:
    known = json.loads((again.path / "study.json").read_text())
    known["config"].pop("threads")  # as the first version wrote it
    for run, threads in zip(known["runs"], (2, 1, 1), strict=True):
        run.update(other_cores=0.0, threads=threads)
    (again.path / "study.json").write_text(json.dumps(known))
    again.train(6, alone=2, jobs=2)
    assert again.calls == [([3], 1), ([4, 5], 2)]
    done = again.train(7, threads=1)
    assert [run.threads for run in done.runs] == [2, 1, 1, 2, 2, 2, 1]
    assert done.config.threads is None  # which says that they differ


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"longer": True}, [([0, 1], 1), ([0, 1], 2)]),  # the longer one trains no run alone
        ({"alone": 0}, [([0, 1], 2)]),
        ({"alone": 0, "threads": 1}, [([0, 1], 2)]),  # no more processes than seeds
        ({"alone": 0, "threads": 4}, [([0, 1], 1)]),
        ({"alone": 0, "threads": 8}, [([0, 1], 1)]),
    ],
)
def test_jobs_default_to_cores_divided_by_threads(
    asked: dict[str, Any], expected: Calls, fresh: Continued, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenfold.workflow.study.count_cores", lambda: 4)
    done = fresh.train(2, **asked)
    assert fresh.calls == expected
    threads = asked.get("threads", DEFAULT_THREADS)
    assert {run.threads for run in done.runs} == {done.config.threads} == {threads}
    assert ("--threads" in build_study_command(done)) == ("threads" in asked)
