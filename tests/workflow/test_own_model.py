"""Training, resuming, using and exporting a model of one's own."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

import own_models
import tenfold
from tenfold.data.mnist import LabelledImages
from tenfold.errors import RecipeError, ResumeError, RunError, StudyError
from tenfold.models.build import build_model
from tenfold.models.weights import load_model
from tenfold.reports.study_report import build_study_report
from tenfold.sklearn import DigitClassifier
from tenfold.studies.statistics import summarize
from workflow.continued import stop


def build_recipe(factory: str = "Net", **fields: Any) -> tenfold.Recipe:
    arguments = fields.pop("arguments", {})
    return tenfold.Recipe(
        name="mine",
        summary="a model of one's own",
        model=tenfold.ModuleConfig(f"own_models:{factory}", arguments),
        optimizer=tenfold.OptimizerConfig(learning_rate=0.01, weight_decay=0.1),
        **{"epochs": 1, "batch_size": 20, **fields},
    )


@pytest.fixture(scope="module")
def run(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tenfold.Run:
    recipe, out = build_recipe(), tmp_path_factory.mktemp("run")
    return tenfold.train(recipe, data=small_data, out=out, threads=1, report=False)


def test_it_learns_and_its_folder_says_what_it_is(run: tenfold.Run) -> None:
    assert run.accuracy > 0.3
    config = json.loads((run.path / "config.json").read_text())
    assert config["recipe"]["model"] == {
        "kind": "module",
        "factory": "own_models:Net",
        "arguments": {},
    }
    assert config["versions"]["own_models"].startswith("SHA-256 ")
    # The names are those of the module, which loads its weights without Tenfold.
    module = own_models.Net()
    module.load_state_dict(safetensors.torch.load_file(run.weights_path))
    assert module.normalisation.running_mean is not None
    assert module.normalisation.running_mean.any()
    fixed = build_model(run.config.recipe.model, 0).state_dict()["fixed.weight"]
    assert torch.equal(module.fixed.weight, fixed)  # in spite of weight decay


def test_a_stopped_run_resumes_with_the_same_weights(small_data: Path, tmp_path: Path) -> None:
    """Also the statistics of batch normalisation, and dropout, whatever was drawn in between."""
    recipe = build_recipe(epochs=2)
    how: dict[str, Any] = {"data": small_data, "threads": 1, "report": False}
    whole = tenfold.train(recipe, out=tmp_path / "whole", **how)
    with pytest.raises(KeyboardInterrupt):
        tenfold.train(recipe, out=tmp_path / "run", on_progress=stop, **how)
    torch.rand(7)
    resumed = tenfold.resume(tmp_path / "run")
    assert resumed.read_losses() == whole.read_losses()
    assert resumed.training.weights_sha256 == whole.training.weights_sha256
    assert not resumed.training.resumed_with


def test_predictions_are_those_of_the_evaluation(
    run: tenfold.Run, test_images: LabelledImages
) -> None:
    images_NHW, labels_N = test_images.images_NHW[:500], test_images.labels_N[:500]
    loaded = tenfold.load_run(run.path)
    predicted_N = loaded.predict(images_NHW)
    wrong = np.flatnonzero(predicted_N != labels_N)
    assert {one.index for one in run.evaluation.misclassified} == {*wrong.tolist()}
    probabilities_NK = loaded.predict_proba((images_NHW.reshape(-1, 784) / 255)[:7])
    assert probabilities_NK.shape == (7, 10)
    np.testing.assert_array_equal(probabilities_NK.argmax(1), predicted_N[:7])
    with pytest.raises(tenfold.TenfoldError, match="images: the shape is"):
        loaded.predict(images_NHW[:, :8, :8])


def test_it_exports(run: tenfold.Run, tmp_path: Path) -> None:
    exported = tenfold.export_run(run, tmp_path / "model.onnx")
    assert exported.largest_difference < 1e-4


def test_a_changed_source_is_warned_of(
    small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    source = tmp_path / "changing_models.py"
    source.write_text("from own_models import build_lazy as build\n")
    monkeypatch.syspath_prepend(tmp_path)
    recipe = tenfold.Recipe(
        name="mine", summary="", model=tenfold.ModuleConfig("changing_models:build"), epochs=1
    )
    how: dict[str, Any] = {"data": small_data, "threads": 1, "report": False}
    run = tenfold.train(recipe, out=tmp_path / "run", **how)
    with pytest.raises(KeyboardInterrupt):
        tenfold.train(recipe, out=tmp_path / "stopped", on_progress=stop, **how)
    source.write_text(source.read_text() + "# changed\n")
    images = np.zeros((1, 784), np.uint8)
    tenfold.load_run(run.path).predict(images)
    assert "the source of changing_models has changed" in caplog.text
    caplog.clear()
    assert DigitClassifier.load(run.path).predict(images).shape == (1,)
    assert "the source of changing_models has changed" in caplog.text
    caplog.clear()
    resumed = tenfold.resume(tmp_path / "stopped")
    assert "the source of changing_models has changed, so the weights may be quite" in caplog.text
    [changed] = resumed.training.resumed_with
    assert changed.startswith("changing_models SHA-256 ")
    # With other layers, the weights do not fit.
    other = tmp_path / "other"
    with pytest.raises(KeyboardInterrupt):
        tenfold.train(recipe, out=other, on_progress=stop, **how)
    monkeypatch.setattr(sys.modules["changing_models"], "build", own_models.build_flat)
    with pytest.raises(ResumeError, match="not the weights of the run's recipe: Error"):
        tenfold.resume(other)
    with pytest.raises(RunError, match="not the weights of the run's recipe: Error"):
        DigitClassifier.load(run.path).predict(images)
    # Loading a run imports nothing; without its module, it is not used.
    source.unlink()
    del sys.modules["changing_models"]
    loaded = tenfold.load_run(run.path)
    assert "changing_models" not in sys.modules
    with pytest.raises(RecipeError, match=r"changing_models:build: No module named .* PYTHONPATH"):
        loaded.predict(images)


def test_a_study_trains_it_and_notices_another(
    small_data: Path,
    tmp_path: Path,
    in_this_process: None,
    monkeypatch: pytest.MonkeyPatch,
    test_images: LabelledImages,
) -> None:
    monkeypatch.setattr("tenfold.reports.study_files.write_study_report", lambda *_: None)
    how: dict[str, Any] = {"data": small_data, "out": tmp_path / "study", "threads": 1}
    recipe = build_recipe("build_lazy")
    study = tenfold.study(recipe, seeds=2, **how)
    assert len(study.runs) == 2
    summary = summarize(study, test_images.labels_N[:500], is_mnist=False)
    page = build_study_report(study, summary, [], is_mnist=False)
    assert "own_models:build_lazy()" in page
    assert "multiply-adds" not in page
    with pytest.raises(StudyError, match="which differs in model"):
        tenfold.study(build_recipe("build_lazy", arguments={"hidden": 9}), seeds=2, **how)
    assert tenfold.average_study(study).mean_accuracy > 0.3


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("build_gone", "has no build_gone"),
        ("build_nothing", "must return a torch.nn.Module, not int"),
        ("build_two_answers", "to float32 logits [2, 10], but returned torch.float32 [2, 2]"),
        ("build_halves", "but returned torch.float16 [2, 10]"),
        ("build_probabilities", "but returned probabilities; leave out the softmax"),
        ("build_doubles", "images [2, 1, 28, 28] failed: RuntimeError: "),
        ("build_fixed", "has no parameters to train"),
        ("Net.forward", "building the model failed: TypeError: "),
    ],
)
def test_a_model_that_does_not_fit_is_refused_before_training(
    factory: str, message: str, small_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError) as raised:
        tenfold.train(build_recipe(factory), data=small_data, out=tmp_path / "run")
    assert str(raised.value).startswith(f"own_models:{factory}")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_what_would_fail_late_is_refused_before_training(
    small_data: Path, tmp_path: Path, capfd: Any
) -> None:
    how: dict[str, Any] = {"data": small_data, "out": tmp_path / "run"}
    with pytest.raises(RecipeError, match=r"images \[65, .* failed: AssertionError: too many"):
        tenfold.train(build_recipe("build_small_batches", batch_size=65), **how)
    with pytest.raises(RecipeError, match="of its state_dict is of the type dict; return a tens"):
        tenfold.train(build_recipe("build_remembering"), **how)
    with pytest.raises(RecipeError, match=r"images \[1, .*last batch of an epoch; --batch-size"):
        tenfold.train(build_recipe("build_batch_normalised", batch_size=109), **how)
    with pytest.raises(RecipeError, match="own_models:Branching cannot be exported to ONNX: Gua"):
        tenfold.train(build_recipe("Branching"), holdout=True, **how)
    assert not capfd.readouterr().err
    with pytest.raises(RecipeError, match="needs a name of its own, not classic"):
        tenfold.train(tenfold.Recipe(name="classic", summary="", model=build_recipe().model), **how)
    assert not (tmp_path / "run").exists()


def test_weights_of_another_source_are_refused(run: tenfold.Run, tmp_path: Path) -> None:
    other = tenfold.ModuleConfig("own_models:Net", {"width": 5})
    with pytest.raises(RunError, match="not the weights of the run's recipe"):
        load_model(other, 0, run.weights_path)
