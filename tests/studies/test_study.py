import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from made_studies import build_study
from tenfold.errors import StudyError
from tenfold.recipes.catalogue import RECIPES
from tenfold.studies.statistics import summarize
from tenfold.studies.study import Study, load_study, write_study
from tenfold.system.files import write_json

ROOT = Path(__file__).parents[2]
COMMITTED = sorted(ROOT.glob("studies/**/study.json"))
LABELS_N = np.arange(20).astype(np.uint8) % 10
GIVEN_RN = np.tile(LABELS_N.astype(np.int64), (2, 1))
GIVEN_RN[0, [3, 17]] = [8, 1]
GIVEN_RN[1, 17] = 2


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = build_study(
        LABELS_N,
        GIVEN_RN,
        path=tmp_path / "study",
        seeds=[4, 5],
        epoch_accuracies=[(0.8, 0.9), ()],
        other_cores=[None, 0.2],
    )
    study.path.mkdir()
    write_study(study)
    return study


def test_a_written_study_can_be_loaded(study: Study) -> None:
    assert load_study(study.path) == study
    for path in (str(study.path), study.path / "study.json", f"{study.path}/study.json"):
        assert load_study(path) == study
    assert repr(load_study(study.path)) == f"<Study {study.path}: classic, 2 seeds>"
    # Nothing else is needed.
    assert [path.name for path in study.path.iterdir()] == ["study.json"]


def test_study_json_has_one_line_per_run(study: Study) -> None:
    text = (study.path / "study.json").read_text()
    values = json.loads(text)
    assert list(values) == ["format", "config", "runs"]
    assert values["format"] == 1
    assert set(values["config"]) == {
        "recipe",
        "holdout",
        "data_folder",
        "checksums",
        "num_evaluated",
        "threads",
    }
    assert set(values["runs"][0]) == {field.name for field in dataclasses.fields(study.runs[0])}
    assert values["runs"][0]["mistakes"] == [[3, 8, 0.9], [17, 1, 0.9]]
    lines = [line.removesuffix(",") for line in text.splitlines() if line.startswith('{"seed"')]
    assert [json.loads(line) for line in lines] == values["runs"]


def test_accuracies_and_predictions_follow_from_the_mistakes(study: Study) -> None:
    assert study.accuracies.tolist() == pytest.approx([0.9, 0.95])
    np.testing.assert_array_equal(study.get_predicted_labels(LABELS_N), GIVEN_RN)


def test_a_study_is_named_after_its_recipe(study: Study) -> None:
    assert study.name == "classic"
    changed = build_study(LABELS_N, GIVEN_RN, recipe=RECIPES["classic"].replace(epochs=6))
    assert changed.name == "classic (epochs=6)"


@pytest.mark.parametrize(("other_cores", "was_alone"), [(0.0, True), (0.1, False), (None, False)])
def test_a_run_was_alone_if_other_programs_used_hardly_any_core(
    other_cores: float | None, was_alone: bool
) -> None:
    study = build_study(LABELS_N, GIVEN_RN[:1], other_cores=[other_cores])
    assert study.runs[0].was_alone == was_alone


def test_the_longer_study_is_in_a_subfolder(study: Study) -> None:
    longer = build_study(
        LABELS_N,
        GIVEN_RN[:1],
        path=study.path / "longer",
        recipe=RECIPES["classic"].replace(epochs=10),
    )
    longer.path.mkdir()
    write_study(longer)
    assert load_study(study.path).longer == longer
    assert load_study(study.path / "longer").longer is None


def test_an_unfinished_study_has_no_summary(study: Study) -> None:
    for text in (None, "{", 20_000 * "[", '{"part": "test"}'):
        if text is not None:
            (study.path / "summary.json").write_text(text)
        with pytest.raises(StudyError, match=rf"^{re.escape(str(study.path))}/summary\.json: "):
            study.read_summary()
    summary = summarize(study, LABELS_N, is_mnist=False)
    write_json(study.path / "summary.json", summary)
    assert study.read_summary() == summary


def test_a_folder_without_a_study_is_reported(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "study.json", str(tmp_path)):
        message = rf"^{re.escape(str(tmp_path))}/study\.json: .*No such file"
        with pytest.raises(StudyError, match=message):
            load_study(path)


def change(values: dict[str, Any], *keys: Any, to: Any) -> None:
    for key in keys[:-1]:
        values = values[key]
    values[keys[-1]] = to


