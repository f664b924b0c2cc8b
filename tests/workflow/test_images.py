"""Runs and studies of Tenfold 0.2, which were trained on images that are held out now."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tenfold
from made_studies import build_study
from studies.compared_runs import make_run
from tenfold.data.mnist import MNIST_CHECKSUMS, LabelledImages
from tenfold.errors import DataError, ModelError, RunError, StudyError
from tenfold.recipes.catalogue import RECIPES
from tenfold.runs.folder import write_running_state
from tenfold.studies.study import Study, write_study
from tenfold.workflow.images import load_run_images, reload_run_images
from tenfold.workflow.seed_trainer import SeedTrainer

CHECKSUMS = {"train": MNIST_CHECKSUMS["train"]}
TINY: dict[str, Any] = {"epochs": 1, "hidden_sizes": [8], "threads": 1}
REASON = "an earlier version, with another hold-out of MNIST, and trained on images that are held"


@pytest.fixture
def old_images(training: LabelledImages) -> LabelledImages:
    """What Tenfold 0.2 held out."""
    return training.select(np.arange(50_000, 60_000))


@pytest.fixture
def old_run(old_images: LabelledImages, tmp_path: Path) -> tenfold.Run:
    return make_run(tmp_path / "old", old_images, [1], holdout=True, checksums=CHECKSUMS)


@pytest.fixture
def old_study(old_images: LabelledImages, tmp_path: Path) -> Study:
    labels_N = old_images.labels_N
    study = build_study(
        labels_N,
        np.tile(labels_N.astype(np.int64), (2, 1)),
        holdout=True,
        path=tmp_path / "study",
        recipe=RECIPES["classic"].replace(epochs=1, hidden_sizes=[8]),
        checksums=CHECKSUMS,
    )
    study.path.mkdir()
    write_study(study)
    return study


@pytest.mark.parametrize("call", [tenfold.evaluate, tenfold.audit, tenfold.resume])
def test_an_old_run_is_refused_rather_than_evaluated_on_images_that_it_was_trained_on(
    call: Callable[[tenfold.Run], object], old_run: tenfold.Run
) -> None:
    if call is tenfold.resume:
        write_running_state(old_run.path)
    before = {path: path.read_bytes() for path in old_run.path.rglob("*") if path.is_file()}
    with pytest.raises(DataError, match=f"the run .*{old_run.path} was made by {REASON}"):
        call(old_run)
    assert all(path.read_bytes() == content for path, content in before.items())


def test_old_runs_are_compared_with_one_another_but_not_drawn_nor_compared_with_new_ones(
    old_run: tenfold.Run, training: LabelledImages, old_images: LabelledImages, tmp_path: Path
) -> None:
    fields = {"holdout": True, "checksums": CHECKSUMS}
    other = make_run(tmp_path / "other", old_images, [1, 2], **fields)
    assert tenfold.compare([old_run, other]).num_images == 10_000
    with pytest.raises(DataError, match=REASON):
        tenfold.compare([old_run, other], out=tmp_path / "page")
    new_images = training.select(np.arange(10_005))
    new = make_run(tmp_path / "new", new_images, [1], holds_out_writers=True, **fields)
    message = r"10,005 validation images of MNIST\) than .*old \(10,000 validation images of MNIST"
    with pytest.raises(RunError, match=message):
        tenfold.compare([old_run, new])


def test_a_run_that_calibrates_is_not_calibrated_again_on_images_that_it_was_trained_on(
    test_images: LabelledImages, tmp_path: Path
) -> None:
    """It is as good as ever on the test images."""
    recipe = RECIPES["classic"].replace(calibrates=True)
    checksums = CHECKSUMS | {"test": test_images.checksums}
    run = make_run(tmp_path / "run", test_images, [1], recipe=recipe, checksums=checksums)
    with pytest.raises(DataError, match=REASON):
        tenfold.evaluate(run)
    tenfold.compare([run, make_run(tmp_path / "b", test_images, [])], out=tmp_path / "page")


def test_an_old_study_is_refused(old_study: Study, training: LabelledImages) -> None:
    new_config = dataclasses.replace(old_study.config, holds_out_writers=True, num_evaluated=10_005)
    new = dataclasses.replace(old_study, config=new_config)
    for refused in (
        lambda: tenfold.compare(old_study),
        lambda: tenfold.compare([new, old_study]),
        lambda: tenfold.average_study(old_study),
        lambda: tenfold.audit_labels(old_study),
    ):
        with pytest.raises(DataError, match=f"the study {old_study.path} was made by {REASON}"):
            refused()
    with pytest.raises(DataError, match=f"the study in {old_study.path} was made by {REASON}"):
        tenfold.study(holdout=True, out=old_study.path, **TINY)


def test_an_old_run_is_not_taken_into_a_new_study(
    old_study: Study, old_images: LabelledImages
) -> None:
    folder = old_study.path / "runs/3"
    folder.parent.mkdir()
    run = make_run(folder, old_images, [1], holdout=True, checksums=CHECKSUMS)
    config = dataclasses.replace(old_study.config, recipe=run.config.recipe)
    trainer = SeedTrainer(path=old_study.path, config=config, threads=2, by_epoch=False)
    assert trainer.load_finished(3) is not None
    config = dataclasses.replace(config, holds_out_writers=True)
    with pytest.raises(StudyError, match="the finished run there is not seed 3 of this study"):
        dataclasses.replace(trainer, config=config).load_finished(3)


def test_a_new_run_is_read_again_and_its_model_audited_on_its_own_holdout_alone(
    few_of_mnist: None, few_readings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tenfold.train(holdout=True, out=tmp_path / "run", report=False, **TINY)
    assert json.loads((run.path / "config.json").read_text())["holds_out_writers"] is True
    assert len(reload_run_images(run.config, run.path, None).evaluated) == 1000
    exported = tenfold.export_run(run, tmp_path / "model.onnx").path
    assert tenfold.audit(exported, images=100).accuracy.num_images == 100
    # An exported model of an earlier version differs in how many images it was evaluated on.
    monkeypatch.setattr("tenfold.data.mnist.find_held_out", lambda: np.arange(6000) >= 4000)
    with pytest.raises(ModelError, match="with another hold-out, and trained on images"):
        tenfold.audit(exported)


@pytest.mark.parametrize("holdout", [True, False])
def test_other_data_hold_out_no_writers(holdout: bool, small_data: Path) -> None:
    assert not load_run_images(RECIPES["reader"], small_data, holdout=holdout).holds_out_writers
