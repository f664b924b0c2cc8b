"""Runs of every kind as ONNX files: what is in them, and that they answer as the run does."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import tenfold
from tenfold.data.idx import dump_idx
from tenfold.data.mnist import LabelledImages
from tenfold.errors import DataError, ModelError, RunError
from tenfold.reading.digit_classifier import Classifier
from tenfold.reading.model_file import Thresholds
from tenfold.reading.reader import Reader
from tenfold.reading.result import Status
from tenfold.recipes.recipe import Recipe
from tenfold.system.json_types import to_json
from tenfold.workflow import calibrate as calibrating
from tenfold.workflow.export import export_run
from workflow.exports import PERCEPTRON, RECIPES, Kind, compute_probabilities

NUM_TEST, NUM_VALIDATION = 500, 200


@pytest.fixture(scope="module")
def kinds(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    """A finished run of each kind, the one with scenes held out, and its file."""
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibrating, "NUM_SCENES", 100)  # 20,000 take a minute
        for name, recipe in RECIPES.items():
            run = tenfold.train(
                recipe,
                seed=1,
                data=small_data,
                out=tmp_path_factory.mktemp("runs") / name,
                holdout=name == "scenes",
                threads=1,
                report=False,
            )
            made[name] = Kind(run, export_run(run))
    return made


@pytest.fixture(params=RECIPES)
def kind(request: pytest.FixtureRequest, kinds: dict[str, Kind]) -> Kind:
    """Each kind in turn."""
    return kinds[request.param]


@pytest.fixture(scope="module")
def held_out(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tenfold.Run:
    """A hold-out run of the perceptron's recipe."""
    out = tmp_path_factory.mktemp("runs") / "held-out"
    return tenfold.train(
        PERCEPTRON, seed=2, holdout=True, data=small_data, out=out, threads=1, report=False
    )


def test_a_file_is_one_small_model_alone(kind: Kind) -> None:
    assert kind.exported.path == kind.run.path / "model.onnx"
    assert kind.exported.num_bytes == len(kind.data) < 4_000_000
    model = kind.model
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]
    assert not model.functions
    assert b".py" not in kind.data  # nor where this machine keeps its programs
    assert str(Path(tenfold.__file__).parent).encode() not in kind.data
    # Nothing lies beside it, and nothing in it is somewhere else.
    assert not [path for path in kind.run.path.iterdir() if path.name.startswith("model.onnx.")]
    for initializer in model.graph.initializer:
        assert not initializer.external_data
        assert initializer.data_location == onnx.TensorProto.DEFAULT


def test_a_file_takes_bytes_and_gives_logits(kind: Kind) -> None:
    graph = kind.model.graph
    [images], [logits] = graph.input, graph.output
    assert images.name == "images"
    assert images.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    batch, height, width = images.type.tensor_type.shape.dim
    assert batch.dim_param
    assert (height.dim_value, width.dim_value) == (28, 28)
    assert logits.name == "logits"
    assert logits.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert logits.type.tensor_type.shape.dim[1].dim_value == (11 if kind.is_held_out else 10)


def test_a_file_gives_the_probabilities_of_the_run(kind: Kind, training: LabelledImages) -> None:
    classifier = Classifier(kind.data, "it")
    images_NHW = training.images_NHW[2000:2130]  # none that it was compared on
    temperature = kind.run.calibration.temperature if kind.is_held_out else 1.0
    expected_NK = compute_probabilities(kind.run, images_NHW, temperature)
    assert np.ptp(expected_NK, axis=0).max() > 0.01
    for count in (1, 2, 64, 65, 130):
        answers_NK = classifier.classify(images_NHW[:count])
        np.testing.assert_allclose(answers_NK, expected_NK[:count], atol=2e-5)
    # It was compared on all that the run was evaluated on.
    assert kind.exported.num_compared == kind.run.evaluation.num_images
    assert 0 <= kind.exported.largest_difference < 1e-4


def test_the_metadata_describe_the_run(kind: Kind) -> None:
    run, metadata, recipe = kind.run, kind.metadata, kind.run.config.recipe
    assert set(metadata) == {"format", "labels", "calibration", "card"}
    assert metadata["format"] == 1
    assert metadata["labels"] == [*"0123456789", *["none"] * kind.is_held_out]
    card = metadata["card"]
    assert Recipe.from_json(card["recipe"]) == recipe == RECIPES[run.path.name]
    assert card["seed"] == 1
    assert card["holdout"] == kind.is_held_out
    assert card["checksums"] == {part: [*pair] for part, pair in run.config.checksums.items()}
    assert card["weights_sha256"] == run.training.weights_sha256
    assert card["num_parameters"] == recipe.model.count_parameters()
    assert card["accuracy"] == run.accuracy
    expected = ("validation", NUM_VALIDATION) if kind.is_held_out else ("test", NUM_TEST)
    assert (card["part"], card["num_images"]) == expected
    assert card["tenfold"] == tenfold.__version__
    assert card["versions"]["torch"] == torch.__version__
    assert card["opset"] == 18
    assert Classifier(kind.data, "it").card == card


