import json
import logging
import re
from pathlib import Path

import pytest
from PIL import Image

import tenfold
from cli.conftest import Fail
from tenfold.cli import main
from tenfold.data.mnist import LabelledImages
from tenfold.reading.digit_classifier import load_classifier
from tenfold.recipes.recipe import Recipe

RECIPE = Recipe(name="small", summary="a perceptron for tests", epochs=1).replace(
    hidden_sizes=[20], batch_size=50
)


@pytest.fixture(scope="module")
def run(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tenfold.Run:
    out = tmp_path_factory.mktemp("runs") / "run"
    return tenfold.train(RECIPE, data=small_data, out=out, threads=1, report=False)


@pytest.fixture(scope="module")
def held_out(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tenfold.Run:
    out = tmp_path_factory.mktemp("runs") / "held-out"
    return tenfold.train(RECIPE, data=small_data, out=out, holdout=True, threads=1, report=False)


def test_export_prints_its_result_and_the_next_command(
    run: tenfold.Run,
    held_out: tenfold.Run,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert main(["export", str(run.path)]) == 0
    printed = capfd.readouterr()
    path = run.path / "model.onnx"
    assert printed.err == ""
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]
    assert [line.split("  ")[0] for line in printed.out.splitlines()] == [
        "model",
        "size",
        "calibrated",
        "compared",
        "next",
    ]
    assert f"model       {path}\n" in printed.out
    assert f"size        {path.stat().st_size / 1e3:.1f} kB\n" in printed.out
    assert "calibrated  no: name a hold-out run with --calibration\n" in printed.out
    assert re.search(r"compared +500 images, probabilities within \d\.\de-\d\d of", printed.out)
    assert f"next        tenfold read image.png --model {path}\n" in printed.out
    assert main(["export", str(held_out.path)]) == 0
    assert "calibrated  by a hold-out run\n" in capfd.readouterr().out
    hub = run.path / "hub"
    assert main(["export", str(run.path), "--hub", str(hub), "--license", "mit"]) == 0
    assert f"next        hf upload USER/NAME {hub} " in capfd.readouterr().out
    assert 'license: "mit"\n' in (hub / "README.md").read_text()


def test_export_takes_a_file_and_a_calibration_and_prints_json(
    run: tenfold.Run,
    held_out: tenfold.Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "models" / "mine.onnx"
    command = ["export", str(run.path), str(out), "--calibration", str(held_out.path), "--json"]
    assert main(command) == 0
    printed = json.loads(capsys.readouterr().out)
    assert 0 <= printed.pop("largest_difference") < 1e-4
    assert printed == {
        "path": str(out),
        "num_bytes": out.stat().st_size,
        "num_compared": 500,
        "is_calibrated": True,
    }
    temperature = load_classifier(out).calibration.temperature
    assert temperature == held_out.calibration.temperature


def test_read_takes_the_exported_file(
    run: tenfold.Run, small_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, sheet = tmp_path / "model.onnx", tmp_path / "sheet.png"
    assert main(["export", str(run.path), str(model), "--data", str(small_data)]) == 0
    assert main(["data", "--sheet", str(sheet)]) == 0
    capsys.readouterr()
    assert main(["read", str(sheet), "--model", str(model), "--single", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["file"] == str(sheet)
    model.write_bytes(model.read_bytes()[:-5])
    assert main(["read", str(sheet), "--model", str(model)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"tenfold: {model}: not a valid ONNX model: ")
    assert printed.err.count("\n") == 1


def test_read_takes_the_quantised_file(
    run: tenfold.Run,
    test_images: LabelledImages,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, image = run.path / "model-int8.onnx", tmp_path / "seven.png"
    assert main(["export", str(run.path), "--int8"]) == 0
    rows = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert [*rows] == ["model", "size", "calibrated", "accuracy", "next"]
    num_float_bytes = 4 * run.training.num_parameters
    assert re.fullmatch(r" *\d\d\.\d kB, 6\d\.\d kB before", rows["size"])
    assert path.stat().st_size < num_float_bytes / 2
    accuracy = rf"\d\d\.\d\d % of 500 test images \({100 * run.accuracy:.2f} % in floating point"
    assert re.search(accuracy, rows["accuracy"])
    assert rows["next"].strip() == f"tenfold read image.png --model {path}"
    Image.fromarray(255 - test_images.images_NHW[0]).save(image)
    assert main(["read", str(image), "--model", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == "7"


def test_export_writes_c(
    run: tenfold.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.c"
    assert main(["export", str(run.path), "--c", str(path)]) == 0
    rows = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert [*rows] == ["code", "constants", "memory", "accuracy", "next"]
    assert rows["code"].strip() == str(path)
    # 784-20-10: weights, biases, multipliers of the hidden layer, and two records of layers.
    assert rows["constants"].strip() == f"{794 * 20 + 4 * (20 + 20 + 10) + 2 * 28:,} bytes"
    assert rows["memory"].strip() == "20 bytes, and the stack"
    assert rows["next"].strip().startswith("arm-none-eabi-gcc -std=c99 ")
    assert "int digit_classify(" in path.read_text()
    assert main(["export", str(run.path), "--c", str(path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["compared"].pop("accuracy") > 0.3
    assert printed["compared"].pop("agreement") > 0.97
    assert printed == {
        "path": str(path),
        "num_constant_bytes": 16_136,
        "num_memory_bytes": 20,
        "compared": {"part": "test", "num_images": 500, "float_accuracy": run.accuracy},
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "missing RUN; usage: tenfold export RUN [OUT] [OPTIONS]"),
        ("nowhere", "nowhere: no such folder; name the folder of a run"),
        ("RUN --calibration nowhere", "nowhere: no such folder; name the folder of a run"),
        ("RUN --calibration RUN", "the run has no calibration; use a hold-out run"),
        ("RUN --data nowhere", "nowhere: no such folder"),
        ("RUN here there", "too many arguments: there; usage: tenfold export RUN [OUT] [OPTIONS]"),
        ("RUN .", ". is a folder, and not the file to write; export several runs one by one"),
        ("RUN --out here", "Unknown option: --out."),
        ("RUN here --hub there", "--hub writes model.onnx into there; leave out here"),
        ("RUN --license mit", "--license is for the model card, which only --hub writes"),
        ("RUN --c .", ". is a folder, and not the file to write"),
        ("RUN it --c here", "--c writes here and no other file; leave out it"),
        ("RUN --c here --int8", "--c writes here and no other file; leave out --int8"),
        ("RUN --c here --hub it", "--c writes here and no other file; leave out --hub"),
        (
            "RUN --c here --calibration RUN",
            "scores of --c are not calibrated; leave out --cal",
        ),
        ("RUN --c here --license mit", "--license is for the model card, which only --hub writes"),
        ("RUN --int8 --hub it", "--int8 writes one ONNX file and no folder; leave out --hub"),
        ("RUN --hub new --license GPL!", "such as mit or cc-by-4.0, not GPL!"),
        ("RUN --hub RUN", "has files that `tenfold export --hub` did not write"),
    ],
)
def test_errors_are_one_line_and_exit_with_2(
    arguments: str, message: str, run: tenfold.Run, fail: Fail
) -> None:
    assert message in fail(f"export {arguments.replace('RUN', str(run.path))}")
