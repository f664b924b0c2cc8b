import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

import tenfold
from studies.compared_runs import OTHER_TRAINING, make_run
from tenfold.data.mnist import LabelledImages, load_part
from tenfold.errors import RunError
from tenfold.recipes.catalogue import RECIPES
from tenfold.studies.run_comparison import compare_runs, mcnemar_p_value

CLASSIC = RECIPES["classic"]


@pytest.fixture(scope="module")
def images(small_data: Path) -> LabelledImages:
    return load_part(small_data, "test")


def test_the_p_value_is_that_of_a_fair_coin() -> None:
    """Summed here from binomial coefficients."""
    for first, other in ((0, 0), (0, 1), (5, 5), (3, 9), (9, 3), (40, 80)):
        num = first + other
        tail = sum(math.comb(num, k) for k in range(min(first, other) + 1)) / 2**num
        assert mcnemar_p_value(first, other) == pytest.approx(min(1.0, 2 * tail))


def test_two_runs_are_compared_image_by_image(images: LabelledImages, tmp_path: Path) -> None:
    first = make_run(tmp_path / "a", images, [3, 4, 5, 6, 7, 8, 9], seed=0)
    other = make_run(tmp_path / "b", images, [9, 10], seed=1)
    comparison = compare_runs([first, other])
    assert (comparison.part, comparison.num_images) == ("test", 500)
    assert [run.name for run in comparison.runs] == ["classic (seed=0)", "classic (seed=1)"]
    assert repr(comparison) == (
        "<RunComparison on 500 test images: classic (seed=0) 98.60 %, classic (seed=1) 99.60 %>"
    )
    assert [run.accuracy.num_correct for run in comparison.runs] == [493, 498]
    assert comparison.runs[0].accuracy.accuracy_interval == first.evaluation.accuracy_interval
    [pair] = comparison.differences
    assert pair.difference == pytest.approx(0.01)
    assert pair.num_both_wrong == 1
    assert [image.index for image in pair.only_other_right] == [3, 4, 5, 6, 7, 8]
    assert [image.index for image in pair.only_first_right] == [10]
    label = int(images.labels_N[10])
    [image] = pair.only_first_right
    answers = (image.answer_of_first, image.answer_of_other)
    assert (image.label, *answers) == (label, label, (label + 1) % 10)
    assert pair.p_value == pytest.approx(0.125)  # 1 of 7: 2 * (1 + 7) / 128


def test_only_settings_that_differ_are_listed(images: LabelledImages, tmp_path: Path) -> None:
    strong = RECIPES["strong"]
    runs = [
        make_run(tmp_path / "a", images, [], seed=0),
        make_run(tmp_path / "b", images, [], seed=0, recipe=CLASSIC.replace(epochs=7)),
    ]
    comparison = compare_runs(runs)
    assert comparison.settings == {"epochs": (5, 7)}
    assert [run.name for run in comparison.runs] == [
        "classic (seed=0)",
        "classic (epochs=7, seed=0)",
    ]
    later = make_run(tmp_path / "d", images, [], seed=1, recipe=CLASSIC.replace(epochs=7))
    named = [run.name for run in compare_runs([runs[0], later]).runs]
    assert named == ["classic (seed=0)", "classic (epochs=7, seed=1)"]
    checksums = {**runs[0].config.checksums, "train": ("3" * 64, "4" * 64)}
    other = make_run(tmp_path / "c", images, [], seed=0, recipe=strong, checksums=checksums)
    settings = compare_runs([runs[0], other]).settings
    assert settings["recipe"] == ("classic", "strong")
    assert settings["hidden_sizes"] == ([500, 125], None)
    assert settings["channels"] == (None, [16, 32, 64])
    assert settings["training_data"] == ("SHA-256 11111111 22222222", "SHA-256 33333333 44444444")
    assert settings.keys().isdisjoint({"seed", "threads", "torch", "momentum"})
    same = compare_runs([runs[0], make_run(tmp_path / "e", images, [], seed=0)])
    assert same.settings == {}
    assert [run.name for run in same.runs] == [str(tmp_path / name) for name in "ae"]
    assert same.differences[0].p_value == 1.0


def test_runs_of_other_images_are_not_compared(images: LabelledImages, tmp_path: Path) -> None:
    first = make_run(tmp_path / "a", images, [1])
    with pytest.raises(RunError, match="a: is a single run; name the runs to compare it with"):
        compare_runs([first])
    with pytest.raises(RunError, match="a: is named twice"):
        compare_runs([first, first])
    held_out = {"holdout": True, "checksums": {"train": OTHER_TRAINING}}
    fewer = images.select(np.arange(400))
    for name, run in (
        ("h", make_run(tmp_path / "h", images, [1], **held_out)),
        ("f", make_run(tmp_path / "f", fewer, [1])),
        ("c", make_run(tmp_path / "c", dataclasses.replace(images, checksums=("5", "6")), [1])),
    ):
        with pytest.raises(RunError, match=f"{name}: evaluated on other images .* than .*a "):
            compare_runs([first, run])


def test_a_mistake_beyond_the_images_is_an_error(images: LabelledImages, tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", images, [1])
    file = run.path / "evaluation.json"
    values = json.loads(file.read_text())
    values["misclassified"][0]["index"] = 500
    file.write_text(json.dumps(values))
    with pytest.raises(RunError, match=r"a/evaluation\.json: lists image 500 of 500"):
        compare_runs([tenfold.load_run(run.path)] * 2)
