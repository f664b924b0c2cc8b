"""Studies of a tiny recipe on 1,200 images.

Starting processes takes longer than all their training, so these tests train in this one. What
processes do, tests/studies/test_runner.py and tests/end_to_end/test_stopped_studies.py show.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tenfold
import tenfold.workflow.study
from forcing import depending_on_threads
from tenfold.cli import main
from tenfold.data.idx import dump_idx
from tenfold.data.mnist import LabelledImages, load_part
from tenfold.errors import DataError, RecipeError, RunError, StudyError
from tenfold.models.build import build_model
from tenfold.reports.study_report import build_study_command
from tenfold.runs.config import DEFAULT_THREADS, RunConfig
from tenfold.runs.folder import load_config, lock_run, read_state
from tenfold.studies.study import load_study, write_study
from tenfold.system.files import (
    hash_file,
)
from tenfold.system.json_types import to_json
from tenfold.system.locks import (
    locking,
)
from tenfold.training.threads import setting_threads
from tenfold.training.weights import load_weights
from tenfold.workflow.seed_trainer import SeedTrainer
from tenfold.workflow.study import _train_on_cluster
from tenfold.workflow.study_progress import StudyProgress

TINY: dict[str, Any] = {"hidden_sizes": [16], "epochs": 2}
Calls = list[tuple[list[int], int]]


def run_here(calls: Calls) -> Callable[..., Iterator[Any]]:
    """What takes the place of `run_seeds`: it trains in this process, and notes seeds and jobs."""

    def run_seeds(
        train_seed: Callable[[int], Any], seeds: Sequence[int], num_jobs: int
    ) -> Iterator[Any]:
        if seeds:
            calls.append((list(seeds), num_jobs))
        for seed in seeds:
            yield None
            yield train_seed(seed)

    return run_seeds


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, few_readings: None) -> Calls:
    """Studies train in this process and make no report; what they train is listed here."""
    noted: Calls = []
    monkeypatch.setattr("tenfold.workflow.study.run_seeds", run_here(noted))
    monkeypatch.setattr("tenfold.reports.study_files.write_study_report", lambda *_: None)
    return noted


@pytest.fixture(scope="module")
def progress() -> list[StudyProgress]:
    """What the study below tells while it goes on."""
    return []


@pytest.fixture(scope="module")
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
    """A copy of the study's folder, to go on with."""
    return shutil.copytree(study.path, tmp_path / "copy", ignore=lambda *_: ["longer"])


def list_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_study_folder_holds_what_it_should(study: tenfold.Study) -> None:
    of_a_run = {"config.json", "evaluation.json", "losses.jsonl", "model.safetensors", "state.json"}
    assert list_files(study.path) == {
        "study.json",
        "summary.json",
        "report.html",
        *(f"figures/{name}.png" for name in ("accuracy_by_seed", "digits", "epochs")),
        "figures/hardest_images.png",
        "longer/study.json",
        *(f"runs/{seed}/{name}" for seed in range(3) for name in of_a_run),
        *(f"longer/runs/{seed}/{name}" for seed in range(3) for name in of_a_run),
    }


def test_a_study_keeps_what_its_runs_gave(study: tenfold.Study) -> None:
    assert [run.seed for run in study.runs] == [0, 1, 2]
    for kept, accuracy in zip(study.runs, study.accuracies, strict=True):
        run = tenfold.load_run(study.path / "runs" / str(kept.seed))
        assert kept.weights_sha256 == hash_file(run.weights_path)
        assert accuracy == pytest.approx(run.accuracy)
        assert sorted(index for index, _, _ in kept.mistakes) == sorted(
            one.index for one in run.evaluation.misclassified
        )
        first = run.evaluation.misclassified[0]
        assert kept.mistakes[0] == pytest.approx(
            (first.index, first.predicted, first.confidence), abs=1e-4
        )
        losses = [np.mean(epoch) for epoch in run.read_losses()]
        assert kept.epoch_losses == pytest.approx(losses, abs=1e-6)
        # The last epoch's accuracy is the run's: the same model, the same images.
        assert kept.epoch_accuracies[-1] == pytest.approx(run.accuracy)
        assert len(kept.epoch_accuracies) == 2
        assert kept.epoch_accuracies[0] != kept.epoch_accuracies[1]
        assert kept.started == run.config.started
        assert kept.num_parameters == 785 * 16 + 17 * 10


def test_measuring_by_epoch_changes_no_weights(
    study: tenfold.Study, small_data: Path, tmp_path: Path
) -> None:
    threads = study.runs[0].threads
    run = tenfold.train(
        "classic", data=small_data, out=tmp_path, threads=threads, report=False, **TINY
    )
    assert run.training.weights_sha256 == study.runs[0].weights_sha256
    assert run.evaluation.training.epoch_accuracies == ()


def test_twice_the_epochs_are_a_study_too(study: tenfold.Study) -> None:
    assert study.longer is not None
    assert study.longer == load_study(study.path / "longer")
    assert study.longer.config.recipe.epochs == 4
    gains = [
        tenfold.load_run(study.path / "longer/runs" / str(seed)).accuracy
        - tenfold.load_run(study.path / "runs" / str(seed)).accuracy
        for seed in range(3)
    ]
    measured = study.read_summary().longer
    assert measured is not None
    assert measured.gain.mean == pytest.approx(np.mean(gains))


def test_a_study_of_other_data_claims_nothing(study: tenfold.Study) -> None:
    summary = study.read_summary()
    assert [one.name for one in summary.findings] == ["accuracy"]
    assert "MNIST" not in study.report.read_text()


