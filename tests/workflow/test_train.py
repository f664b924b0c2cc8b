import dataclasses
import json
import math
import re
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

import tenfold
from readme import BLOCKS
from tenfold.data.mnist import MNIST_CHECKSUMS, LabelledImages
from tenfold.errors import RecipeError, RunError
from tenfold.recipes.configs import ConvolutionalConfig, PerceptronConfig
from tenfold.recipes.recipe import Recipe
from tenfold.runs.progress import StageProgress
from tenfold.system.files import hash_file
from tenfold.training.loop import Progress
from workflow.convolutional import CONVOLUTIONAL
from workflow.pages import check_page


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tenfold.Run:
    """The classic recipe as it stands, trained by the README's own lines."""
    [block] = [block for block in BLOCKS if "tenfold.train(" in block]
    folder = tmp_path_factory.mktemp("classic")
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(block, names)
    return tenfold.load_run(folder / names["run"].path)


def test_classic_reaches_97_percent(run: tenfold.Run) -> None:
    assert run.accuracy > 0.97
    assert (run.config.recipe, run.config.seed) == (tenfold.RECIPES["classic"], 0)
    losses = run.read_losses()
    assert [len(epoch) for epoch in losses] == [600] * 5
    assert np.mean(losses[4]) < np.mean(losses[0]) / 4
    assert run.evaluation.training.num_parameters == 456_385


@pytest.mark.parametrize(
    ("seed", "epochs"),
    [(1, 3), *(pytest.param(seed, 5, marks=pytest.mark.heavy) for seed in (1, 2))],
)
def test_other_seeds_are_over_97_percent_too(
    seed: int, epochs: int, run: tenfold.Run, tmp_path: Path
) -> None:
    """The first of them even after three of the five epochs."""
    other = tenfold.train(
        "classic", seed=seed, epochs=epochs, threads=1, out=tmp_path, report=False
    )
    assert other.accuracy > 0.97
    assert other.training.weights_sha256 != run.training.weights_sha256


@pytest.mark.parametrize("is_long", [False, pytest.param(True, marks=pytest.mark.heavy)])
def test_the_same_run_again_gives_the_same_weights(
    is_long: bool, run: tenfold.Run, small_data: Path, tmp_path: Path
) -> None:
    first = run
    if not is_long:
        first = tenfold.train("classic", data=small_data, out=tmp_path / "run", report=False)
    data = None if is_long else small_data
    again = tenfold.train("classic", data=data, out=tmp_path / "again", report=False)
    assert again.training.weights_sha256 == first.training.weights_sha256
    assert hash_file(again.weights_path) == hash_file(first.weights_path)


def test_an_epoch_of_all_images_again_gives_the_same_losses(
    run: tenfold.Run, tmp_path: Path
) -> None:
    """Each of its losses depends on all weights before it; later epochs change nothing of them."""
    again = tenfold.train("classic", seed=0, epochs=1, out=tmp_path, report=False)
    assert again.read_losses() == run.read_losses()[:1]


def test_a_run_folder_has_these_files(run: tenfold.Run) -> None:
    names = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    assert names == {
        "config.json",
        "evaluation.json",
        "figures/confusion_matrix.png",
        "figures/loss_per_batch.png",
        "figures/misclassified.png",
        "losses.jsonl",
        "model.safetensors",
        "predictions.csv",
        "report.html",
        "state.json",
    }
    config = json.loads((run.path / "config.json").read_text())
    assert config["recipe"]["optimizer"]["learning_rate"] == 0.001
    assert config["recipe"]["model"]["hidden_sizes"] == [500, 125]
    assert {part: tuple(pair) for part, pair in config["checksums"].items()} == MNIST_CHECKSUMS
    assert config["versions"]["torch"] == torch.__version__
    assert {"cpu", "cores", "system"} == set(config["machine"])


def test_the_weights_carry_their_recipe_and_are_what_was_evaluated(
    run: tenfold.Run, test_images: LabelledImages
) -> None:
    with safe_open(run.weights_path, "numpy") as file:
        metadata = json.loads(file.metadata()["tenfold"])
        weights = [file.get_tensor(f"layers.{i}.weight") for i in range(3)]
        biases = [file.get_tensor(f"layers.{i}.bias") for i in range(3)]
    assert metadata == {"recipe": json.loads(json.dumps(run.config.recipe.to_json())), "seed": 0}
    # An independent forward pass, in NumPy.
    activations = test_images.images_NHW.reshape(-1, 784) / np.float32(255)
    for weight, bias in zip(weights[:2], biases[:2], strict=True):
        activations = np.maximum(activations @ weight.T + bias, 0)
    predicted = (activations @ weights[2].T + biases[2]).argmax(1)
    assert run.accuracy == pytest.approx((predicted == test_images.labels_N).mean(), abs=1e-4)


