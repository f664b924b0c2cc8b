"""Runs as quantised ONNX files, which are read like others."""

import json
import logging
from pathlib import Path

import numpy as np
import onnx
import pytest

import tenfold
from tenfold.data.mnist import LabelledImages
from tenfold.errors import RunError
from tenfold.reading.digit_classifier import Classifier
from tenfold.workflow.export_int8 import ExportedInt8
from workflow.exports import RECIPES


@pytest.fixture(scope="module")
def runs(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tenfold.Run]:
    """A hold-out run of each kind."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MOST_READ", "MOST_READ_OF_OTHERS", "NUM_SCENES"):
            patch.setattr(f"tenfold.workflow.calibrate.{name}", 20)
        return {
            name: tenfold.train(
                recipe.replace(epochs=2),
                data=small_data,
                out=tmp_path_factory.mktemp("runs") / name,
                holdout=True,
                threads=1,
                report=False,
            )
            for name, recipe in RECIPES.items()
        }


@pytest.fixture(scope="module")
def files(runs: dict[str, tenfold.Run]) -> dict[str, ExportedInt8]:
    return {name: tenfold.export_int8(run) for name, run in runs.items()}


@pytest.fixture(scope="module")
def originals(runs: dict[str, tenfold.Run]) -> dict[str, bytes]:
    """The files in floating point; an export takes seconds."""
    return {name: tenfold.export_run(run).path.read_bytes() for name, run in runs.items()}


def read_metadata(content: bytes) -> dict[str, object]:
    [entry] = onnx.load_from_string(content).metadata_props
    assert entry.key == "tenfold"
    metadata: dict[str, object] = json.loads(entry.value)
    return metadata


@pytest.mark.parametrize("name", RECIPES)
def test_a_file_answers_nearly_as_the_run(
    name: str,
    runs: dict[str, tenfold.Run],
    files: dict[str, ExportedInt8],
    originals: dict[str, bytes],
    test_images: LabelledImages,
) -> None:
    run, exported = runs[name], files[name]
    assert exported.path == run.path / "model-int8.onnx"
    content = exported.path.read_bytes()
    assert exported.num_bytes == len(content)
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model)
    weights = [one for one in model.graph.initializer if one.name.endswith("weight_quantized")]
    assert len(weights) > 1
    assert {one.data_type for one in weights} == {onnx.TensorProto.INT8}
    assert exported.compared.num_images == 200
    assert exported.compared.float_accuracy == pytest.approx(run.accuracy)
    assert exported.compared.agreement > 0.95
    probabilities_NK = Classifier(content, "it").classify(test_images.images_NHW[:500])
    expected_NK = Classifier(originals[name], "it").classify(test_images.images_NHW[:500])
    assert 0 < np.abs(probabilities_NK - expected_NK).mean() < 0.02


@pytest.mark.parametrize("name", RECIPES)
def test_the_metadata_are_those_of_the_file_that_was_quantised(
    name: str, files: dict[str, ExportedInt8], originals: dict[str, bytes]
) -> None:
    expected = read_metadata(originals[name])
    metadata = read_metadata(files[name].path.read_bytes())
    quantised = metadata["card"].pop("quantised")  # type: ignore[attr-defined]
    assert quantised.startswith("int8 weights by channel, uint8 activations; ONNX Runtime ")
    assert metadata == expected
    assert files[name].is_calibrated
    assert metadata["calibration"] is not None


def test_a_perceptron_has_a_quarter_of_its_size(files: dict[str, ExportedInt8]) -> None:
    exported = files["perceptron"]
    assert exported.num_bytes < 0.4 * exported.num_float_bytes


def test_nothing_is_logged_or_printed(
    runs: dict[str, tenfold.Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Nor does a later warning go elsewhere, as after logging.basicConfig."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    tenfold.export_int8(runs["perceptron"], tmp_path / "it.onnx")
    assert (root.handlers, root.level) == ([], level)
    assert capfd.readouterr() == ("", "")


def test_a_file_of_the_run_is_not_replaced(runs: dict[str, tenfold.Run]) -> None:
    path = runs["perceptron"].path / "config.json"
    with pytest.raises(RunError, match=r"config\.json: is a file of the run"):
        tenfold.export_int8(runs["perceptron"], path)
    path = runs["perceptron"].path / "model.onnx"
    with pytest.raises(RunError, match=r"model\.onnx: is for the model in floating point"):
        tenfold.export_int8(runs["perceptron"], path)
    with pytest.raises(RunError, match="is a folder, and not the file to write"):
        tenfold.export_int8(runs["perceptron"], runs["perceptron"].path)


def test_a_model_of_ones_own_is_quantised(small_data: Path, tmp_path: Path) -> None:
    recipe = tenfold.Recipe(
        name="mine",
        summary="a model of one's own",
        model=tenfold.ModuleConfig("own_models:Net", {}),
        epochs=1,
    )
    run = tenfold.train(recipe, data=small_data, out=tmp_path / "run", threads=1, report=False)
    exported = tenfold.export_int8(run)
    assert not exported.is_calibrated
    assert exported.compared.agreement > 0.9
