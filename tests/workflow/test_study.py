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
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tenfold
import tenfold.workflow.study
from forcing import depending_on_threads
from tenfold.data.idx import dump_idx
from tenfold.data.mnist import LabelledImages, load_part
from tenfold.errors import RecipeError, RunError, StudyError
from tenfold.reports.study_report import build_study_command
from tenfold.runs.config import DEFAULT_THREADS
from tenfold.studies.study import load_study
from tenfold.system.files import hash_file
from tenfold.system.locks import locking
from tenfold.training.threads import setting_threads
from tenfold.workflow.study_progress import StudyProgress
from tiny_studies import TINY, Calls, list_files, run_here


def test_a_study_folder_has_these_files(study: tenfold.Study) -> None:
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


def test_progress_counts_seeds_and_share(
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


def test_progress_includes_unfinished_runs(small_data: Path, copy: Path, calls: Calls) -> None:
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


def test_more_seeds_train_only_the_missing_ones(
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
def test_alone_sets_the_number_of_timed_runs(
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


def test_only_runs_with_the_same_threads_count_as_timed(
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


def test_the_longer_study_trains_no_run_alone(
    small_data: Path, tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenfold.workflow.study.count_cores", lambda: 4)
    done = tenfold.study("classic", seeds=3, data=small_data, out=tmp_path, longer=True, **TINY)
    assert calls == [([0, 1, 2], 1), ([0, 1, 2], 2)]
    assert done.longer is not None


def test_jobs_default_to_cores_divided_by_threads(
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


# --- where the last bits of a step depend on threads, as on some processors


@pytest.fixture
def _bits_that_depend_on_threads() -> Iterator[None]:
    with depending_on_threads():
        yield


@pytest.mark.usefixtures("_bits_that_depend_on_threads")
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


def test_an_interrupt_says_how_to_continue_the_study(
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


def test_a_locked_study_is_refused(
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


def test_default_folder_and_default_of_longer(
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
        ({"seeds": 0}, "--seeds must be a whole number from 1 to 10,000, not 0"),
        ({"seeds": 2.5}, "--seeds must be a whole number from 1 to 10,000, not 2.5"),
        (
            {"seeds": 6, "first_seed": 4294967291},
            "--first-seed must be a whole number from 0 to 4,294,967,290, not 4294967291",
        ),
        ({"first_seed": -1}, "--first-seed must be a whole number from 0 to "),
        ({"jobs": 0}, "--jobs must be a whole number from 1 to 1,024, not 0"),
        ({"alone": -1}, "--alone must be a whole number from 0 to 10,000, not -1"),
        ({"recipe": "clasic"}, "unknown recipe 'clasic'; there are: classic"),
        ({"epochs": 0}, "--epochs must be a whole number from 1 to 10,000, not 0"),
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


def test_a_moved_data_folder_is_read_at_its_new_path(
    small_data: Path, copy: Path, tmp_path: Path, calls: Calls
) -> None:
    values = (copy / "study.json").read_text().replace(str(small_data), "/moved/away")
    (copy / "study.json").write_text(values)
    assert len(tenfold.study("classic", seeds=4, data=small_data, out=copy, **TINY).runs) == 4


def test_a_too_long_folder_name_is_reported(small_data: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="File name too long"):
        tenfold.study("classic", data=small_data, out=tmp_path / (300 * "x"), **TINY)