@pytest.mark.parametrize(
    ("keys", "to", "fact"),
    [
        (["format"], 2, "format 2"),
        (["runs"], None, "runs must be "),
        (["config", "holdout"], "no", "config.holdout must be "),
        (["config", "num_evaluated"], 0, "config.num_evaluated must be "),
        (["config", "num_evaluated"], "many", "config.num_evaluated must be "),
        (["config", "recipe", "epochs"], 0, "--epochs must be "),
        (["config", "recipe", "depth"], 3, "recipe"),
        (["config", "checksums"], {"train": ["a"]}, "config.checksums.train must be "),
        (["config", "colour"], "red", "config.colour: unknown field"),
        (["config", "data_folder"], 3, "config.data_folder must be "),
        (["runs", 0], {"seed": 4}, "runs[0].cpu: missing"),
        (["runs", 0, "seed"], 2**64, "runs[0].seed must be "),
        (["runs", 0, "seed"], "four", "runs[0].seed must be "),
        (["runs", 0, "seed"], 4.7, "runs[0].seed must be "),
        (["runs", 0, "seed"], -1, "runs[0].seed must be "),
        (["runs", 0, "seconds"], 10**400, "runs[0].seconds must be "),
        (["runs", 0, "seconds"], float("nan"), ""),
        (["runs", 0, "threads"], None, "runs[0].threads must be "),
        (["runs", 0, "other_cores"], "few", "runs[0].other_cores must be "),
        (["runs", 0, "num_parameters"], [], "runs[0].num_parameters must be "),
        (["runs", 0, "weights_sha256"], 3, "runs[0].weights_sha256 must be "),
        (["runs", 0, "cpu"], None, "runs[0].cpu must be "),
        (["runs", 0, "epoch_losses"], None, "runs[0].epoch_losses must be "),
        (["runs", 0, "epoch_losses"], ["low"], "runs[0].epoch_losses[0] must be "),
        (["runs", 0, "epoch_accuracies"], [None], "runs[0].epoch_accuracies[0] must be "),
        (["runs", 0, "mistakes"], [[3, 8]], "runs[0].mistakes[0] must be "),
        (["runs", 0, "mistakes"], [[3, "?", 0.5]], "runs[0].mistakes[0][1] must be "),
        (["runs", 0, "mistakes"], [[-1, 8, 0.5]], "runs[0].mistakes[0][0] must be "),
        (["runs", 0, "mistakes"], [[3, 10, 0.5]], "runs[0].mistakes[0][1] must be "),
    ],
)
def test_invalid_values_are_reported_with_their_field(
    keys: list[Any], to: Any, fact: str, study: Study
) -> None:
    file = study.path / "study.json"
    values = json.loads(file.read_text())
    change(values, *keys, to=to)
    file.write_text(json.dumps(values))
    with pytest.raises(StudyError, match=f"^{re.escape(str(file))}: .*{re.escape(fact)}"):
        load_study(study.path)


def test_a_holdout_study_has_no_test_checksums(study: Study) -> None:
    file = study.path / "study.json"
    values = json.loads(file.read_text())
    change(values, "config", "holdout", to=True)
    change(values, "config", "checksums", to={"train": ["a", "b"]})
    file.write_text(json.dumps(values))
    assert load_study(study.path).config.part == "validation"


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b'{"format": 1, ', "not a valid study"),
        (b"", "not a valid study"),
        (b"\xff\xfe", "not a valid study"),
        (20_000 * b"[", "nested too deeply"),
        (b"[]", "not a valid study"),
        (b"{}", "format"),
        (b"3", "not a valid study"),
    ],
)
def test_a_file_that_is_not_a_study_is_reported(content: bytes, fact: str, study: Study) -> None:
    file = study.path / "study.json"
    file.write_bytes(content)
    with pytest.raises(StudyError, match=f"^{re.escape(str(file))}: .*{fact}"):
        load_study(study.path)


def list_lines(text: str) -> set[str]:
    return {line.removesuffix(",") for line in text.splitlines()}


@pytest.mark.parametrize("name", [str(file.relative_to(ROOT)) for file in COMMITTED])
def test_a_committed_study_is_written_as_it_was_read(name: str, tmp_path: Path) -> None:
    found = load_study(ROOT / name)
    here = dataclasses.replace(found, path=tmp_path, longer=None)
    write_study(here)
    written = (tmp_path / "study.json").read_text()
    # All but recipe fields that were added later, which have their defaults, or that are gone.
    assert list_lines((ROOT / name).read_text()) - {'  "members": 1'} <= list_lines(written)
    assert load_study(tmp_path) == here
    write_study(load_study(tmp_path))
    assert (tmp_path / "study.json").read_text() == written