def test_the_report_stands_alone_and_shows_the_numbers(study: tenfold.Study) -> None:
    page = study.report.read_text()
    assert "<script" not in page
    assert not re.search(r'(?:src|href|srcset)="(?!data:image/png;base64,)', page)
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)
    assert page.count("<figure") == 4
    assert page.count("base64,") == 8  # each in light and dark
    for embedded in re.findall(r"base64,([^\"]*)", page):
        assert base64.b64decode(embedded).startswith(b"\x89PNG")
    for name in ("accuracy_by_seed", "digits", "epochs", "hardest_images"):
        png = (study.path / "figures" / f"{name}.png").read_bytes()
        assert base64.b64encode(png).decode() in page
    text = page.replace("\N{NO-BREAK SPACE}", " ")
    summary = study.read_summary()
    for finding in summary.findings:
        assert finding.sentence in text
    assert f"{100 * study.accuracies.mean():.2f} % over 3 seeds" in text
    for one in summary.digits:
        assert f"{100 * one.error_rate.mean:.2f} %" in text
    assert (
        "tenfold study classic --seeds 3 --epochs 2 --hidden-sizes 16 --data "
        f"{study.config.data_folder} --longer --out {study.path}"
    ) in text


def test_progress_tells_how_far_the_study_is(
    study: tenfold.Study, progress: list[StudyProgress]
) -> None:
    assert [one.title for one in progress] == ["classic"] * 6 + ["classic, 4 epochs"] * 6
    for told in (progress[:6], progress[6:]):
        assert [one.num_done for one in told] == [0, 1, 1, 2, 2, 3]
        assert all(one.num_seeds == 3 for one in told)
        assert [one.newest and one.newest.seed for one in told] == [None, 0, None, 1, None, 2]
        assert [one.share for one in told] == pytest.approx([0, 1 / 3, 1 / 3, 2 / 3, 2 / 3, 1])
        assert told[0].seconds_left is None
        assert told[-1].seconds_left == pytest.approx(0)
    assert progress[1].newest_accuracy == pytest.approx(study.accuracies[0])


def test_runs_that_are_going_on_count_as_far_as_they_are(
    small_data: Path, copy: Path, calls: Calls
) -> None:
    # As two processes leave it: of seed 3 one of 24 steps is told, of seed 4 all but one.
    for seed, (epoch, batch) in ((3, (0, 0)), (4, (1, 10))):
        (copy / f"runs/{seed}").mkdir()
        (copy / f"runs/{seed}/losses.jsonl").write_text(
            f'{{"epoch": 0, "batch": 0, "loss": 2.3}}\n{{"epoch": {epoch}, "batch": {batch}, '
            '"loss": 2.1}\n'
        )
        (copy / f"runs/{seed}/state.json").write_text('{"state": "running"}')
        (copy / f"runs/{seed}/config.json").write_text("{}")
    told: list[StudyProgress] = []
    tenfold.study(
        "classic", seeds=5, data=small_data, out=copy, on_progress=told.append, alone=0, **TINY
    )
    assert told[0].share == pytest.approx((3 + 1 / 24 + 23 / 24) / 5)
    assert told[0].num_done == 3


def test_more_seeds_train_only_what_is_missing(
    study: tenfold.Study, small_data: Path, copy: Path, calls: Calls
) -> None:
    more = tenfold.study("classic", seeds=5, data=small_data, out=copy, alone=0, jobs=2, **TINY)
    assert calls == [([3, 4], 2)]
    assert more.runs[:3] == study.runs
    assert [run.seed for run in more.runs] == [0, 1, 2, 3, 4]
    assert len({run.weights_sha256 for run in more.runs}) == 5
    assert load_study(copy) == more
    before = (copy / "study.json").read_bytes()
    again = tenfold.study("classic", seeds=2, first_seed=3, data=small_data, out=copy, **TINY)
    assert calls == [([3, 4], 2)]
    assert again == more
    assert (copy / "study.json").read_bytes() == before


def test_seeds_before_the_first_come_first(small_data: Path, tmp_path: Path, calls: Calls) -> None:
    for first_seed in (7, 2):
        done = tenfold.study(
            "classic",
            seeds=1,
            first_seed=first_seed,
            data=small_data,
            out=tmp_path / "study",
            by_epoch=False,
            **TINY,
        )
    assert [run.seed for run in done.runs] == [2, 7]
    assert done.runs[0].epoch_accuracies == ()


@pytest.mark.parametrize(
    ("other_cores", "alone", "expected"),
    [
        ([0.0, 0.0, 1.0], 3, [([3], 1), ([4, 5], 2)]),
        ([0.0, 0.0, 0.0], 3, [([3, 4, 5], 2)]),
        ([None, 1.0, 1.0], 9, [([3, 4, 5], 1)]),
        ([1.0, 1.0, 1.0], 0, [([3, 4, 5], 2)]),
    ],
)
def test_as_many_runs_as_asked_for_have_the_machine_to_themselves(
    other_cores: list[float | None],
    alone: int,
    expected: Calls,
    small_data: Path,
    copy: Path,
    calls: Calls,
) -> None:
    known = json.loads((copy / "study.json").read_text())
    for run, cores in zip(known["runs"], other_cores, strict=True):
        run["other_cores"] = cores
    (copy / "study.json").write_text(json.dumps(known))
    tenfold.study("classic", seeds=6, data=small_data, out=copy, alone=alone, jobs=2, **TINY)
    assert calls == expected


