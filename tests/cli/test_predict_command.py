"""From Kaggle's folder to a submission, and class names from the data folder to the report."""

import csv
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import tenfold
from cli.conftest import Fail
from data.formats import write_kaggle
from data.test_class_names import TEN
from tenfold.cli import main
from tenfold.data.mnist import LabelledImages
from tenfold.reading.digit_classifier import BUNDLED_MODEL
from tenfold.reports.run_comparison import _describe_disagreed
from tenfold.reports.run_report import build_train_command
from tenfold.runs.results import Calibration
from tenfold.studies.run_comparison import DisagreedImage

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def kaggle(
    training: LabelledImages, test_images: LabelledImages, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("kaggle")
    few = training.select(np.arange(600))
    write_kaggle(folder, few, test_images.select(np.arange(50)))
    (folder / "classes.txt").write_text("\n".join(TEN))
    return folder


@pytest.fixture(scope="module", autouse=True)
def quick_calibration() -> Iterator[None]:
    """Do not calibrate hold-out runs, which takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        calibration = Calibration(temperature=1.0, read=0.9, not_digit=0.9)
        patch.setattr("tenfold.workflow.calibrate.calibrate", lambda *_: calibration)
        yield


@pytest.fixture(scope="module")
def run(kaggle: Path, tmp_path_factory: pytest.TempPathFactory) -> tenfold.Run:
    return tenfold.train(
        "classic",
        data=kaggle,
        holdout=True,
        out=tmp_path_factory.mktemp("run"),
        report=False,
        epochs=5,
        batch_size=20,
    )


def test_a_submission_is_written_and_no_file_is_overwritten(
    run: tenfold.Run,
    kaggle: Path,
    test_images: LabelledImages,
    here: Path,
    capsys: Capture,
    fail: Fail,
) -> None:
    command = f"predict {run.path} --data {kaggle / 'test.csv'} --csv submission.csv"
    assert main(command.split()) == 0
    assert "predictions  submission.csv" in capsys.readouterr().out
    with Path("submission.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["ImageId"] for row in rows] == [str(index) for index in range(1, 51)]
    right = [int(row["Label"]) == k for row, k in zip(rows, test_images.labels_N[:50], strict=True)]
    assert np.mean(right) > 0.6
    assert rows[0]["Name"] == TEN[int(rows[0]["Label"])]
    assert fail(command) == "submission.csv exists; remove it, or name another file"


def test_an_exported_model_predicts_the_same(
    run: tenfold.Run, kaggle: Path, here: Path, capsys: Capture
) -> None:
    tenfold.export_run(run, "model.onnx")
    printed = []
    for model in (str(run.path), "model.onnx"):
        assert main(["predict", model, "--data", str(kaggle), "--json", "--probabilities"]) == 0
        printed.append(json.loads(capsys.readouterr().out)["predictions"])
    first, second = printed
    assert [one["name"] for one in first] == [one["name"] for one in second]
    assert [one["predicted"] for one in first] == [one["predicted"] for one in second]
    assert len(first) == 50
    for one in first:
        assert one["confidence"] == max(one["probabilities"])
        assert sum(one["probabilities"]) == pytest.approx(1, abs=1e-5)


def test_an_exported_model_needs_no_pytorch(kaggle: Path, here: Path) -> None:
    script = """import sys
for name in ("torch", "matplotlib", "safetensors", "scipy", "jinja2"):
    sys.modules[name] = None
from tenfold.cli import main
sys.exit(main(sys.argv[1:]))"""
    data = ["--data", str(kaggle / "train.csv"), "--csv", "out.csv", "--json"]
    command = [sys.executable, "-c", script, "predict", str(BUNDLED_MODEL), *data]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stderr == ""
    assert json.loads(ran.stdout)["accuracy"] > 0.9
    assert Path("out.csv").is_file()


def test_evaluating_keeps_all_predictions_and_shows_names(
    run: tenfold.Run, capsys: Capture
) -> None:
    assert main(["evaluate", str(run.path)]) == 0
    shown = capsys.readouterr().out
    assert "precision" in shown
    report = run.report.read_text(encoding="utf-8")
    for name in TEN:
        assert name in shown
        assert name in report
    assert "Misclassified images" in report
    assert main(["predict", str(run.path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["accuracy"] == run.accuracy
    with run.predictions.open(newline="") as file:
        kept = list(csv.DictReader(file))
    assert [int(row["predicted"]) for row in kept] == [
        one["predicted"] for one in printed["predictions"]
    ]
    wrong = {int(row["index"]) for row in kept if row["label"] != row["predicted"]}
    assert wrong == {mistake.index for mistake in run.evaluation.misclassified}


def test_class_names_are_those_of_counts_and_of_compared_images(
    kaggle: Path, here: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["data", "--data", str(kaggle), "--sheet", "sheet.png"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split()[2:] == " ".join(TEN).split()
    image = DisagreedImage(index=0, label=1, answer_of_first=1, answer_of_other=2)
    assert _describe_disagreed(image, TEN) == (TEN[1], f"{TEN[2]}\nright → wrong")


def test_class_names_of_the_data_folder_are_kept(run: tenfold.Run) -> None:
    assert run.config.class_names == run.evaluation.class_names == TEN
    findings = {finding.name: finding for finding in run.evaluation.findings}
    assert findings["hardest_class"].sentence.split(" has the")[0].removeprefix("The class ") in TEN
    words = shlex.split(build_train_command(run.config))
    assert words[words.index("--class-names") + 1 :][:10] == [*TEN]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("predict nowhere", "nowhere: no such folder"),
        ("predict model.onnx", "name the images to predict with --data"),
        ("predict run --part test", "--part needs --data; name"),
        ("train --class-names a b", "--class-names: has 2 names, but must have 10"),
    ],
)
def test_wrong_calls_are_refused(command: str, message: str, fail: Fail) -> None:
    assert message in fail(command)


def test_kaggles_data_are_trained_on_with_holdout(kaggle: Path, fail: Fail) -> None:
    message = fail(f"train --data {kaggle}")
    assert "the test images have no labels" in message
    assert "train with --holdout" in message