def test_a_notebook_shows_the_headline_and_the_figures(run: tenfold.Run) -> None:
    shown = run._repr_html_()
    assert f"{100 * run.accuracy:.2f} % of 10,000 test images" in shown
    assert shown.count("data:image/png;base64,") == 3
    assert f"{100 * run.accuracy:.2f} %" in repr(run)


def test_evaluating_again_gives_the_same_numbers(run: tenfold.Run) -> None:
    before = (run.path / "evaluation.json").read_bytes()
    figures = {name: path.read_bytes() for name, path in run.figures.items()}
    assert set(figures) == {"loss_per_batch", "confusion_matrix", "misclassified"}
    (run.path / "report.html").unlink()
    again = tenfold.evaluate(run)
    assert (run.path / "evaluation.json").read_bytes() == before
    assert {name: path.read_bytes() for name, path in again.figures.items()} == figures
    for path in run.figures.values():
        with Image.open(path) as picture:  # large enough for print
            assert picture.width > 1000
            assert picture.height > 700


def test_the_report_stands_alone_and_shows_the_numbers(run: tenfold.Run) -> None:
    text = check_page(run.report.read_text(), 3, run.evaluation.findings)
    assert f"{100 * run.accuracy:.2f} %" in text
    assert "tenfold train classic --seed 0" in text
    assert "--threads" not in text  # which has two by default


