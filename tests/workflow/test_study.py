"""Studies of a tiny recipe on 1,200 images.

Starting processes takes longer than all their training, so these tests train in this one. What
processes do, tests/studies/test_runner.py and tests/end_to_end/test_stopped_studies.py show.
"""

import base64
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tenfold
import tenfold.workflow.study
from tenfold.data.idx import dump_idx
from tenfold.data.mnist import LabelledImages, load_part
from tenfold.errors import RecipeError, RunError, StudyError
from tenfold.studies.study import load_study
from tenfold.system.files import hash_file
from tenfold.system.locks import locking
from tenfold.workflow.study_progress import StudyProgress
from tiny_studies import TINY, Calls, list_files, run_here
from workflow.continued import Continued, stop
from workflow.pages import check_page


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
            mistake.index for mistake in run.evaluation.misclassified
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


def test_the_report_stands_alone_and_shows_the_numbers(study: tenfold.Study) -> None:
    summary, page = study.read_summary(), study.report.read_text()
    assert [finding.name for finding in summary.findings] == ["accuracy"]
    assert "MNIST" not in page  # of other data nothing is claimed
    text = check_page(page, 4, summary.findings)
    for name in ("accuracy_by_seed", "digits", "epochs", "hardest_images"):
        png = (study.path / "figures" / f"{name}.png").read_bytes()
        assert base64.b64encode(png).decode() in page
    assert f"{100 * study.accuracies.mean():.2f} % over 3 seeds" in text
    for digit in summary.digits:
        assert f"{100 * digit.error_rate.mean:.2f} %" in text
    assert (
        "tenfold study classic --seeds 3 --epochs 2 --hidden-sizes 16 --data "
        f"{study.config.data_folder} --longer --out {study.path}"
    ) in text


def test_progress_counts_seeds_and_share(
    study: tenfold.Study, progress: list[StudyProgress]
) -> None:
    assert [told.title for told in progress] == ["classic"] * 6 + ["classic, 4 epochs"] * 6
    for part in (progress[:6], progress[6:]):
        assert [told.num_done for told in part] == [0, 1, 1, 2, 2, 3]
        assert all(told.num_seeds == 3 for told in part)
        assert [told.newest and told.newest.seed for told in part] == [None, 0, None, 1, None, 2]
        assert [told.share for told in part] == pytest.approx([0, 1 / 3, 1 / 3, 2 / 3, 2 / 3, 1])
        assert part[0].seconds_left is None
        assert part[-1].seconds_left == pytest.approx(0)
    assert progress[1].newest_accuracy == pytest.approx(study.accuracies[0])


def test_progress_includes_unfinished_runs(again: Continued) -> None:
    # As two processes leave it: of seed 3 one of 24 steps is told, of seed 4 all but one.
    for seed, (epoch, batch) in ((3, (0, 0)), (4, (1, 10))):
        run = again.get_run(seed)
        run.mkdir()
        (run / "losses.jsonl").write_text(
            f'{{"epoch": 0, "batch": 0, "loss": 2.3}}\n{{"epoch": {epoch}, "batch": {batch}, '
            '"loss": 2.1}\n'
        )
        (run / "state.json").write_text('{"state": "running"}')
        (run / "config.json").write_text("{}")
    told: list[StudyProgress] = []
    again.train(5, on_progress=told.append, alone=0)
    assert told[0].share == pytest.approx((3 + 1 / 24 + 23 / 24) / 5)
    assert told[0].num_done == 3


def test_more_seeds_train_only_the_missing_ones(study: tenfold.Study, again: Continued) -> None:
    more = again.train(5, alone=0, jobs=2)
    assert again.calls == [([3, 4], 2)]
    assert more.runs[:3] == study.runs
    assert [run.seed for run in more.runs] == [0, 1, 2, 3, 4]
    assert len({run.weights_sha256 for run in more.runs}) == 5
    assert load_study(again.path) == more
    before = (again.path / "study.json").read_bytes()
    assert again.train(2, first_seed=3) == more
    assert again.calls == [([3, 4], 2)]
    assert (again.path / "study.json").read_bytes() == before


def test_seeds_before_the_first_come_first(fresh: Continued) -> None:
    for first_seed in (7, 2):
        done = fresh.train(1, first_seed=first_seed, by_epoch=False)
    assert [run.seed for run in done.runs] == [2, 7]
    assert done.runs[0].epoch_accuracies == ()


@pytest.mark.parametrize(
    ("changed", "differing"),
    [
        ({"epochs": 3}, "epochs"),
        ({"hidden_sizes": [17], "batch_size": 50}, "batch_size, hidden_sizes"),
        ({"holdout": True}, "holdout, data"),
        ({"recipe": tenfold.Recipe(name="mine", summary="a test")}, "name"),
        ({"threads": 1}, "threads"),
    ],
)
def test_another_study_in_the_folder_is_refused(
    changed: dict[str, Any], differing: str, again: Continued
) -> None:
    before = (again.path / "study.json").read_bytes()
    message = (
        f"{again.path}: cannot continue the study of classic in this folder, which differs in "
        f"{differing}. Use --out for another folder."
    )
    with pytest.raises(StudyError, match=f"^{re.escape(message)}$"):
        again.train(**changed)
    assert again.calls == []
    assert (again.path / "study.json").read_bytes() == before


