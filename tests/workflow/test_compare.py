import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import tenfold
import tenfold.workflow.study
from tenfold.cli import main
from tenfold.data.idx import dump_idx
from tenfold.data.mnist import LabelledImages, load_part
from tenfold.errors import DataError, RunError, StudyError
from tenfold.models.build import build_model
from tenfold.models.weights import load_weights
from tenfold.system.json_types import to_json
from tiny_studies import TINY, Calls, list_files


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
    for given in (study, study.path, str(study.path)):
        comparison = tenfold.compare(given)
        assert [compared.path for compared in comparison.studies] == [str(study.path)]
        assert comparison.differences == ()


def test_a_comparison_does_not_overwrite_a_study(study: tenfold.Study, copy: Path) -> None:
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


def test_compare_reads_moved_data(
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
    with pytest.raises(StudyError, match=r"nowhere/study\.json: cannot read the study: No such"):
        tenfold.compare([study, tmp_path / "nowhere"])
    held_out = tenfold.study(
        "classic", seeds=1, holdout=True, data=small_data, out=tmp_path / "h", **TINY
    )
    with pytest.raises(StudyError) as raised:
        tenfold.compare([study, held_out])
    for fact in (f"{held_out.path}: ", "(validation)", f"{study.path} (test)"):
        assert fact in str(raised.value)


def test_average_study_averages_probabilities(study: tenfold.Study, small_data: Path) -> None:
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
    single = tenfold.average_study(study, num_runs=1)
    assert single.accuracy == single.mean_accuracy


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
