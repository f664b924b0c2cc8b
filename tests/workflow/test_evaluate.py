import json
import shutil
from pathlib import Path

import pytest

import tenfold
from tenfold.data.idx import dump_idx
from tenfold.data.mnist import LabelledImages
from tenfold.errors import DataError, RunError
from workflow.convolutional import CONVOLUTIONAL


@pytest.fixture
def run(small_data: Path, tmp_path: Path) -> tenfold.Run:
    """A short run of data that may move."""
    data = shutil.copytree(small_data, tmp_path / "data")
    return tenfold.train("classic", data=data, out=tmp_path / "run", epochs=1, report=False)


def test_only_the_same_data_are_evaluated(
    run: tenfold.Run, tmp_path: Path, test_images: LabelledImages, no_report: None
) -> None:
    moved, empty = (tmp_path / "data").rename(tmp_path / "moved"), tmp_path / "empty"
    with pytest.raises(DataError, match="no such folder") as raised:
        tenfold.evaluate(run.path)
    assert raised.value.__notes__ == ["if the data folder has moved, name it with --data"]
    assert tenfold.evaluate(run.path, data=moved).accuracy == run.accuracy
    (moved / "t10k-labels-idx1-ubyte").write_bytes(dump_idx(test_images.labels_N[1:501]))
    with pytest.raises(
        DataError, match=r"moved: not the test labels of the run .*SHA-256 is \w{64}, not \w{64}$"
    ):
        tenfold.evaluate(run.path, data=moved)
    empty.mkdir()
    with pytest.raises(DataError, match="neither t10k-images-idx3-ubyte"):
        tenfold.evaluate(run.path, data=empty)


def test_a_config_that_was_edited_is_refused(run: tenfold.Run) -> None:
    config = json.loads((run.path / "config.json").read_text())
    (run.path / "config.json").write_text(json.dumps(config | {"holdout": True}))
    with pytest.raises(RunError, match=r"config\.json: changed after training"):
        tenfold.evaluate(run.path)


def test_a_convolutional_run_is_evaluated_again_with_figures_and_report(
    small_data: Path, tmp_path: Path
) -> None:
    run = tenfold.train(CONVOLUTIONAL, data=small_data, out=tmp_path / "run", report=False)
    before = (run.path / "evaluation.json").read_bytes()
    assert not run.report.exists()
    assert not (run.path / "figures").exists()
    assert f"{100 * run.accuracy:.2f} %" in run._repr_html_()
    assert "<img" not in run._repr_html_()
    evaluated = tenfold.evaluate(run)
    assert (run.path / "evaluation.json").read_bytes() == before
    assert all(path.is_file() for path in evaluated.figures.values())
    assert evaluated._repr_html_().count("<img") == 3
    page = evaluated.report.read_text()
    assert "conv 1x4 1x8" in page
    assert "SGD, momentum 0.9, one-cycle learning rate with a peak of 0.01" in page