def test_a_recipe_built_in_python_trains_on_other_data(small_data: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(tenfold.RECIPES["classic"], name="mine", epochs=1)
    seen: list[Any] = []
    num_threads, numpy_seed = torch.get_num_threads(), cast(int, np.int64(3))
    run = tenfold.train(
        recipe,
        seed=numpy_seed,
        data=small_data,
        out=tmp_path,
        threads=1,
        hidden_sizes=[30],
        on_progress=seen.append,
    )
    assert (run.config.recipe.name, run.config.seed, run.config.threads) == ("mine", 3, 1)
    assert run.config.recipe.model == PerceptronConfig(hidden_sizes=(30,))
    assert torch.get_num_threads() == num_threads
    *_, last, stage = seen
    assert stage == StageProgress(stage="evaluating")
    assert last.step == last.num_steps == 12
    assert last.mean_loss == pytest.approx(np.mean(run.read_losses()[0]))
    names = {finding.name for finding in run.evaluation.findings}
    assert names == {"accuracy", "hardest_class"}
    assert run.evaluation.corrected is None
    page = run.report.read_text()
    assert "tenfold.train(Recipe(name=&#39;mine&#39;" in page
    assert "MNIST" not in page


@pytest.mark.parametrize(
    ("name", "is_whole"),
    [
        *((name, False) for name in tenfold.RECIPES),
        *(pytest.param(name, True, marks=pytest.mark.heavy) for name in tenfold.RECIPES),
    ],
)
def test_a_short_run_of_every_recipe_learns(
    name: str, is_whole: bool, small_data: Path, tmp_path: Path, no_report: None
) -> None:
    """With a quarter of a convolutional network's channels, or with all, which takes minutes."""
    recipe = tenfold.RECIPES[name].replace(epochs=4, batch_size=20, calibrates=False)
    if is_whole:
        recipe = recipe.replace(scenes=min(recipe.scenes, 1500))
    elif isinstance(recipe.model, ConvolutionalConfig):
        recipe = recipe.replace(channels=[number // 4 for number in recipe.model.channels])
        if recipe.scenes:  # which teach less than so many clean images
            recipe = recipe.replace(scenes=400, epochs=12)
    run = tenfold.train(recipe, data=small_data, out=tmp_path, threads=1, report=False)
    assert run.accuracy > 0.8
    assert tenfold.evaluate(run).accuracy == run.accuracy


@pytest.mark.parametrize("error", [KeyboardInterrupt(), FileNotFoundError("of the callback")])
def test_a_run_that_a_callback_stops_is_unfinished(
    error: BaseException, small_data: Path, tmp_path: Path
) -> None:
    """Also by an OSError, which is no error of the run's disk."""

    def stop(_: object) -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        tenfold.train("classic", data=small_data, out=tmp_path / "run", on_progress=stop)
    assert raised.value is error
    assert json.loads((tmp_path / "run" / "state.json").read_text())["state"] == "running"
    with pytest.raises(RunError, match="the run is not finished"):
        tenfold.evaluate(tmp_path / "run")


def test_a_loss_of_nan_ends_the_run(
    small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No recipe in range was found that diverges so far, so the loop's losses are replaced.
    monkeypatch.setattr(
        "tenfold.training.trainer.train_model",
        lambda *_, **__: iter(
            [Progress(epoch=0, first_batch=0, losses=[2.3, math.nan], optimizer={})]
        ),
    )
    with pytest.raises(RunError) as raised:
        tenfold.train("classic", data=small_data, out=tmp_path / "run")
    assert str(raised.value) == (
        "training diverged in epoch 1: the loss is nan. Try a smaller --learning-rate."
    )
    # Not that it can be resumed: it would diverge again.
    assert raised.value.__notes__ == [f"the unfinished run stays in {tmp_path}/run"]
    assert json.loads((tmp_path / "run" / "state.json").read_text())["state"] == "running"


def test_one_batch_an_epoch_is_enough_for_a_report(small_data: Path, tmp_path: Path) -> None:
    run = tenfold.train("classic", data=small_data, out=tmp_path, epochs=2, batch_size=60_000)
    [last] = [finding for finding in run.evaluation.findings if finding.name == "last_epoch"]
    assert "inf" not in last.sentence
    assert "deviation between batches" not in last.sentence


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipe": "clasic"}, "unknown recipe 'clasic'; known recipes: classic"),
        ({"epochs": 0}, "--epochs must be a whole number from 1 to 10,000, not 0"),
        ({"seed": -1}, "--seed must be a whole number from 0 to 4,294,967,295, not -1"),
        ({"seed": True}, "--seed must be a whole number from 0 to 4,294,967,295, not True"),
        ({"threads": 0}, "--threads must be a whole number from 1 to 1,024, not 0"),
        ({"epoch": 3}, "--epoch: a recipe with this model has no such field"),
        ({"channels": (4, 8)}, "--channels: a recipe with this model has no such field"),
    ],
)
def test_bad_arguments_leave_no_folder(
    arguments: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)):
        tenfold.train(**{"out": tmp_path / "run", **arguments})  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_written_over_another(run: tenfold.Run) -> None:
    with pytest.raises(RunError, match="the folder is not empty"):
        tenfold.train("classic", out=run.path)
    assert tenfold.load_run(run.path).accuracy == run.accuracy


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_convolutional_recipe_trains_and_repeats_itself(
    precision: str, small_data: Path, tmp_path: Path
) -> None:
    recipe = CONVOLUTIONAL.replace(precision=precision)
    run, again = (
        tenfold.train(recipe, data=small_data, out=tmp_path / name, threads=1, report=False)
        for name in ("run", "again")
    )
    assert run.training.weights_sha256 == again.training.weights_sha256
    assert run.read_losses() == again.read_losses()
    [losses] = run.read_losses()
    assert np.mean(losses[-30:]) < np.mean(losses[:30]) - 0.1
    assert run.accuracy > 0.2  # guessing gets 0.1
    with safe_open(run.weights_path, "numpy") as file:
        metadata = json.loads(file.metadata()["tenfold"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert Recipe.from_json(metadata["recipe"]) == recipe
    # Weights are always in single precision; what normalisations remember is kept with them.
    kinds = {str(tensor.dtype) for name, tensor in tensors.items() if "num_batches" not in name}
    assert kinds == {"float32"}
    assert tensors["blocks.1.normalisation.num_batches_tracked"] == 120
    assert run.evaluation.training.num_parameters == recipe.model.count_parameters()


def test_accuracies_by_epoch_do_not_change_the_run(small_data: Path, tmp_path: Path) -> None:
    recipe = CONVOLUTIONAL.replace(epochs=2)
    plain, watched = (
        tenfold.train(
            recipe, data=small_data, out=tmp_path / name, threads=1, by_epoch=by_epoch, report=False
        )
        for name, by_epoch in (("plain", False), ("watched", True))
    )
    assert watched.training.weights_sha256 == plain.training.weights_sha256
    accuracies = watched.evaluation.training.epoch_accuracies
    assert len(accuracies) == 2
    assert accuracies[-1] == watched.accuracy == plain.accuracy
    assert accuracies[0] != accuracies[-1]
    assert plain.evaluation.training.epoch_accuracies == ()
    for run in (plain, watched):
        other_cores = run.evaluation.training.other_cores
        assert other_cores is None or other_cores >= 0
