"""The model card, as the Hub's own library reads it."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from made_studies import CHECKSUMS
from tenfold.recipes.catalogue import RECIPES
from tenfold.reports.model_card import build_model_card
from tenfold.runs.hub import HubConfig, SeedStatistics
from tenfold.runs.results import Accuracy, Calibration

CONFIG = HubConfig(
    tenfold="0.2.0",
    recipe=RECIPES["classic"].replace(epochs=7),
    seed=3,
    labels=tuple("0123456789"),
    scale=255.0,
    calibration=None,
    part="test",
    accuracy=Accuracy(
        num_images=10_000, num_correct=9_782, accuracy=0.9782, accuracy_interval=(0.9751, 0.9809)
    ),
    corrected_accuracy=0.979,
    data="MNIST",
    is_mnist=True,
    checksums=CHECKSUMS,
    num_parameters=456_385,
    trained="2026-11-22 12:00:00+00:00",
    training_seconds=12.34,
    threads=2,
    machine={"cpu": "a processor", "cores": 2, "system": "Linux"},
    versions={"torch": "2.13.0"},
    files={},
)


def load(path: Path, license_id: str = "mit", **changes: Any) -> tuple[Any, str]:
    """The front matter and the text of a card; `changes` are to the config."""
    path.write_bytes(build_model_card(dataclasses.replace(CONFIG, **changes), license_id).encode())
    card = ModelCard.load(path)
    return card.data, card.text


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "README.md"


def test_the_front_matter_says_what_the_model_is(path: Path) -> None:
    data, text = load(path)
    assert (data.license, data.library_name) == ("mit", "tenfold")
    assert data.pipeline_tag == "image-classification"
    assert data.datasets == ["ylecun/mnist"]
    assert data.metrics == ["accuracy"]
    assert {"digit-recognition", "mnist"} <= set(data.tags)
    assert data.model_name == "classic (epochs=7)"
    [result] = data.eval_results
    assert (result.task_type, result.metric_type) == ("image-classification", "accuracy")
    found = (result.dataset_type, result.dataset_name, result.dataset_split, result.metric_value)
    assert found == ("ylecun/mnist", "MNIST", "test", 0.9782)
    for fact in ("97.82 % (95 % confidence interval 97.51 to 98.09 %)", "it is 97.90 %", "one run"):
        assert fact in text
    assert "[CC BY-SA 3.0](https://creativecommons.org/licenses/by-sa/3.0/)" in text


def test_an_accuracy_on_held_out_images_is_not_one_on_test_images(path: Path) -> None:
    data, text = load(path, part="validation", corrected_accuracy=None)
    [result] = data.eval_results
    assert result.dataset_split == "train"
    assert result.dataset_name == "MNIST, 10,000 training images by held-out writers"
    assert result.metric_name == "accuracy of this run on held-out images"
    assert "This is not the accuracy on the test\nimages" in text
    assert "not the accuracy on the test" not in load(path)[1]


def test_a_study_gives_mean_and_deviation(path: Path) -> None:
    study = SeedStatistics(num_seeds=20, mean_accuracy=0.9771, standard_deviation=0.00123)
    data, text = load(path, study=study)
    own, mean = data.eval_results
    assert (own.metric_name, own.metric_value) == ("accuracy of this run", 0.9782)
    assert mean.metric_name == "mean accuracy of 20 seeds, deviation 0.123 points"
    assert mean.metric_value == 0.9771
    assert "seed 3 of a study of 20 seeds" in text
    assert "accuracy is 97.71 %, with a standard deviation of 0.12 points" in text


def test_a_model_of_own_data_names_no_dataset_of_others(path: Path) -> None:
    name = 'my: #data\' "–" 😀'  # what YAML would read as something else
    data, text = load(path, "unknown", is_mnist=False, data=name, corrected_accuracy=None)
    assert data.license == "unknown"
    assert data.datasets is None
    [result] = data.eval_results
    found = (result.dataset_type, result.dataset_name, result.dataset_split)
    assert found == ("imagefolder", name, "test")
    assert "who has not chosen a licence here yet" in text
    assert "MNIST, by" not in text
    assert "mnist" not in data.tags


def test_classes_with_names_are_not_called_digits(path: Path) -> None:
    names = ("T-shirt", "a*b", *"CDEFGHIJ")
    others: dict[str, Any] = {"is_mnist": False, "corrected_accuracy": None}
    data, text = load(path, labels=names, data="fashion", **others)
    assert data.tags == ["onnx"]
    assert r"for the classes T-shirt, a\*b, C, D, E, F, G, H, I, J, in this order." in text
    assert "digit" not in text.lower()
    assert "tenfold read" not in text
    assert "number them 0 to 9" in text


def test_the_text_names_labels_and_temperature(path: Path) -> None:
    calibration = Calibration(temperature=1.2345, read=0.9, not_digit=0.8)
    reader = RECIPES["reader"]
    labels = (*"0123456789", "none")
    _, text = load(path, recipe=reader, labels=labels, calibration=calibration)
    assert "float32 [N, 11], for the digits 0 to 9 and, last, for images that show no digit" in text
    assert "divided by 1.234 before the softmax" in text
    assert "Omniglot" in text
    _, plain = load(path)
    assert "float32 [N, 10], for the digits 0 to 9." in plain
    assert "before the softmax" not in plain
    assert "Omniglot" not in plain
