"""A run of a study as a folder for the Hub, and back."""

import hashlib
import json
import re
import shutil
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from huggingface_hub import ModelCard
from PIL import Image

import tenfold
from tenfold.data.mnist import LabelledImages
from tenfold.errors import ArrayError, RunError
from tenfold.recipes.configs import PerceptronConfig
from tenfold.runs.hub import load_hub_config
from tenfold.runs.listing import list_folder
from tenfold.workflow.export import Exported
from tenfold.workflow.hub import HubModel
from workflow.exports import compute_probabilities

FILES = ["README.md", "config.json", "model.onnx", "model.safetensors"]


@pytest.fixture(scope="module")
def run(study: tenfold.Study) -> tenfold.Run:
    return tenfold.load_run(study.path / "runs/1")


@pytest.fixture(scope="module")
def exported(run: tenfold.Run, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return tenfold.export_hub(run, tmp_path_factory.mktemp("hub") / "new/model")


@pytest.fixture(scope="module")
def model(exported: Exported) -> HubModel:
    return tenfold.load_hub(exported.path)


def test_a_folder_has_its_files_and_says_what_they_are(
    exported: Exported, run: tenfold.Run, study: tenfold.Study
) -> None:
    folder = exported.path
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert exported.num_bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert (folder / "model.safetensors").read_bytes() == run.weights_path.read_bytes()
    config = load_hub_config(folder)
    for name, checksum in config.files.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum
    assert config.recipe == run.config.recipe
    assert (config.seed, config.part, config.data) == (1, "test", "small0")
    assert config.accuracy.accuracy == run.accuracy
    accuracies = [1 - len(one.mistakes) / 500 for one in study.runs]
    assert config.study is not None
    assert config.study.num_seeds == 3
    assert config.study.mean_accuracy == pytest.approx(statistics.mean(accuracies))
    assert config.study.standard_deviation == pytest.approx(statistics.stdev(accuracies))
    card = ModelCard.load(folder / "README.md").data
    assert [one.metric_value for one in card.eval_results] == [
        run.accuracy,
        config.study.mean_accuracy,
    ]
    assert str(run.path.parent) not in (folder / "README.md").read_text()


def test_a_loaded_model_answers_as_the_run_does(
    model: HubModel, run: tenfold.Run, test_images: LabelledImages
) -> None:
    images_NHW = test_images.images_NHW[:300]
    answers_NK = model.predict_proba(images_NHW)
    assert answers_NK.shape == (300, 10)
    np.testing.assert_allclose(answers_NK, compute_probabilities(run, images_NHW), atol=1e-6)
    with pytest.raises(ArrayError, match=r"images: the shape is \[28, 28\]"):
        model.predict_proba(images_NHW[0])


def test_the_lines_in_the_card_classify_a_picture(
    model: HubModel,
    test_images: LabelledImages,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = (model.path / "README.md").read_text()
    without, with_tenfold = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(without.splitlines()) == 5
    assert "tenfold" not in without
    monkeypatch.chdir(shutil.copytree(model.path, tmp_path / "DIR"))
    Image.fromarray(test_images.images_NHW[0]).save("digit.png")
    names: dict[str, Any] = {}
    exec(without, names)
    expected_NK = model.predict_proba(test_images.images_NHW[:1])
    assert capsys.readouterr().out == f"[{expected_NK.argmax()}]\n"
    monkeypatch.chdir(tmp_path)
    exec(with_tenfold, names)
    np.testing.assert_array_equal(names["probabilities"], expected_NK)


def test_the_folder_is_no_run(exported: Exported) -> None:
    with pytest.raises(RunError, match=r"a folder for the Hugging Face Hub, not a run; use .*onnx"):
        tenfold.load_run(exported.path)
    assert list_folder(exported.path.parent) == []


def test_folders_that_are_none_or_damaged_are_refused(model: HubModel, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nowhere: no such folder; `hf download USER/NAME"):
        tenfold.load_hub(tmp_path / "nowhere")
    copy = shutil.copytree(model.path, tmp_path / "copy")
    (copy / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(RunError, match=r"model\.safetensors: not the file that config\.json"):
        tenfold.load_hub(copy)
    (copy / "config.json").write_text('{"format": 2}')
    with pytest.raises(RunError, match=r"copy/config\.json: not from `tenfold export --hub`"):
        tenfold.load_hub(copy)


def test_a_folder_cannot_name_code_to_build_its_network(
    model: HubModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PerceptronConfig, "kind", "another")
    with pytest.raises(RunError, match=r"config\.json: the network is not one of Tenfold's; use "):
        tenfold.load_hub(model.path)


def test_the_onnx_file_is_as_the_page_of_files_says(exported: Exported) -> None:
    page = (Path(__file__).parents[2] / "docs/files.md").read_text()
    session = onnxruntime.InferenceSession(exported.path / "model.onnx")
    [images], [logits] = session.get_inputs(), session.get_outputs()
    [row] = re.findall(r"^\| digits \| .*$", page, re.MULTILINE)
    assert (images.name, images.type, images.shape[1:]) == ("images", "tensor(uint8)", [28, 28])
    assert "`images`: uint8 [N, 28, 28], " in row
    assert (logits.name, logits.type, logits.shape[1:]) == ("logits", "tensor(float)", [10])
    assert "`logits`: float32 [N, 10]" in row
    [(key, text)] = session.get_modelmeta().custom_metadata_map.items()
    metadata = json.loads(text)
    section = page.split("### Metadata of a digit model")[1].split("\n## ")[0]
    table = "".join(re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE))
    assert key == "tenfold"
    written = metadata.keys() | metadata["card"].keys()
    others = {"class_names", "quantised"}  # this file has neither
    assert set(re.findall(r"`(\w+)`", table)) == written | others