def test_other_data_in_the_folder_are_refused(
    again: Continued, test_images: LabelledImages, tmp_path: Path
) -> None:
    other = shutil.copytree(again.data, tmp_path / "data")
    (other / "t10k-labels-idx1-ubyte").write_bytes(dump_idx(test_images.labels_N[1:501]))
    with pytest.raises(StudyError, match=r"which differs in data\."):
        again.train(data=other)
    assert again.calls == []


def test_an_interrupted_study_without_runs_may_become_another(fresh: Continued) -> None:
    with pytest.raises(KeyboardInterrupt) as raised:
        fresh.train(on_progress=stop)
    assert raised.value.__notes__ == [f"the same command continues the study in {fresh.path}"]
    assert load_study(fresh.path).runs == ()
    done = fresh.train(1, epochs=1)
    assert done.config.recipe.epochs == 1
    assert load_study(fresh.path) == done


def test_a_holdout_study_does_not_open_the_test_files(fresh: Continued, tmp_path: Path) -> None:
    only_train = tmp_path / "data"
    only_train.mkdir()
    for path in fresh.data.glob("train-*"):
        shutil.copy(path, only_train)
    done = fresh.train(2, holdout=True, data=only_train)
    assert done.config.part == "validation"
    assert done.config.num_evaluated == 200
    assert set(done.config.checksums) == {"train"}
    assert len({run.epoch_accuracies[-1] for run in done.runs} & set(done.accuracies)) == 2
    comparison = tenfold.compare([done, done.path])
    assert comparison.part == "validation"
    assert comparison.num_images == 200


def test_study_json_alone_is_continued_and_compared(study: tenfold.Study, fresh: Continued) -> None:
    fresh.path.mkdir()
    shutil.copy(study.path / "study.json", fresh.path)
    comparison = tenfold.compare([fresh.path, study.path])
    assert comparison.differences[0].difference.difference == 0
    done = fresh.train(alone=0)
    assert fresh.calls == [([3], 1)]
    assert done.runs[:3] == study.runs
    assert [path.name for path in (fresh.path / "runs").iterdir()] == ["3"]


def test_a_locked_study_is_refused(again: Continued) -> None:
    before = (again.path / "study.json").read_bytes()
    message = (
        f"{again.path}: the study is locked: another process is training it. Wait until it ends, "
        "or use --out for another folder."
    )
    lock = locking(again.path, StudyError("busy"))
    with lock, pytest.raises(StudyError, match=f"^{re.escape(message)}$"):
        again.train()
    assert again.calls == []
    assert (again.path / "study.json").read_bytes() == before
    # Whoever is refused, fails or ends leaves it free.
    with suppress(ZeroDivisionError), locking(again.path, StudyError("busy")):
        _ = 1 / 0
    for seeds in (4, 5):
        assert len(again.train(seeds).runs) == seeds


def test_default_folder_and_default_of_longer(
    small_data: Path, tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = tenfold.study(seeds=1, data=small_data, alone=0)
    assert done.path == Path("studies/classic")
    assert done.longer is not None
    assert done.longer.config.recipe.epochs == 10
    done = tenfold.study(seeds=1, data=small_data, out="short", longer=False, epochs=5)
    assert done.longer is None
    assert not Path("short/longer").exists()
    done = tenfold.study(seeds=1, data=small_data, holdout=True, **TINY)
    assert done.path == Path("studies/classic-holdout")
    assert done.longer is None


def test_all_of_mnists_test_images_are_studied_for_the_claims(
    tmp_path: Path, few_of_mnist: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenfold.workflow.study.run_seeds", run_here([]))
    done = tenfold.study("classic", seeds=2, out=tmp_path, alone=0, **TINY)
    assert done.config.data_folder is None
    assert done.config.num_evaluated == 10_000
    summary = done.read_summary()
    assert [finding.name for finding in summary.findings] == [
        "accuracy",
        "over_97_percent",
        "hardest_digit",
        "last_epochs",
        "hard_for_people",
    ]
    assert "n = 9,995" in check_page(done.report.read_text(), 4, summary.findings)
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
        ({"recipe": "clasic"}, "unknown recipe 'clasic'; known recipes: classic"),
        ({"epochs": 0}, "--epochs must be a whole number from 1 to 10,000, not 0"),
    ],
)
def test_bad_arguments_leave_no_folder(
    arguments: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=f"^{re.escape(message)}"):
        tenfold.study(**{"out": tmp_path / "study", **arguments})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("file", "file: cannot be written: there is a file where a folder should be$"),
        (300 * "x", "File name too long"),
    ],
)
def test_a_folder_that_cannot_be_made_is_reported(
    name: str, message: str, small_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=message):
        tenfold.study("classic", data=small_data, out=tmp_path / name, **TINY)


def test_the_folder_of_a_run_is_refused(small_data: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    with pytest.raises(StudyError, match="is the folder of a run"):
        tenfold.study("classic", data=small_data, out=tmp_path, **TINY)
    assert [file.name for file in tmp_path.iterdir()] == ["config.json"]


def test_a_moved_data_folder_is_read_at_its_new_path(again: Continued, tmp_path: Path) -> None:
    values = (again.path / "study.json").read_text().replace(str(again.data), "/moved/away")
    (again.path / "study.json").write_text(values)
    assert len(again.train().runs) == 4
