"""Audits of a small run and of a study's labels."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tenfold
from data.test_class_names import TEN
from tenfold.auditing import metrics, not_digits
from tenfold.auditing.corruptions import CORRUPTIONS
from tenfold.data.mnist import label_images
from tenfold.errors import DataError, ModelError, RecipeError, RunError, StudyError
from tenfold.system.json_types import from_json
from tenfold.workflow.fit import fit
from workflow.exports import PERCEPTRON


@pytest.fixture(scope="module", autouse=True)
def few() -> Iterator[None]:
    """Few images without digits, and few bootstrap samples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(not_digits, "NUM_LETTERS", 20)
        patch.setattr(not_digits, "NUM_CHARACTERS", 20)
        patch.setattr(not_digits, "FASHION", Path("missing"))
        patch.setattr(metrics, "NUM_RESAMPLES", 20)
        patch.setattr("tenfold.reports.audit_report._draw_figures", lambda *_: [])
        yield


@pytest.fixture(scope="module")
def run(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tenfold.Run:
    out = tmp_path_factory.mktemp("audited") / "run"
    return tenfold.train(PERCEPTRON, data=small_data, out=out, report=False)


@pytest.fixture(scope="module")
def found(run: tenfold.Run) -> tenfold.Audit:
    return tenfold.audit(run, seed=3)


def test_an_audit_has_the_accuracy_of_the_run_and_a_number_for_everything(
    run: tenfold.Run, found: tenfold.Audit
) -> None:
    assert (found.part, found.is_mnist, found.seed, found.corrected) == ("test", False, 3, None)
    assert found.accuracy.accuracy == run.accuracy
    assert len(found.corruptions) == 15
    mean = np.mean([each.error_rate for each in found.corruptions])
    assert found.mean_corruption_error == pytest.approx(mean)
    assert found.relative_corruption_error == pytest.approx(mean / (1 - run.accuracy))
    assert not found.has_reject_class
    assert repr(found).startswith(f"<Audit of perceptron, seed 0: {100 * run.accuracy:.2f} % of ")
    assert len(repr(found)) < 200
    assert {each.auroc_reject for each in found.not_digits} == {None}
    assert [each.name for each in found.not_digits] == ["letters", "other alphabets"]
    assert [each.wanted for each in found.conformal] == [0.9, 0.99, 0.999]


def test_the_numbers_and_the_page_lie_in_the_folder_of_the_run(
    run: tenfold.Run, found: tenfold.Audit
) -> None:
    values = json.loads((run.path / "audit.json").read_text())
    assert from_json(tenfold.Audit, values) == found
    page = (run.path / "audit.html").read_text(encoding="utf-8")
    assert "Audit of perceptron, seed 0" in page
    assert f"tenfold audit {run.path} --seed 3" in page
    assert tenfold.load_run(run.path).accuracy == run.accuracy


def test_letters_are_not_something_else_than_classes_with_names(
    run: tenfold.Run, small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = dataclasses.replace(run, config=dataclasses.replace(run.config, class_names=TEN))
    monkeypatch.setattr("tenfold.workflow.audit.load_run", lambda _: named)
    monkeypatch.setattr("tenfold.auditing.audit.CORRUPTIONS", dict([*CORRUPTIONS.items()][:1]))
    found = tenfold.audit(run, data=small_data, out=tmp_path)
    assert found.not_digits == ()
    page = (tmp_path / "audit.html").read_text(encoding="utf-8")
    assert f"tenfold audit {run.path} --data {small_data} --out {tmp_path}" in page
    assert "Images without digits" not in page


def test_a_model_is_audited_on_the_images_that_it_was_evaluated_on(small_data: Path) -> None:
    with pytest.raises(DataError, match="not the test images of the model"):
        tenfold.audit("reader", data=small_data)


def test_a_run_that_was_not_evaluated_is_refused_rather_than_audited_on_its_training_images(
    tmp_path: Path,
) -> None:
    images_NHW = np.zeros((40, 28, 28), np.uint8)
    images_NHW[:20] = 255
    labels_N = np.arange(40, dtype=np.uint8) % 10
    fitted = fit(PERCEPTRON, label_images(images_NHW, labels_N), seed=0, threads=1, device="cpu")
    fitted.write(tmp_path / "saved", {})
    arrays: dict[str, Any] = {"data": ((images_NHW, labels_N), (images_NHW[::-1], labels_N))}
    for data in (arrays, {}):
        with pytest.raises(RunError, match="was trained without test images"):
            tenfold.audit(tmp_path / "saved", images=100, **data)


@pytest.mark.parametrize(
    ("given", "options", "error", "reason"),
    [
        ("missing", {}, RunError, "missing"),
        ("missing.onnx", {}, ModelError, "no such file"),
        ("reader", {"images": 99}, RecipeError, "--images must be a whole number from 100"),
        ("reader", {"seed": -1}, RecipeError, "--seed must be"),
        ("reader", {"not_digits": ["missing"]}, DataError, "missing: no such folder"),
        ("reader", {"out": "file"}, RunError, "--out takes a folder"),
        ("study", {}, RunError, "--labels"),
    ],
)
def test_wrong_input_gets_one_line(
    given: str,
    options: dict[str, object],
    error: type[Exception],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("study").mkdir()
    Path("study/study.json").write_text("{}")
    with pytest.raises(error) as raised:
        tenfold.audit(given, **options)  # type: ignore[arg-type]
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)


def test_labels_of_a_committed_study_are_compared_with_the_published_errors() -> None:
    studies = Path(__file__).parents[2] / "studies"
    found = tenfold.audit_labels(studies / "strong")
    assert (found.part, found.num_listed) == ("test", 15)
    assert found.suspects == tuple(
        sorted(found.suspects, key=lambda each: -each.share * each.confidence)
    )
    assert found.found[0].precision >= 0.6  # of the first five
    with pytest.raises(StudyError, match="cannot read the study"):
        tenfold.audit_labels(studies / "missing")
