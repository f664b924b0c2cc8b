import base64
import dataclasses
import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

import tenfold
from readme import BLOCKS
from tenfold.data import training_data
from tenfold.data.mnist import MNIST_CHECKSUMS, LabelledImages
from tenfold.errors import DataError, RecipeError, RunError
from tenfold.recipes.configs import ConvolutionalConfig, PerceptronConfig
from tenfold.recipes.recipe import Recipe
from tenfold.runs.progress import DrawingProgress, StageProgress, TrainingProgress
from tenfold.system.files import hash_file
from tenfold.training.loop import Progress
from tenfold.workflow import calibrate as calibration
from workflow.convolutional import CONVOLUTIONAL


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


def check_same_weights(run: tenfold.Run, again: tenfold.Run) -> None:
    assert again.training.weights_sha256 == run.training.weights_sha256
    assert hash_file(again.weights_path) == hash_file(run.weights_path)


def test_the_same_run_again_gives_the_same_weights(small_data: Path, tmp_path: Path) -> None:
    run, again = (
        tenfold.train("classic", data=small_data, out=tmp_path / name, report=False)
        for name in ("run", "again")
    )
    check_same_weights(run, again)


def test_an_epoch_of_all_images_again_gives_the_same_losses(
    run: tenfold.Run, tmp_path: Path
) -> None:
    """Each of its losses depends on all weights before it; later epochs change nothing of them."""
    again = tenfold.train("classic", seed=0, epochs=1, out=tmp_path, report=False)
    assert again.read_losses() == run.read_losses()[:1]


@pytest.mark.heavy
def test_the_same_long_run_again_gives_the_same_weights(run: tenfold.Run, tmp_path: Path) -> None:
    check_same_weights(run, tenfold.train("classic", seed=0, out=tmp_path, report=False))


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
    (run.path / "report.html").unlink()
    again = tenfold.evaluate(run)
    assert (run.path / "evaluation.json").read_bytes() == before
    assert {name: path.read_bytes() for name, path in again.figures.items()} == figures
    assert again.report.is_file()


def test_the_report_stands_alone_and_shows_the_numbers(run: tenfold.Run) -> None:
    page = run.report.read_text()
    assert "<script" not in page
    assert not re.search(r'(?:src|href|srcset)="(?!data:image/png;base64,)', page)
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)
    assert "prefers-color-scheme: dark" in page
    assert page.count("<figure") == 3
    text = page.replace("\N{NO-BREAK SPACE}", " ").replace("&#39;", "'")
    for finding in run.evaluation.findings:
        assert finding.sentence in text
    assert f"{100 * run.accuracy:.2f} %" in text
    assert "tenfold train classic --seed 0" in text
    assert "--threads" not in text  # which has two by default
    for embedded in re.findall(r"base64,([^\"]*)", page):
        assert base64.b64decode(embedded).startswith(b"\x89PNG")


def test_a_holdout_run_does_not_open_the_test_files(
    small_data: Path, tmp_path: Path, few_readings: None
) -> None:
    only_train = tmp_path / "data"
    only_train.mkdir()
    for path in small_data.glob("train-*"):
        shutil.copy(path, only_train)
    run = tenfold.train(
        "classic", holdout=True, data=only_train, out=tmp_path / "run", epochs=2, batch_size=64
    )
    assert run.config.holdout
    assert set(run.config.checksums) == {"train"}
    assert run.evaluation.part == "validation"
    assert run.evaluation.num_images == 200
    assert run.evaluation.training.num_images == 1000
    assert [len(epoch) for epoch in run.read_losses()] == [16, 16]
    assert "--holdout" in run.report.read_text()


def test_findings_on_other_data_do_not_mention_mnist(small_data: Path, tmp_path: Path) -> None:
    run = tenfold.train("classic", data=small_data, out=tmp_path, epochs=1, hidden_sizes=[30])
    names = {finding.name for finding in run.evaluation.findings}
    assert names == {"accuracy", "hardest_class"}
    assert run.evaluation.corrected is None
    assert "MNIST" not in run.report.read_text()
    assert run.config.recipe.model == PerceptronConfig(hidden_sizes=(30,))