def test_only_runs_with_the_studys_threads_count_as_alone(
    small_data: Path, copy: Path, calls: Calls
) -> None:
    known = json.loads((copy / "study.json").read_text())
    known["config"].pop("threads")  # as the first version wrote it
    for run, threads in zip(known["runs"], (2, 1, 1), strict=True):
        run.update(other_cores=0.0, threads=threads)
    (copy / "study.json").write_text(json.dumps(known))
    tenfold.study("classic", seeds=6, data=small_data, out=copy, alone=2, jobs=2, **TINY)
    assert calls == [([3], 1), ([4, 5], 2)]
    done = tenfold.study("classic", seeds=7, data=small_data, out=copy, threads=1, **TINY)
    assert [run.threads for run in done.runs] == [2, 1, 1, 2, 2, 2, 1]
    assert done.config.threads is None  # which says that they differ


def test_the_longer_study_trains_nobody_alone(
    small_data: Path, tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenfold.workflow.study.count_cores", lambda: 4)
    done = tenfold.study("classic", seeds=3, data=small_data, out=tmp_path, longer=True, **TINY)
    assert calls == [([0, 1, 2], 1), ([0, 1, 2], 2)]
    assert done.longer is not None


def test_as_many_runs_go_on_at_a_time_as_have_cores_for_their_threads(
    small_data: Path, tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenfold.workflow.study.count_cores", lambda: 4)
    for threads, jobs in ((None, 2), (1, 3), (4, 1), (8, 1)):  # no more processes than seeds
        calls.clear()
        out = tmp_path / str(threads)
        done = tenfold.study(
            "classic", seeds=3, data=small_data, out=out, alone=0, threads=threads, **TINY
        )
        assert calls == [([0, 1, 2], jobs)]
        assert {run.threads for run in done.runs} == {threads or DEFAULT_THREADS}
        assert done.config.threads == (threads or DEFAULT_THREADS)
    assert "--threads 8" in build_study_command(done)


def test_a_study_of_other_threads_is_not_continued(
    small_data: Path, copy: Path, calls: Calls
) -> None:
    with pytest.raises(StudyError, match=r"differs in threads\. Use --out"):
        tenfold.study("classic", seeds=4, data=small_data, out=copy, threads=1, **TINY)
    assert calls == []


def test_a_run_that_went_on_with_other_threads_is_not_the_studys(
    small_data: Path, copy: Path, calls: Calls
) -> None:
    leave_stopped(small_data, copy / "runs/3")
    tenfold.resume(copy / "runs/3", threads=1)
    message = f"{copy}/runs/3: the run was resumed with threads 1 instead of 2, so its weights"
    with pytest.raises(StudyError, match=f"^{re.escape(message)}"):
        tenfold.study("classic", seeds=4, data=small_data, out=copy, **TINY)


# --- where the last bits of a step depend on threads, as on some processors


@pytest.fixture
def _bits_that_depend_on_threads() -> Iterator[None]:
    with depending_on_threads():
        yield


@pytest.mark.usefixtures("_bits_that_depend_on_threads")
def test_a_seed_has_the_same_weights_wherever_it_is_trained(
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


@pytest.mark.usefixtures("_bits_that_depend_on_threads")
@pytest.mark.parametrize("num_threads", ["1", "4", None])
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


@pytest.mark.parametrize(
    ("changed", "differing"),
    [
        ({"epochs": 3}, "epochs"),
        ({"hidden_sizes": [17], "batch_size": 50}, "batch_size, hidden_sizes"),
        ({"holdout": True}, "holdout, data"),
        ({"recipe": tenfold.Recipe(name="mine", summary="a test")}, "name"),
    ],
)
def test_another_study_in_the_folder_is_refused(
    changed: dict[str, Any], differing: str, small_data: Path, copy: Path, calls: Calls
) -> None:
    before = (copy / "study.json").read_bytes()
    message = (
        f"{copy}: cannot continue the study of classic in this folder, which differs in "
        f"{differing}. Use --out for another folder."
    )
    with pytest.raises(StudyError, match=f"^{re.escape(message)}$"):
        tenfold.study(data=small_data, out=copy, **{**TINY, **changed})
    assert calls == []
    assert (copy / "study.json").read_bytes() == before


def test_a_study_that_has_no_runs_yet_may_become_another(
    small_data: Path, tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one leaves it that was stopped, and begun again with other flags."""

    def stop(*_: Any) -> Iterator[Any]:
        raise KeyboardInterrupt
        yield

    with monkeypatch.context() as patch:
        patch.setattr("tenfold.workflow.study.run_seeds", stop)
        with pytest.raises(KeyboardInterrupt):
            tenfold.study("classic", data=small_data, out=tmp_path, **TINY)
    assert load_study(tmp_path).runs == ()
    changed = TINY | {"epochs": 1}
    done = tenfold.study("classic", seeds=1, data=small_data, out=tmp_path, **changed)
    assert done.config.recipe.epochs == 1
    assert load_study(tmp_path) == done


def test_whoever_stops_a_study_is_told_how_it_goes_on(
    small_data: Path, tmp_path: Path, calls: Calls
) -> None:
    def stop(_: StudyProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as raised:
        tenfold.study("classic", data=small_data, out=tmp_path, on_progress=stop, **TINY)
    assert raised.value.__notes__ == [f"the same command continues the study in {tmp_path}"]


def test_other_data_in_the_folder_are_refused(
    small_data: Path, copy: Path, calls: Calls, test_images: LabelledImages, tmp_path: Path
) -> None:
    other = shutil.copytree(small_data, tmp_path / "data")
    (other / "t10k-labels-idx1-ubyte").write_bytes(dump_idx(test_images.labels_N[1:501]))
    with pytest.raises(StudyError, match=r"which differs in data\."):
        tenfold.study("classic", data=other, out=copy, **TINY)
    assert calls == []


def test_a_holdout_study_does_not_open_the_test_files(
    small_data: Path, tmp_path: Path, calls: Calls
) -> None:
    only_train = tmp_path / "data"
    only_train.mkdir()
    for path in small_data.glob("train-*"):
        shutil.copy(path, only_train)
    done = tenfold.study(
        "classic", seeds=2, holdout=True, data=only_train, out=tmp_path / "study", **TINY
    )
    assert done.config.part == "validation"
    assert done.config.num_evaluated == 200
    assert set(done.config.checksums) == {"train"}
    assert len({run.epoch_accuracies[-1] for run in done.runs} & set(done.accuracies)) == 2
    comparison = tenfold.compare([done, done.path])
    assert comparison.part == "validation"
    assert comparison.num_images == 200


def test_study_json_alone_is_continued_and_compared(
    study: tenfold.Study, small_data: Path, tmp_path: Path, calls: Calls
) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(study.path / "study.json", alone)
    comparison = tenfold.compare([alone, study.path])
    assert comparison.differences[0].difference.difference == 0
    done = tenfold.study("classic", seeds=4, data=small_data, out=alone, alone=0, **TINY)
    assert calls == [([3], 1)]
    assert done.runs[:3] == study.runs
    assert [path.name for path in (alone / "runs").iterdir()] == ["3"]


def forget(folder: Path, seed: int) -> None:
    """Take a run out of study.json, as a study leaves it that was killed before it wrote that."""
    known = load_study(folder)
    kept = tuple(run for run in known.runs if run.seed != seed)
    write_study(tenfold.Study(folder, known.config, kept))


def test_a_finished_run_that_was_not_listed_is_taken_as_it_is(
    study: tenfold.Study, small_data: Path, copy: Path, calls: Calls
) -> None:
    forget(copy, 1)
    changed = (copy / "runs/1/state.json").stat().st_mtime_ns
    done = tenfold.study("classic", seeds=3, data=small_data, out=copy, **TINY)
    assert calls == [([1], 1)]
    assert done.runs == study.runs
    assert (copy / "runs/1/state.json").stat().st_mtime_ns == changed


def test_an_unfinished_run_is_trained_anew(
    study: tenfold.Study, small_data: Path, copy: Path, calls: Calls
) -> None:
    forget(copy, 1)
    (copy / "runs/1/state.json").write_text('{"state": "running"}')
    (copy / "runs/1/model.safetensors").unlink()
    threads = study.runs[1].threads
    done = tenfold.study("classic", seeds=3, data=small_data, out=copy, jobs=1, **TINY)
    assert done.runs[1].threads == threads
    assert done.runs[1].weights_sha256 == study.runs[1].weights_sha256
    assert done.runs[1].mistakes == study.runs[1].mistakes
    assert tenfold.load_run(copy / "runs/1").accuracy == pytest.approx(study.accuracies[1])


# --- seeds that were stopped


def leave_stopped(small_data: Path, out: Path, **changes: Any) -> RunConfig:
    """A run in `out` that was stopped after the first of its two epochs, as a study leaves it."""

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    asked: dict[str, Any] = {"seed": 3, "by_epoch": True, **TINY}
    with pytest.raises(KeyboardInterrupt):
        tenfold.train(data=small_data, out=out, report=False, on_progress=stop, **asked | changes)
    return load_config(out, read_state(out))


def test_a_seed_goes_on_from_its_checkpoint(small_data: Path, copy: Path, calls: Calls) -> None:
    began = leave_stopped(small_data, copy / "runs/3")
    (copy / "runs/3/config.json").touch()
    written = (copy / "runs/3/config.json").stat().st_mtime_ns
    done = tenfold.study("classic", seeds=4, data=small_data, out=copy, alone=0, **TINY)
    assert calls == [([3], 1)]
    assert done.runs[3].started == began.started
    assert (copy / "runs/3/config.json").stat().st_mtime_ns == written
    assert len(done.runs[3].epoch_accuracies) == 2


@pytest.mark.parametrize("is_watched", [True, False])
def test_whoever_finishes_a_seed_leaves_what_a_study_can_take(
    is_watched: bool,
    small_data: Path,
    copy: Path,
    calls: Calls,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`tenfold train --resume`, or a study with or without accuracies by epoch."""
    for seed in (3, 4):
        leave_stopped(small_data, copy / f"runs/{seed}", seed=seed, by_epoch=is_watched)
    for flags, report in (
        ([], "`tenfold evaluate` writes it"),
        (["--json"], '"report": null'),
    ):
        assert main(["train", "--resume", str(copy / "runs/3"), *flags]) == 0
        assert report in capsys.readouterr().out
    asked: dict[str, Any] = {"data": small_data, "out": copy, "by_epoch": not is_watched, **TINY}
    done = tenfold.study("classic", seeds=5, **asked)
    assert [len(run.epoch_accuracies) for run in done.runs[3:]] == 2 * [2 * is_watched]
    assert load_study(copy) == done
    assert tenfold.study("classic", seeds=5, **asked) == done


def test_accuracies_of_some_epochs_are_none(
    study: tenfold.Study, small_data: Path, copy: Path, calls: Calls
) -> None:
    """Runs that were resumed with other wishes than they began with had such, once."""
    forget(copy, 1)
    evaluation = json.loads((copy / "runs/1/evaluation.json").read_text())
    evaluation["training"]["epoch_accuracies"].pop()
    (copy / "runs/1/evaluation.json").write_text(json.dumps(evaluation))
    done = tenfold.study("classic", seeds=3, data=small_data, out=copy, **TINY)
    assert done.runs[1].epoch_accuracies == ()
    assert load_study(copy).runs == done.runs


def test_a_seed_that_another_program_trains_is_left_alone(
    small_data: Path, copy: Path, calls: Calls
) -> None:
    run = copy / "runs/3"
    leave_stopped(small_data, run)
    before = {name: (run / name).stat() for name in list_files(run)}
    message = f"{run}: the run is locked: another process is training it"
    for _ in range(2):  # with a checkpoint, and before there is one
        with lock_run(run), pytest.raises(RunError, match=f"^{re.escape(message)}$"):
            tenfold.study("classic", seeds=4, data=small_data, out=copy, **TINY)
        assert {name: (run / name).stat() for name in list_files(run)} == before
        (run / "checkpoint.safetensors").unlink(missing_ok=True)
        before.pop("checkpoint.safetensors", None)


def test_a_checkpoint_that_cannot_be_read_is_not_thrown_away(
    small_data: Path, copy: Path, calls: Calls
) -> None:
    run = copy / "runs/3"
    leave_stopped(small_data, run)
    saved = (run / "checkpoint.safetensors").rename(copy / "saved")
    (run / "checkpoint.safetensors").mkdir()  # which reading fails on, as on a disk that does
    with pytest.raises(RunError, match=r"checkpoint\.safetensors: cannot be read: Is a directory"):
        tenfold.study("classic", seeds=4, data=small_data, out=copy, **TINY)
    (run / "checkpoint.safetensors").rmdir()
    saved.rename(run / "checkpoint.safetensors")
    assert len(tenfold.study("classic", seeds=4, data=small_data, out=copy, **TINY).runs) == 4


def leave_damaged(small_data: Path, run: Path) -> None:
    leave_stopped(small_data, run)
    (run / "checkpoint.safetensors").write_bytes(b"damaged")


def leave_of_another_recipe(small_data: Path, run: Path) -> None:
    leave_stopped(small_data, run, epochs=3)


def leave_with_other_threads(small_data: Path, run: Path) -> None:
    leave_stopped(small_data, run, threads=1)


def leave_resumed_with_other_threads(small_data: Path, run: Path) -> None:
    leave_stopped(small_data, run)

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tenfold.resume(run, threads=1, on_progress=stop)


def leave_of_another_torch(small_data: Path, run: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tenfold.workflow.arguments.list_versions", lambda: {"torch": "1.0"})
        leave_stopped(small_data, run)


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        (leave_damaged, "/checkpoint.safetensors: the checkpoint is damaged: .*"),
        (
            leave_of_another_recipe,
            ": the run has another recipe, data or number of threads",
        ),
        (
            leave_with_other_threads,
            ": the run has another recipe, data or number of threads",
        ),
        (
            leave_resumed_with_other_threads,
            ": the run would be resumed with threads 1 instead of 2",
        ),
        (
            leave_of_another_torch,
            ": the run would be resumed with torch .* instead of 1.0; .*",
        ),
    ],
)
def test_a_seed_that_cannot_go_on_begins_anew_and_says_why(
    leave: Callable[[Path, Path], None],
    reason: str,
    small_data: Path,
    copy: Path,
    calls: Calls,
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = copy / "runs/3"
    leave(small_data, run)
    done = tenfold.study("classic", seeds=4, data=small_data, out=copy, **TINY)
    assert done.runs[3].seed == 3
    said = caplog.messages[-1]
    assert re.fullmatch(f"tenfold: {re.escape(str(run))}{reason}; seed 3 begins anew", said)
    assert not list((copy / "runs").glob(".*"))


def test_a_stopped_run_whose_config_was_edited_is_not_thrown_away(
    small_data: Path, copy: Path, calls: Calls
) -> None:
    run = copy / "runs/3"
    leave_stopped(small_data, run)
    with (run / "config.json").open("a") as file:
        file.write("\n")
    before = list_files(copy)
    with pytest.raises(RunError, match=r"config\.json: changed after training") as raised:
        tenfold.study("classic", seeds=4, data=small_data, out=copy, **TINY)
    assert raised.value.__notes__ == [f"if {run} is not needed, move it away"]
    assert list_files(copy) == before


def test_on_a_cluster_a_stopped_run_stays_until_another_takes_its_place(
    study: tenfold.Study,
    small_data: Path,
    copy: Path,
    calls: Calls,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = copy / "runs/3"
    leave_stopped(small_data, run)
    before = list_files(run)
    training = SeedTrainer(
        path=copy,
        config=study.config,
        threads=DEFAULT_THREADS,
        by_epoch=True,
    )

    def run_here(
        train_into: Callable[[Path, int], object], seeds: Sequence[int], *_: int, **__: object
    ) -> Iterator[tuple[int, dict[str, bytes]] | None]:
        """As `run_seeds_on_ray`, without Ray."""
        for seed in seeds:
            yield None
            out = tmp_path / str(seed)
            train_into(out, seed)
            yield seed, {path.name: path.read_bytes() for path in out.iterdir()}

    (copy / "runs/.3.tmp").mkdir()  # as a call that was killed leaves it
    monkeypatch.setattr("tenfold.cluster.studies.run_seeds_on_ray", run_here)
    landed = _train_on_cluster(training, [0, 3], 1, num_cores=1)
    taken = next(landed)
    assert taken is not None
    assert taken.weights_sha256 == study.runs[0].weights_sha256
    assert next(landed) is None
    assert list_files(run) == before
    landed_run = next(landed)
    assert landed_run is not None
    assert landed_run.seed == 3
    assert tenfold.load_run(run).config.seed == 3
    assert {path.name for path in (copy / "runs").iterdir()} == {"0", "1", "2", "3"}
    message = "the run is locked: another process is training it"
    shutil.rmtree(run)
    leave_stopped(small_data, run)
    with lock_run(run), pytest.raises(RunError, match=message):
        next(_train_on_cluster(training, [3], 1, num_cores=1))


def test_a_run_of_another_recipe_is_not_taken(small_data: Path, copy: Path, calls: Calls) -> None:
    forget(copy, 1)
    shutil.rmtree(copy / "runs/1")
    other = TINY | {"epochs": 1}
    tenfold.train("classic", seed=1, data=small_data, out=copy / "runs/1", report=False, **other)
    with pytest.raises(StudyError, match="runs/1: the finished run there is not seed 1"):
        tenfold.study("classic", seeds=3, data=small_data, out=copy, **TINY)
    assert tenfold.load_run(copy / "runs/1").config.recipe.epochs == 1  # it is not thrown away


def test_a_run_of_another_seed_is_not_taken(small_data: Path, copy: Path, calls: Calls) -> None:
    forget(copy, 1)
    shutil.rmtree(copy / "runs/1")
    shutil.copytree(copy / "runs/0", copy / "runs/1")
    with pytest.raises(StudyError, match="runs/1: the finished run there is not seed 1"):
        tenfold.study("classic", seeds=3, data=small_data, out=copy, **TINY)


def test_a_run_of_other_data_is_not_taken(
    small_data: Path, copy: Path, calls: Calls, test_images: LabelledImages, tmp_path: Path
) -> None:
    other = shutil.copytree(small_data, tmp_path / "data")
    (other / "t10k-labels-idx1-ubyte").write_bytes(dump_idx(test_images.labels_N[1:501]))
    forget(copy, 1)
    shutil.rmtree(copy / "runs/1")
    tenfold.train("classic", seed=1, data=other, out=copy / "runs/1", report=False, **TINY)
    before = list_files(copy)
    message = (
        f"{copy}/runs/1: the finished run there is not seed 1 of this study: the recipe, seed, "
        "data or threads differ. Move it away."
    )
    with pytest.raises(StudyError, match=f"^{re.escape(message)}$"):
        tenfold.study("classic", seeds=3, data=small_data, out=copy, **TINY)
    assert list_files(copy) == before
    assert [run.seed for run in load_study(copy).runs] == [0, 2]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "config.json: changed after training wrote it: its SHA-256 is "),
        ("model.safetensors", "model.safetensors: changed after training wrote it: its SHA"),
    ],
)
def test_an_altered_run_is_refused_and_stays(
    name: str, message: str, small_data: Path, copy: Path, calls: Calls
) -> None:
    forget(copy, 1)
    with (copy / "runs/1" / name).open("ab") as file:
        file.write(b"\n")
    before = {path: (copy / path).read_bytes() for path in list_files(copy)}
    with pytest.raises(RunError, match=f"^{re.escape(f'{copy}/runs/1/{message}')}") as raised:
        tenfold.study("classic", seeds=3, data=small_data, out=copy, **TINY)
    assert raised.value.__notes__ == [f"if {copy}/runs/1 is not needed, move it away"]
    assert {path: (copy / path).read_bytes() for path in list_files(copy)} == before


@pytest.mark.parametrize("state", [None, "", "[]", '{"state": "stopped"}', '"running"'])
def test_only_a_run_that_says_so_is_trained_anew(
    state: str | None, small_data: Path, copy: Path, calls: Calls
) -> None:
    forget(copy, 1)
    (copy / "runs/1/state.json").unlink()
    if state is not None:
        (copy / "runs/1/state.json").write_text(state)
    before = list_files(copy)
    with pytest.raises(RunError, match="runs/1"):
        tenfold.study("classic", seeds=3, data=small_data, out=copy, **TINY)
    assert list_files(copy) == before


def test_a_folder_is_for_one_study_at_a_time(
    study: tenfold.Study, small_data: Path, copy: Path, calls: Calls
) -> None:
    before = (copy / "study.json").read_bytes()
    message = (
        f"{copy}: the study is locked: another process is training it. Wait until it ends, or use "
        "--out for another folder."
    )
    with (
        locking(copy, StudyError("busy")),
        pytest.raises(StudyError, match=f"^{re.escape(message)}$"),
    ):
        tenfold.study("classic", seeds=4, data=small_data, out=copy, **TINY)
    assert calls == []
    assert (copy / "study.json").read_bytes() == before
    # Whoever is refused, fails or ends leaves it free.
    with suppress(ZeroDivisionError), locking(copy, StudyError("busy")):
        _ = 1 / 0
    for seeds in (4, 5):
        done = tenfold.study("classic", seeds=seeds, data=small_data, out=copy, **TINY)
        assert len(done.runs) == seeds


def test_what_a_folder_is_called_and_what_is_studied_longer_by_itself(
    small_data: Path, tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = tenfold.study(seeds=1, data=small_data, alone=0)
    assert done.path == Path("studies/classic")
    assert done.longer is not None
    assert done.longer.config.recipe.epochs == 10
    done = tenfold.study(seeds=1, data=small_data, holdout=True, **TINY)
    assert done.path == Path("studies/classic-holdout")
    assert done.longer is None
    done = tenfold.study(seeds=1, data=small_data, out="short", longer=False, alone=0)
    assert done.longer is None
    assert not Path("short/longer").exists()


def test_all_of_mnists_test_images_are_studied_for_the_claims(
    tmp_path: Path, few_of_mnist: None
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tenfold.workflow.study.run_seeds", run_here([]))
        done = tenfold.study("classic", seeds=2, out=tmp_path, alone=0, **TINY)
    assert done.config.data_folder is None
    assert done.config.num_evaluated == 10_000
    summary = done.read_summary()
    assert [one.name for one in summary.findings] == [
        "accuracy",
        "over_97_percent",
        "hardest_digit",
        "last_epochs",
        "hard_for_people",
    ]
    text = done.report.read_text().replace("\N{NO-BREAK SPACE}", " ")
    for finding in summary.findings:
        assert finding.sentence.replace("'", "&#39;") in text
    assert "n = 9,995" in text
    test_labels_N = load_part(None, "test").labels_N
    wrong_RN = done.get_predicted_labels(test_labels_N) != test_labels_N
    assert summary.accuracies == pytest.approx((1 - wrong_RN.mean(1)).tolist())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seeds": 0}, "--seeds: expected a whole number from 1 to 10000, found 0"),
        ({"seeds": 2.5}, "--seeds: expected a whole number from 1 to 10000, found 2.5"),
        (
            {"seeds": 6, "first_seed": 4294967291},
            "--first-seed: expected a whole number from 0 to 4294967290, found 4294967291",
        ),
        ({"first_seed": -1}, "--first-seed: expected a whole number from 0 to "),
        ({"jobs": 0}, "--jobs: expected a whole number from 1 to 1024, found 0"),
        ({"alone": -1}, "--alone: expected a whole number from 0 to 10000, found -1"),
        ({"recipe": "clasic"}, "unknown recipe 'clasic'; there are: classic"),
        ({"epochs": 0}, "--epochs: expected a whole number from 1 to 10000, found 0"),
    ],
)
def test_bad_arguments_leave_no_folder(
    arguments: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}"):
        tenfold.study(**{"out": tmp_path / "study", **arguments})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(small_data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file: cannot be written: File exists$"):
        tenfold.study("classic", data=small_data, out=tmp_path / "file", **TINY)


def test_comparing_counts_and_writes_a_page(
    study: tenfold.Study, small_data: Path, tmp_path: Path
) -> None:
    assert study.longer is not None
    comparison = tenfold.compare([study, str(study.path / "longer")], out=tmp_path / "new/page")
    [pair] = comparison.differences
    assert pair.difference.difference == pytest.approx(
        study.longer.accuracies.mean() - study.accuracies.mean()
    )
    assert comparison.studies[1].summary.accuracies == tuple(study.longer.accuracies)
    page = tmp_path / "new/page"
    assert list_files(page) == {
        "comparison.json",
        "report.html",
        "figures/mended_2.png",
        "figures/not_mended_2.png",
        "figures/new_2.png",
    }
    assert json.loads((page / "comparison.json").read_text()) == to_json(comparison)
    text = (page / "report.html").read_text()
    assert text.count("<figure") == 3
    assert f"is {100 * pair.difference.difference:.3f} points above" in text
    assert f"tenfold compare {study.path} {study.path}/longer --out {page}" in text


def test_a_single_study_needs_no_list(study: tenfold.Study) -> None:
    for one in (study, study.path, str(study.path)):
        comparison = tenfold.compare(one)
        assert [one.path for one in comparison.studies] == [str(study.path)]
        assert comparison.differences == ()


def test_a_comparison_does_not_take_the_place_of_a_studys_report(
    study: tenfold.Study, copy: Path
) -> None:
    before = {name: (copy / name).read_bytes() for name in list_files(copy)}
    message = f"{copy}: has the report of a study; use another folder"
    with pytest.raises(StudyError, match=f"^{re.escape(message)}$"):
        tenfold.compare([study, copy], out=copy)
    assert {name: (copy / name).read_bytes() for name in list_files(copy)} == before


def test_a_study_of_another_number_of_images_is_not_compared(
    study: tenfold.Study, copy: Path
) -> None:
    known = json.loads((copy / "study.json").read_text())
    known["config"]["num_evaluated"] = 600
    (copy / "study.json").write_text(json.dumps(known))
    message = f"{copy}: the study evaluated 600 images, but the data have 500"
    with pytest.raises(StudyError, match=f"^{re.escape(message)}$"):
        tenfold.compare([study, copy])


def test_comparing_looks_where_the_data_lie_now(
    study: tenfold.Study, small_data: Path, test_images: LabelledImages, tmp_path: Path
) -> None:
    moved = shutil.copytree(small_data, tmp_path / "moved")
    here = tenfold.compare([study], data=moved)
    assert here.studies[0].summary.accuracies == tuple(study.accuracies)
    assert here.differences == ()
    images = moved / "t10k-images-idx3-ubyte"
    images.write_bytes(dump_idx(test_images.images_NHW[1:501]))
    with pytest.raises(
        DataError,
        match=rf"moved: not the test images of the study {study.path}: their SHA-256 is ",
    ):
        tenfold.compare([study], data=moved)
    images.unlink()
    with pytest.raises(DataError, match="moved: there is neither t10k-images-idx3-ubyte"):
        tenfold.compare([study], data=moved)


def test_comparing_needs_studies_of_the_same_images(
    study: tenfold.Study, small_data: Path, tmp_path: Path, calls: Calls
) -> None:
    with pytest.raises(StudyError, match=r"^no studies to compare$"):
        tenfold.compare([])
    with pytest.raises(StudyError, match=r"study\.json: cannot read the study: No"):
        tenfold.compare([study, tmp_path / "nowhere"])
    held_out = tenfold.study(
        "classic", seeds=1, holdout=True, data=small_data, out=tmp_path / "h", **TINY
    )
    message = (
        f"{held_out.path}: evaluated on other images (validation) than {study.path} (test); "
        "only studies of the same images can be compared"
    )
    with pytest.raises(StudyError, match=f"^{re.escape(message)}$"):
        tenfold.compare([study, held_out])


def test_a_run_that_was_killed_before_its_first_file_is_trained(
    small_data: Path, tmp_path: Path, calls: Calls
) -> None:
    (tmp_path / "runs/0").mkdir(parents=True)
    (tmp_path / "runs/0/.state.json.12.tmp").touch()
    assert len(tenfold.study("classic", seeds=1, data=small_data, out=tmp_path, **TINY).runs) == 1


def test_data_that_have_moved_are_read_where_they_lie_now(
    small_data: Path, copy: Path, tmp_path: Path, calls: Calls
) -> None:
    values = (copy / "study.json").read_text().replace(str(small_data), "/moved/away")
    (copy / "study.json").write_text(values)
    assert len(tenfold.study("classic", seeds=4, data=small_data, out=copy, **TINY).runs) == 4


def test_a_run_of_other_images_is_not_taken(small_data: Path, copy: Path, calls: Calls) -> None:
    (copy / "study.json").unlink()
    with pytest.raises(StudyError, match="not seed 0 of this study: the recipe, seed, data"):
        tenfold.study("classic", seeds=1, holdout=True, data=small_data, out=copy, **TINY)
    assert not tenfold.load_run(copy / "runs/0").config.holdout


def test_a_name_that_is_too_long_is_a_mistake(small_data: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="File name too long"):
        tenfold.study("classic", data=small_data, out=tmp_path / (300 * "x"), **TINY)


def test_other_labels_are_told_by_their_own_checksums(
    study: tenfold.Study, small_data: Path, test_images: LabelledImages, tmp_path: Path
) -> None:
    other = shutil.copytree(small_data, tmp_path / "other")
    (other / "t10k-labels-idx1-ubyte").write_bytes(dump_idx(test_images.labels_N[1:501]))
    with pytest.raises(DataError, match="not the test labels") as raised:
        tenfold.compare([study], data=other)
    expected, found = re.findall(r"\b[0-9a-f]{64}\b", str(raised.value))
    assert expected != found


def test_an_average_is_that_of_the_runs_probabilities(
    study: tenfold.Study, small_data: Path
) -> None:
    test = load_part(small_data, "test")
    probabilities = []
    for seed in (0, 1):
        model = build_model(study.config.recipe.model, seed)
        load_weights(model, study.path / f"runs/{seed}/model.safetensors")
        with torch.inference_mode():
            logits = model.eval()(torch.tensor(test.images_NHW) / 255)
        probabilities.append(logits.softmax(1).numpy())
    expected = (np.mean(probabilities, 0).argmax(1) == test.labels_N).mean()
    found = tenfold.average_study(study, num_runs=2)
    assert found.seeds == (0, 1)
    assert found.accuracy == pytest.approx(expected, abs=0.002)
    assert found.mean_accuracy == pytest.approx(study.accuracies[:2].mean(), abs=0.002)
    assert (found.part, found.num_images) == ("test", 500)
    assert found.corrected_accuracy is None  # these are not all of MNIST
    everything = tenfold.average_study(study.path)
    assert everything.seeds == (0, 1, 2)
    assert everything.mean_accuracy == pytest.approx(study.accuracies.mean(), abs=0.002)
    one = tenfold.average_study(study, num_runs=1)
    assert one.accuracy == one.mean_accuracy


def test_an_average_on_mnist_also_counts_on_corrected_labels(
    few_of_mnist: None, calls: Calls, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tenfold.study("classic", seeds=2, out=tmp_path, longer=False, **TINY)
    command = ["compare", str(tmp_path), "--average", "2"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads(json.dumps(vars(tenfold.average_study(tmp_path))))
    assert found["accuracy"] > found["mean_accuracy"]  # of two runs that are far from the end
    assert found["corrected_accuracy"] != found["accuracy"]
    assert found["mean_corrected_accuracy"] != found["mean_accuracy"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "2 runs, 10,000 test images" in shown
    for name in ("accuracy", "corrected_accuracy"):
        assert (
            f"{100 * found[name]:.2f} %, single runs {100 * found[f'mean_{name}']:.2f} %" in shown
        )


def test_an_average_needs_the_runs_weights(
    study: tenfold.Study, copy: Path, tmp_path: Path
) -> None:
    (tmp_path / "alone").mkdir()
    shutil.copy(study.path / "study.json", tmp_path / "alone")
    with pytest.raises(StudyError, match=r"alone/runs/0: no such run; a study\.json alone has no"):
        tenfold.average_study(tmp_path / "alone")
    shutil.rmtree(copy / "runs/1")
    shutil.copytree(copy / "runs/0", copy / "runs/1")
    with pytest.raises(StudyError, match=r"runs/1/model.safetensors: these are not the weights"):
        tenfold.average_study(copy)
    (copy / "runs/1/state.json").write_text('{"state": "running"}')
    with pytest.raises(RunError, match="runs/1: the run is not finished"):
        tenfold.average_study(copy)


def test_files_of_another_making_stay_where_they_are(
    small_data: Path, tmp_path: Path, calls: Calls
) -> None:
    (tmp_path / "runs/0").mkdir(parents=True)
    (tmp_path / "runs/0/thesis.tex").touch()
    message = "runs/0: not a run folder: it has no config.json"
    with pytest.raises(RunError, match=message) as raised:
        tenfold.study("classic", seeds=1, data=small_data, out=tmp_path, **TINY)
    assert raised.value.__notes__ == [f"if {tmp_path}/runs/0 is not needed, move it away"]
    assert (tmp_path / "runs/0/thesis.tex").exists()
