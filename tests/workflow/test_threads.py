"""The weights of a seed where the last bits of a step depend on threads, as on some processors."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tenfold
from forcing import depending_on_threads
from tenfold.training.threads import setting_threads
from tiny_studies import TINY, Calls


@pytest.fixture(autouse=True)
def _bits_that_depend_on_threads() -> Iterator[None]:
    with depending_on_threads():
        yield


def test_a_seed_has_the_same_weights_in_train_and_study(
    small_data: Path, tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By train, whatever PyTorch was set to; alone or with others; in one call or in two."""
    asked: dict[str, Any] = {"data": small_data, "report": False, **TINY}
    weights = []
    for seed in range(3):
        with setting_threads(1 + seed % 3):
            run = tenfold.train("classic", seed=seed, out=tmp_path / str(seed), **asked)
        weights.append(run.training.weights_sha256)
    with_one = tenfold.train("classic", seed=0, threads=1, out=tmp_path / "one", **asked)
    assert with_one.training.weights_sha256 != weights[0]
    for cores, jobs, alone, counts in ((1, None, 0, [3]), (8, 2, 1, [3]), (4, None, 2, [2, 3])):
        monkeypatch.setattr("tenfold.workflow.study.count_cores", lambda cores=cores: cores)
        out = tmp_path / f"study {cores}"
        for seeds in counts:
            done = tenfold.study(
                "classic", seeds=seeds, data=small_data, out=out, jobs=jobs, alone=alone, **TINY
            )
        assert [run.weights_sha256 for run in done.runs] == weights


# As `python -m tenfold`, but that a run gets no report, which takes longer than all the rest.
CALL_WITHOUT_REPORT = """
import functools, sys
from tenfold.workflow import train
from tenfold.cli import main
train.train = functools.partial(train.train, report=False)
sys.exit(main())
"""


@pytest.mark.parametrize("num_threads", ["4", None])
def test_the_command_line_gives_the_weights_that_python_gives(
    num_threads: str | None, small_data: Path, tmp_path: Path
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    if num_threads is not None:
        environment["OMP_NUM_THREADS"] = num_threads
    flags = "train classic --epochs 1 --hidden-sizes 16 --json"
    done = subprocess.run(
        [
            *(sys.executable, "-c", CALL_WITHOUT_REPORT, *flags.split()),
            *("--data", small_data, "--out", tmp_path / "a"),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    run = tenfold.train(
        "classic", epochs=1, hidden_sizes=(16,), data=small_data, out=tmp_path / "b", report=False
    )
    assert json.loads(done.stdout)["weights_sha256"] == run.training.weights_sha256