def test_only_a_run_that_was_held_out_has_its_own_calibration(
    kind: Kind, held_out: tenfold.Run
) -> None:
    assert kind.exported.is_calibrated == kind.is_held_out
    classifier = Classifier(kind.data, "it")
    assert classifier.calibration.is_fitted == kind.is_held_out
    if kind.is_held_out:
        found = json.loads((kind.run.path / "calibration.json").read_text())
        assert kind.metadata["calibration"] == found == kind.metadata["card"]["calibration"]
        assert classifier.calibration.temperature == found["temperature"] != 1
        assert classifier.thresholds == Thresholds(found["read"], found["not_digit"])
        assert found.keys() == to_json(held_out.calibration).keys()
        assert held_out.calibration.not_digit == 1  # it cannot say that something is none
    else:
        assert not (kind.run.path / "calibration.json").exists()
        assert kind.metadata["calibration"] is None
        assert kind.metadata["card"]["calibration"] == (
            "none: this model's probabilities are as training left them"
        )
        assert classifier.calibration.temperature == 1
        assert classifier.thresholds == Thresholds()


def test_a_run_is_calibrated_by_another_of_its_recipe(
    kinds: dict[str, Kind],
    held_out: tenfold.Run,
    tmp_path: Path,
    test_images: LabelledImages,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run = kinds["perceptron"].run
    before = kinds["perceptron"].data
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    exported = export_run(str(run.path), str(tmp_path / "it.onnx"), calibration=held_out.path)
    # It prints nothing, and leaves torch and the folder as they were.
    assert capfd.readouterr() == ("", "")
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [path.name for path in tmp_path.iterdir()] == ["it.onnx"]
    assert exported.is_calibrated
    assert exported.path.read_bytes() != before
    assert kinds["perceptron"].data == before  # another file was named
    classifier = Classifier(exported.path.read_bytes(), "it")
    temperature = held_out.calibration.temperature
    assert classifier.calibration.temperature == temperature
    assert classifier.thresholds.read == held_out.calibration.read
    images_NHW = test_images.images_NHW[:80]
    expected_NK = compute_probabilities(run, images_NHW, temperature)
    np.testing.assert_allclose(classifier.classify(images_NHW), expected_NK, atol=2e-5)
    assert classifier.card["seed"] == 1
    assert classifier.card["calibration"] == to_json(held_out.calibration)


@pytest.mark.parametrize("out", [None, "mine.onnx"])
def test_an_invalid_export_names_the_file(
    out: str | None, kinds: dict[str, Kind], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tenfold.models.onnx.dump_onnx", lambda *_: b"")
    run = kinds["perceptron"].run
    with pytest.raises(ModelError) as raised:
        export_run(run, out)
    path = out or run.path / "model.onnx"
    assert str(raised.value).startswith(f"{path}: not a valid ONNX model: ")
    assert list(tmp_path.iterdir()) == []


def test_a_calibration_that_does_not_fit_is_refused(
    kinds: dict[str, Kind], held_out: tenfold.Run, tmp_path: Path
) -> None:
    perceptron, *others = (kind.run for kind in kinds.values())
    another = "its recipe differs in name (perceptron, not "
    for run, calibration, message in (
        (perceptron, perceptron, "the run has no calibration; use a hold-out run"),
        *((run, held_out, f"its calibration does not fit {run.path}: {another}") for run in others),
    ):
        with pytest.raises(RunError, match=f"^{re.escape(f'{calibration.path}: {message}')}"):
            export_run(run, tmp_path / "model.onnx", calibration=calibration)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_or_incomplete_calibration_is_reported(
    kinds: dict[str, Kind], held_out: tenfold.Run, tmp_path: Path
) -> None:
    old = shutil.copytree(held_out.path, tmp_path / "old")
    (old / "calibration.json").unlink()
    for run in (old, kinds["perceptron"].run):
        with pytest.raises(RunError, match=r"old/calibration\.json: .*No such file"):
            export_run(run, tmp_path / "model.onnx", calibration=None if run == old else old)
    (old / "calibration.json").write_text('{"read": 0.5, "not_digit": 0.5}')
    with pytest.raises(RunError, match=r"calibration\.json: .* temperature: missing"):
        export_run(old)


def test_a_calibration_on_other_data_is_refused(
    kinds: dict[str, Kind],
    small_data: Path,
    tmp_path: Path,
    training: LabelledImages,
    few_readings: None,
) -> None:
    other = Path(shutil.copytree(small_data, tmp_path / "data"))
    for name, values in (("images-idx3", training.images_NHW), ("labels-idx1", training.labels_N)):
        (other / f"train-{name}-ubyte").write_bytes(dump_idx(values[5000:5600]))
    run = tenfold.train(
        PERCEPTRON, holdout=True, data=other, out=tmp_path / "run", threads=1, report=False
    )
    with pytest.raises(RunError, match=r"does not fit .*: the training data differ"):
        export_run(kinds["perceptron"].run, tmp_path / "model.onnx", calibration=run)


def test_only_finished_unchanged_runs_are_exported(
    kinds: dict[str, Kind], held_out: tenfold.Run, tmp_path: Path
) -> None:
    empty, unfinished, changed = (tmp_path / name for name in ("empty", "unfinished", "changed"))
    empty.mkdir()
    for path in (unfinished, changed):
        shutil.copytree(held_out.path, path)
    (unfinished / "state.json").write_text('{"state": "running"}')
    shutil.copy(kinds["perceptron"].run.weights_path, changed / "model.safetensors")
    for path, message in (
        (empty, ": not a run folder: it has no config.json"),
        (unfinished, ": the run is not finished"),
        (changed, "/model.safetensors: changed after training"),
    ):
        message = f"^{re.escape(f'{path}{message}')}"
        with pytest.raises(RunError, match=message):
            export_run(path)
        with pytest.raises(RunError, match=message):
            export_run(kinds["perceptron"].run, tmp_path / "out.onnx", calibration=path)


def test_a_moved_data_folder_can_be_named(
    kinds: dict[str, Kind], small_data: Path, tmp_path: Path, test_images: LabelledImages
) -> None:
    data = Path(shutil.copytree(small_data, tmp_path / "data"))
    run = tenfold.train(
        PERCEPTRON, data=data, out=tmp_path / "run", epochs=1, threads=1, report=False
    )
    moved = data.rename(tmp_path / "moved")
    with pytest.raises(DataError) as raised:
        export_run(run)
    assert raised.value.__notes__ == ["if the data folder has moved, name it with --data"]
    assert export_run(run, data=moved).path == run.path / "model.onnx"
    (moved / "t10k-labels-idx1-ubyte").write_bytes(dump_idx(test_images.labels_N[1:501]))
    with pytest.raises(DataError, match=r"not the test labels of the run"):
        export_run(run, data=moved)


def test_a_file_with_other_probabilities_is_not_written(
    kinds: dict[str, Kind], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The two have never been seen to differ: the run's answers are replaced.
    run, out = kinds["perceptron"].run, tmp_path / "model.onnx"
    monkeypatch.setattr(
        "tenfold.models.onnx.compute_logits",
        lambda _, images_NHW: np.eye(10)[np.zeros(len(images_NHW), int)],
    )
    with pytest.raises(RunError, match=r"differ by 0\.9.*; at most 0\.0001 is allowed"):
        export_run(run, out)
    assert not out.exists()


def test_a_file_replaces_an_older_one_and_the_run_stays_whole(
    kinds: dict[str, Kind], tmp_path: Path
) -> None:
    path = shutil.copytree(kinds["convolutional"].run.path, tmp_path / "run")
    (path / "model.onnx").write_bytes(b"older")
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    exported = export_run(path)
    assert exported.path.read_bytes() == kinds["convolutional"].data  # the same, twice
    after = {file.name: file.read_bytes() for file in path.iterdir()}
    assert {**after, "model.onnx": b"older"} == before
    assert tenfold.load_run(path).accuracy == kinds["convolutional"].run.accuracy


def test_a_model_does_not_replace_another_file_of_its_run(
    kinds: dict[str, Kind], tmp_path: Path
) -> None:
    path = shutil.copytree(kinds["perceptron"].run.path, tmp_path / "run")
    with pytest.raises(RunError, match=r"config\.json: is a file of the run"):
        export_run(path, path / "config.json")
    tenfold.load_run(path)


def test_an_unwritable_folder_is_reported(kinds: dict[str, Kind], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(RunError, match=r"file/model\.onnx: cannot be written: "):
        export_run(kinds["perceptron"].run, tmp_path / "file" / "model.onnx")


def test_the_file_of_a_perceptron_reads_digits(
    kinds: dict[str, Kind], test_images: LabelledImages
) -> None:
    reader = Reader(model=kinds["perceptron"].exported.path)
    num_right = 0
    for image_HW, label in zip(test_images.images_NHW[:40], test_images.labels_N, strict=False):
        page_HW = np.pad(255 - image_HW.repeat(3, 0).repeat(3, 1), 20, constant_values=255)
        reading = reader.read(page_HW, single=True)
        assert reading.status in (Status.READ, Status.UNCERTAIN)
        num_right += reading.text == str(label)
    assert num_right > 24


def test_an_exported_model_with_a_reject_class_rejects_images_without_a_digit(
    kinds: dict[str, Kind], tmp_path: Path, test_images: LabelledImages
) -> None:
    kind = kinds["scenes"]
    model, metadata, path = kind.model, kind.metadata, tmp_path / "changed.onnx"
    page_HW = 255 - test_images.images_NHW[0]
    for not_digit, status in ((0.0, Status.NOT_DIGITS), (1.0, Status.READ)):
        metadata["calibration"] = {"temperature": 1.0, "read": 0.0, "not_digit": not_digit}
        model.metadata_props[0].value = json.dumps(metadata)
        path.write_bytes(model.SerializeToString())
        assert Reader(model=path).read(page_HW, single=True).status == status
