import json
import logging
import re
from pathlib import Path

import pytest

import tenfold
from cli.conftest import Fail
from tenfold.cli import main
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
    assert f"size        {path.stat().st_size / 1e6:.2f} MB\n" in printed.out
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "missing RUN; usage: tenfold export RUN [OUT] [OPTIONS]"),
        ("nowhere", "nowhere: no such folder; name the folder of a run"),
        ("RUN --calibration nowhere", "nowhere: no such folder; name the folder of a run"),
        ("RUN --calibration RUN", "the run has no calibration; use a hold-out run"),
        ("RUN --data nowhere", "nowhere: no such folder"),
        ("RUN here there", "too many arguments: there; usage: tenfold export RUN [OUT] [OPTIONS]"),
        ("RUN .", ". is a folder, and the second argument is the file to write"),
        ("RUN --out here", "Unknown option: --out."),
        ("RUN here --hub there", "--hub writes model.onnx into there; leave out here"),
        ("RUN --license mit", "--license is for the model card, which only --hub writes"),
        ("RUN --hub new --license GPL!", "such as mit or cc-by-4.0, not GPL!"),
        ("RUN --hub RUN", "has files that `tenfold export --hub` did not write"),
    ],
)
def test_errors_are_one_line_and_exit_with_2(
    arguments: str, message: str, run: tenfold.Run, fail: Fail
) -> None:
    assert message in fail(f"export {arguments.replace('RUN', str(run.path))}")