def test_a_recipe_can_be_built_in_python(small_data: Path, tmp_path: Path) -> None:
    recipe = dataclasses.replace(tenfold.RECIPES["classic"], name="mine", epochs=1)
    seen: list[Any] = []
    run = tenfold.train(
        recipe, data=small_data, out=tmp_path, on_progress=seen.append, report=False
    )
    assert run.config.recipe.name == "mine"
    *_, last, stage = seen
    assert stage == StageProgress(stage="evaluating")
    assert last.step == last.num_steps == 12
    assert last.mean_loss == pytest.approx(np.mean(run.read_losses()[0]))


def test_threads_are_set_for_the_run_alone(small_data: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    run = tenfold.train("classic", data=small_data, out=tmp_path, epochs=1, threads=1, report=False)
    assert run.config.threads == 1
    assert torch.get_num_threads() == before


# That of lines has tests of its own: it learns nothing in so short a time.
OTHER_RECIPES = [name for name in tenfold.RECIPES if name != "lines"]


@pytest.mark.parametrize("name", OTHER_RECIPES)
def test_a_short_run_of_every_recipe_learns(
    name: str,
    small_data: Path,
    tmp_path: Path,
    few_readings: None,
    request: pytest.FixtureRequest,
) -> None:
    """With a tenth of the weights where a recipe's network is a convolutional one.

    The recipe that has most, scenes and a calibration, gets a report, too.
    """
    if name != "reader":
        request.getfixturevalue("no_report")
    recipe = tenfold.RECIPES[name].replace(epochs=4, batch_size=20)
    if isinstance(recipe.model, ConvolutionalConfig):
        recipe = recipe.replace(channels=(8, 16, 32))
    if recipe.scenes:  # which teach less than so many clean images
        recipe = recipe.replace(scenes=400, epochs=12)
    check_that_it_learns(recipe, small_data, tmp_path)


@pytest.mark.heavy
@pytest.mark.parametrize("name", OTHER_RECIPES)
def test_a_short_run_of_every_recipe_in_its_full_size_learns(
    name: str, small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "NUM_SCENES", 100)  # 20,000 take a minute
    recipe = tenfold.RECIPES[name].replace(epochs=4, batch_size=20)
    recipe = recipe.replace(scenes=min(recipe.scenes, 1500))
    check_that_it_learns(recipe, small_data, tmp_path)


def check_that_it_learns(recipe: Recipe, data: Path, out: Path) -> None:
    run = tenfold.train(recipe, data=data, out=out, threads=1, report=False)
    assert run.accuracy > 0.8
    assert tenfold.evaluate(run).accuracy == run.accuracy


def test_an_interrupted_run_stays_unfinished(small_data: Path, tmp_path: Path) -> None:
    def interrupt(progress: TrainingProgress | DrawingProgress | StageProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tenfold.train("classic", data=small_data, out=tmp_path / "run", on_progress=interrupt)
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
    [last] = [one for one in run.evaluation.findings if one.name == "last_epoch"]
    assert "inf" not in last.sentence
    assert "deviation between batches" not in last.sentence


def test_an_error_in_a_callback_is_not_reported_as_a_disk_error(
    small_data: Path, tmp_path: Path
) -> None:
    def fail(progress: TrainingProgress | DrawingProgress | StageProgress) -> None:
        raise FileNotFoundError("a file of the callback's own")

    with pytest.raises(FileNotFoundError, match="a file of the callback's own"):
        tenfold.train("classic", data=small_data, out=tmp_path / "run", on_progress=fail)


def test_a_custom_recipe_is_reproduced_from_python(small_data: Path, tmp_path: Path) -> None:
    recipe = tenfold.Recipe(name="mine", summary="a test", epochs=1, batch_size=300)
    run = tenfold.train(recipe, data=small_data, out=tmp_path / "run")
    assert "tenfold.train(Recipe(name=&#39;mine&#39;" in run.report.read_text()


def test_numpy_seeds_are_numbers(small_data: Path, tmp_path: Path) -> None:
    int_like: Any = np.int64(3)
    run = tenfold.train(
        "classic", data=small_data, out=tmp_path, epochs=1, seed=int_like, report=False
    )
    assert run.config.seed == 3


def test_holding_out_from_sorted_images_keeps_every_digit_on_both_sides(
    test_images: LabelledImages, tmp_path: Path, few_readings: None
) -> None:
    for digit in range(10):
        (tmp_path / f"train/{digit}").mkdir(parents=True)
        for i in np.flatnonzero(test_images.labels_N == digit)[:30]:
            Image.fromarray(test_images.images_NHW[i]).save(tmp_path / f"train/{digit}/{i}.png")
    run = tenfold.train(
        "classic", data=tmp_path, out=tmp_path / "run", epochs=1, holdout=True, report=False
    )
    assert run.evaluation.num_images == 50
    assert len(run.evaluation.classes) == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipe": "clasic"}, "unknown recipe 'clasic'; there are: classic"),
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


def test_missing_fonts_are_reported_before_training(
    small_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_data, "PACKAGE", "not_installed")
    monkeypatch.setattr(training_data, "CHECKOUT", tmp_path)
    with pytest.raises(DataError, match=r"^the fonts .* `pip install \./training-data`"):
        tenfold.train("reader", data=small_data, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_written_over_another(run: tenfold.Run) -> None:
    with pytest.raises(RunError, match="the folder is not empty"):
        tenfold.train("classic", out=run.path)
    assert tenfold.load_run(run.path).accuracy == run.accuracy


def test_figures_are_pictures_of_a_size_for_paper(run: tenfold.Run) -> None:
    assert set(run.figures) == {"loss_per_batch", "confusion_matrix", "misclassified"}
    for path in run.figures.values():
        with Image.open(path) as picture:
            assert picture.width > 1000
            assert picture.height > 700


def test_folders_of_images_train_too(test_images: LabelledImages, tmp_path: Path) -> None:
    for part, rows in (("train", range(300)), ("test", range(300, 400))):
        for digit in range(10):
            (tmp_path / part / str(digit)).mkdir(parents=True)
        for i in rows:
            label = test_images.labels_N[i]
            Image.fromarray(test_images.images_NHW[i]).save(tmp_path / part / f"{label}/{i}.png")
    run = tenfold.train(
        "classic", data=tmp_path, out=tmp_path / "run", epochs=5, batch_size=20, report=False
    )
    assert run.evaluation.num_images == 100
    assert run.accuracy > 0.6


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


@pytest.mark.parametrize(("holdout", "num_images"), [(False, 60_000 - 17), (True, 50_000 - 12)])
def test_mislabelled_images_are_left_out_of_mnists_training_images(
    holdout: bool, num_images: int, tmp_path: Path, few_readings: None
) -> None:
    run = tenfold.train(
        "classic",
        holdout=holdout,
        out=tmp_path / "run",
        epochs=1,
        batch_size=1000,
        hidden_sizes=[10],
        leave_out_mislabelled=True,
        report=False,
    )
    assert run.evaluation.training.num_images == num_images
    assert run.evaluation.num_images == 10_000
    assert run.config.checksums["train"] == MNIST_CHECKSUMS["train"]
    assert [len(epoch) for epoch in run.read_losses()] == [-(-num_images // 1000)]


@pytest.mark.skipif(
    not Path("/usr/share/datasets/fashion-mnist").is_dir(),
    reason="Debian's dataset-fashion-mnist is not installed",
)
def test_fashion_mnist_trains(tmp_path: Path) -> None:
    folder = "/usr/share/datasets/fashion-mnist"
    run = tenfold.train("classic", data=folder, out=tmp_path, epochs=1, threads=1, report=False)
    assert 0.75 < run.accuracy < 0.92
    assert not run.evaluation.is_mnist
