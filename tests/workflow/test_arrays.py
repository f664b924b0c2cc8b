"""Runs on arrays: the same as on files, and what needs the arrays again says so."""

from pathlib import Path
from typing import Any

import pytest

import tenfold
from tenfold.data.mnist import LabelledImages
from tenfold.errors import DataError, RunError, StudyError
from tenfold.reports.run_report import describe_training
from tenfold.runs.listing import list_folder
from tenfold.workflow.images import load_run_images, name_source
from workflow.continued import stop

Data = tuple[tuple[Any, Any], tuple[Any, Any]]
SMALL: dict[str, Any] = {"epochs": 1, "hidden_sizes": [20], "threads": 1}


@pytest.fixture(scope="module")
def data(training: LabelledImages, test_images: LabelledImages) -> Data:
    """What `small_data` has, as floats and text."""
    return (
        (training.images_NHW[:1200] / 255, training.labels_N[:1200].astype(str)),
        (test_images.images_NHW[:500] / 255, test_images.labels_N[:500].astype(str)),
    )


def test_a_run_on_arrays_is_the_run_on_files(
    data: Data, small_data: Path, tmp_path: Path, no_report: None
) -> None:
    files = tenfold.train(data=small_data, out=tmp_path / "files", **SMALL)
    run = tenfold.train(data=data, out=tmp_path / "arrays", **SMALL)
    assert run.training.weights_sha256 == files.training.weights_sha256
    assert run.config.checksums == files.config.checksums
    assert run.accuracy == files.accuracy
    assert describe_training(run.config).startswith("tenfold.train(Recipe(name='classic'")
    assert describe_training(run.config).endswith("seed=0, data=..., threads=1)")
    entries = {entry.path.name: entry.data for entry in list_folder(tmp_path)}
    assert entries == {"files": small_data.name, "arrays": "arrays"}
    needed = "trained on arrays, which its folder does not keep"
    with pytest.raises(DataError, match=needed):
        tenfold.evaluate(run)
    with pytest.raises(DataError, match=needed):
        tenfold.export_run(run)
    with pytest.raises(DataError, match=r"the arrays are not the test part of the run .*arrays"):
        tenfold.evaluate(run, data=(data[0], data[0]))
    assert tenfold.evaluate(run, data=data).accuracy == run.accuracy
    assert tenfold.evaluate(run, data=small_data).accuracy == run.accuracy


def test_a_stopped_run_on_arrays_resumes_with_them(data: Data, tmp_path: Path) -> None:
    whole = tenfold.train(data=data, out=tmp_path / "whole", report=False, **SMALL)
    stopped = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt) as raised:
        tenfold.train(data=data, out=stopped, report=False, on_progress=stop, **SMALL)
    hint = f"tenfold.resume('{stopped}', data=...)"
    assert hint in raised.value.__notes__[0]
    with pytest.raises(RunError) as unfinished:
        tenfold.load_run(stopped)
    assert hint in str(unfinished.value)
    with pytest.raises(DataError, match="which its folder does not keep; pass them again"):
        tenfold.resume(stopped)
    with pytest.raises(DataError, match="the arrays: not the data of the run"):
        tenfold.resume(stopped, data=(data[1], data[1]))
    resumed = tenfold.resume(stopped, data=data)
    assert resumed.training.weights_sha256 == whole.training.weights_sha256


def test_a_holdout_needs_no_test_images(data: Data, tmp_path: Path) -> None:
    images = load_run_images(tenfold.RECIPES["classic"], data[0], holdout=True)
    assert (len(images.training), len(images.evaluated)) == (1000, 200)
    assert set(images.checksums) == {"train"}
    with pytest.raises(DataError, match="data has no test images"):
        tenfold.train(data=data[0], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_arrays_of_mnist_are_mnist(data: Data, test_images: LabelledImages) -> None:
    """So nothing asks for them again; one other part is enough for it."""
    classic = tenfold.RECIPES["classic"]
    images = load_run_images(classic, tenfold.load_mnist(), holdout=False)
    assert name_source(tenfold.load_mnist(), images) == {"data_folder": None, "from_arrays": False}
    held_out = load_run_images(classic, tenfold.load_mnist()[0], holdout=True)
    assert (len(held_out.training), len(held_out.evaluated)) == (49_995, 10_005)
    own = (data[0], (test_images.images_NHW, test_images.labels_N))
    images = load_run_images(classic, own, holdout=False)
    assert name_source(own, images) == {"data_folder": None, "from_arrays": True}


def test_a_study_needs_files(data: Any, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="runs of a study are processes of their own"):
        tenfold.study(data=data, out=tmp_path / "study")
    assert not (tmp_path / "study").exists()
