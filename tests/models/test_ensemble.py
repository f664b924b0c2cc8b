import itertools
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import tenfold
from tenfold.data.mnist import load_part
from tenfold.disk import hash_file
from tenfold.errors import RunError
from tenfold.models.build import build_classifier, build_model, list_members
from tenfold.models.ensemble import Ensemble
from tenfold.recipes import RECIPES
from tenfold.training.weights import load_weights

TINY: dict[str, Any] = {"hidden_sizes": [16], "epochs": 2, "report": False}


class Answer(nn.Module):
    """Gives the same logits for any image."""

    def __init__(self, logits: list[float]) -> None:
        super().__init__()
        self.logits = torch.tensor(logits)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(images), -1)


def train_single(small_data: Path, out: Path, seed: int, **changes: Any) -> tenfold.Run:
    return tenfold.train("classic", seed=seed, data=small_data, out=out, **{**TINY, **changes})


@pytest.fixture(scope="module")
def singles(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs 6 and 7, the members of the ensemble with seed 3."""
    folder = tmp_path_factory.mktemp("singles")
    for seed in (6, 7):
        train_single(small_data, folder / str(seed), seed)
    return folder


@pytest.fixture(scope="module")
def ensemble(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tenfold.Run:
    """Two members, trained for it."""
    return train_single(small_data, tmp_path_factory.mktemp("ensemble"), 3, members=2)


def test_an_ensemble_answers_with_the_mean_of_its_members_probabilities() -> None:
    config = RECIPES["classic"].model
    members = [build_model(config, seed) for seed in range(3)]
    images = torch.rand(5, 28, 28, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = Ensemble(members)(images)
        probabilities = torch.stack([member(images).softmax(1) for member in members])
    torch.testing.assert_close(logits.exp(), probabilities.mean(0))
    torch.testing.assert_close(logits.softmax(1), probabilities.mean(0))


def test_a_mean_of_certain_answers_is_no_more_than_that() -> None:
    sure: list[nn.Module] = [
        Answer([200.0, 0.0, 0.0]),
        Answer([0.0, 200.0, 0.0]),
        Answer([0.0, 200.0, 0.0]),
    ]
    probabilities = Ensemble(sure)(torch.zeros(1, 28, 28)).softmax(1)
    torch.testing.assert_close(probabilities, torch.tensor([[1 / 3, 2 / 3, 0.0]]))
    # The mean of the logits would say otherwise.
    unlike: list[nn.Module] = [Answer([9.0, 0.0, 0.0]), Answer([-10.0, 0.0, 0.0])]
    assert Ensemble(unlike)(torch.zeros(1, 28, 28)).argmax().item() == 0


def test_no_two_runs_have_a_member_in_common() -> None:
    for members in (1, 2, 5):
        recipe = RECIPES["classic"].replace(members=members)
        seeds = [recipe.list_member_seeds(seed) for seed in range(20)]
        assert all(len(of_run) == members for of_run in seeds)
        assert len(set(itertools.chain(*seeds))) == 20 * members
    assert RECIPES["classic"].list_member_seeds(7) == [7]


def test_members_begin_as_the_models_of_their_seeds() -> None:
    recipe = RECIPES["classic"].replace(members=2, hidden_sizes=[16])
    ensemble = build_classifier(recipe, 3)
    for member, seed in zip(list_members(ensemble), (6, 7), strict=True):
        expected = build_model(recipe.model, seed).state_dict()
        assert all(
            torch.equal(expected[name], value) for name, value in member.state_dict().items()
        )
    single = build_classifier(recipe.replace(members=1), 3)
    assert not isinstance(single, Ensemble)
    assert list_members(single) == [single]


def test_members_that_are_there_are_not_trained_again(
    ensemble: tenfold.Run,
    singles: Path,
    small_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def train_model(*_: object) -> None:
        raise AssertionError("a member is trained again")

    monkeypatch.setattr("tenfold.training.loop.train_model", train_model)
    reused = train_single(small_data, tmp_path / "run", 3, members=2, members_from=singles)
    assert hash_file(reused.weights_path) == hash_file(ensemble.weights_path)
    assert reused.read_losses() == ensemble.read_losses()
    assert reused.evaluation.misclassified == ensemble.evaluation.misclassified
    of_singles = [tenfold.load_run(singles / seed).training for seed in ("6", "7")]
    training = reused.evaluation.training
    assert training.seconds > sum(one.seconds for one in of_singles)
    assert training.other_cores is None
    assert training.num_parameters == sum(one.num_parameters for one in of_singles)


def test_members_that_are_missing_are_trained(
    ensemble: tenfold.Run, singles: Path, small_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "some").mkdir()
    shutil.copytree(singles / "7", tmp_path / "some/7")
    mixed = train_single(small_data, tmp_path / "run", 3, members=2, members_from=tmp_path / "some")
    assert hash_file(mixed.weights_path) == hash_file(ensemble.weights_path)
    assert mixed.read_losses() == ensemble.read_losses()


def test_a_trained_ensemble_is_as_accurate_as_its_members_mean_says(
    ensemble: tenfold.Run, singles: Path, small_data: Path
) -> None:
    evaluated = load_part(small_data, "test")
    images = torch.tensor(evaluated.images_NHW) / 255
    probabilities = torch.zeros(len(images), 10)
    for seed in ("6", "7"):
        run = tenfold.load_run(singles / seed)
        model = build_classifier(run.config.recipe, run.config.seed)
        load_weights(model, run.weights_path)
        with torch.inference_mode():
            probabilities += model.eval()(images).softmax(1) / 2
    wrong = np.flatnonzero(probabilities.argmax(1).numpy() != evaluated.labels_N)
    listed = ensemble.evaluation.misclassified
    assert sorted(one.index for one in listed) == wrong.tolist()
    for one in listed:
        assert one.confidence == pytest.approx(float(probabilities[one.index].max()), abs=1e-5)
    # Its losses are those of one member after the other, of which findings say nothing.
    assert len(ensemble.read_losses()) == 4
    assert "last_epoch" not in {one.name for one in ensemble.evaluation.findings}


@pytest.mark.parametrize(
    "other", [{"epochs": 1}, {"batch_size": 50}, {"holdout": True}, {"seed": 8}, {"members": 2}]
)
def test_a_run_of_something_else_is_no_member(
    other: dict[str, Any], small_data: Path, tmp_path: Path, few_readings: None
) -> None:
    train_single(small_data, tmp_path / "6", **{"seed": 6, **other})
    message = (
        f"{tmp_path / '6'}: expected a run of the ensemble's member with seed 6, found one of "
        "another recipe, seed or data"
    )
    with pytest.raises(RunError, match=f"^{re.escape(message)}\n"):
        train_single(small_data, tmp_path / "run", 3, members=2, members_from=tmp_path)


def test_a_member_that_is_not_finished_is_named(
    singles: Path, small_data: Path, tmp_path: Path
) -> None:
    members = shutil.copytree(singles, tmp_path / "members")
    (members / "6/state.json").write_text('{"state": "running"}')
    with pytest.raises(RunError, match="members/6: expected a finished run, found one that is"):
        train_single(small_data, tmp_path / "run", 3, members=2, members_from=members)


def test_an_ensemble_can_be_evaluated_again(ensemble: tenfold.Run, tmp_path: Path) -> None:
    copy = shutil.copytree(ensemble.path, tmp_path / "copy")
    before = (copy / "evaluation.json").read_bytes()
    again = tenfold.evaluate(copy)
    assert (copy / "evaluation.json").read_bytes() == before
    assert "2 of 784-16-10" in again.report.read_text()
