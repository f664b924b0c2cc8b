import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from made_studies import build_study, miss
from tenfold.errors import StudyError
from tenfold.recipes.catalogue import (
    RECIPES,
)
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


def test_what_is_written_can_be_read(study: Study) -> None:
    assert load_study(study.path) == study
    assert load_study(study.path / "study.json") == study
    assert repr(load_study(study.path)) == f"<Study {study.path}: classic, 2 seeds>"
    # A study that came alone is one too: nothing else lies there.
    assert [path.name for path in study.path.iterdir()] == ["study.json"]


def test_study_json_has_a_line_for_each_run(study: Study) -> None:
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


def test_accuracies_and_answers_follow_from_the_mistakes(study: Study) -> None:
    assert study.accuracies.tolist() == pytest.approx([0.9, 0.95])
    np.testing.assert_array_equal(study.get_given_labels(LABELS_N), GIVEN_RN)


def test_a_study_goes_by_its_recipes_name(study: Study) -> None:
    assert study.name == "classic"
    changed = build_study(LABELS_N, GIVEN_RN, recipe=RECIPES["classic"].replace(epochs=6))
    assert changed.name == "classic (epochs=6)"


@pytest.mark.parametrize(("other_cores", "was_alone"), [(0.0, True), (0.1, False), (None, False)])
def test_a_run_was_alone_if_hardly_anything_ran_beside_it(
    other_cores: float | None, was_alone: bool
) -> None:
    study = build_study(LABELS_N, GIVEN_RN[:1], other_cores=[other_cores])
    assert study.runs[0].was_alone == was_alone


def test_a_study_within_is_the_longer_one(study: Study) -> None:
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


def test_a_study_is_opened_by_its_name_as_text(study: Study) -> None:
    for path in (str(study.path), f"{study.path}/study.json"):
        assert load_study(path) == study


def test_a_study_that_is_going_on_has_no_summary(study: Study) -> None:
    message = (
        f"{study.path}/summary.json: cannot be read as the summary of a finished study; "
        "`tenfold study` on this folder writes it"
    )
    with pytest.raises(StudyError, match=f"^{re.escape(message)}$"):
        study.read_summary()
    for text in ("{", 20_000 * "[", '{"part": "test"}'):
        (study.path / "summary.json").write_text(text)
        with pytest.raises(StudyError, match=re.escape(message)):
            study.read_summary()
    summary = summarize(study, LABELS_N, is_mnist=False)
    write_json(study.path / "summary.json", summary)
    assert study.read_summary() == summary


def test_a_folder_without_a_study_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "study.json", str(tmp_path)):
        message = f"{tmp_path}: expected a study's folder with study.json, found: No such file"
        with pytest.raises(StudyError, match=f"^{re.escape(message)}"):
            load_study(path)


def change(values: dict[str, Any], *keys: Any, to: Any) -> None:
    for key in keys[:-1]:
        values = values[key]
    values[keys[-1]] = to


OF_ANOTHER_VERSION = "expected a study of this version of Tenfold, found: "
OF_RUN = f"{OF_ANOTHER_VERSION}runs[0]."


@pytest.mark.parametrize(
    ("keys", "to", "message"),
    [
        (["format"], 2, f"{OF_ANOTHER_VERSION}format 2"),
        (["runs"], None, f"{OF_ANOTHER_VERSION}runs: expected an array, found None"),
        (["runs", 0, "seed"], 2**64, f"{OF_RUN}seed: expected a whole number from 0 to 4294967295"),
        (["runs", 0, "seconds"], 10**400, f"{OF_RUN}seconds: expected a number, found 1000"),
        (["config", "num_evaluated"], 0, f"{OF_ANOTHER_VERSION}config.num_evaluated: expected a"),
        (["config", "recipe", "epochs"], 0, f"{OF_ANOTHER_VERSION}--epochs: expected a whole"),
        (
            ["config", "recipe", "depth"],
            3,
            f"{OF_ANOTHER_VERSION}not a recipe of this version",
        ),
        (
            ["config", "checksums"],
            {"train": ["a"]},
            f"{OF_ANOTHER_VERSION}config.checksums.train: expected an array of 2, found ['a']",
        ),
        (["config", "colour"], "red", f"{OF_ANOTHER_VERSION}config.colour: no such field"),
        (
            ["runs", 0, "mistakes"],
            [[3, "?", 0.5]],
            f"{OF_RUN}mistakes[0][1]: expected a whole number, found '?'",
        ),
        (
            ["runs", 0, "mistakes"],
            [[3, 8]],
            f"{OF_RUN}mistakes[0]: expected an array of 3, found [3, 8]",
        ),
        (["runs", 0], {"seed": 4}, f"{OF_RUN}cpu: expected a value, found none"),
        (["runs", 0, "epoch_losses"], None, f"{OF_RUN}epoch_losses: expected an array, found None"),
        (
            ["config", "num_evaluated"],
            "many",
            f"{OF_ANOTHER_VERSION}config.num_evaluated: expected a whole number, found 'many'",
        ),
        (
            ["config", "data_folder"],
            3,
            f"{OF_ANOTHER_VERSION}config.data_folder: expected text or null, found 3",
        ),
        (["runs", 0, "seed"], "four", f"{OF_RUN}seed: expected a whole number, found 'four'"),
        (["runs", 0, "seconds"], "long", f"{OF_RUN}seconds: expected a number, found 'long'"),
        (["runs", 0, "threads"], None, f"{OF_RUN}threads: expected a whole number, found None"),
        (
            ["runs", 0, "other_cores"],
            "few",
            f"{OF_RUN}other_cores: expected a number or null, found 'few'",
        ),
        (
            ["runs", 0, "num_parameters"],
            [],
            f"{OF_RUN}num_parameters: expected a whole number, found []",
        ),
        (
            ["runs", 0, "epoch_losses"],
            ["low"],
            f"{OF_RUN}epoch_losses[0]: expected a number, found 'low'",
        ),
        (
            ["runs", 0, "epoch_accuracies"],
            [None],
            f"{OF_RUN}epoch_accuracies[0]: expected a number, found None",
        ),
        (
            ["runs", 0, "mistakes"],
            [[-1, 8, 0.5]],
            f"{OF_RUN}mistakes[0][0]: expected a whole number from 0 to",
        ),
        (
            ["runs", 0, "mistakes"],
            [[3, 10, 0.5]],
            f"{OF_RUN}mistakes[0][1]: expected a whole number from 0 to 9, found 10",
        ),
    ],
)
def test_a_study_of_another_making_is_refused(
    keys: list[Any], to: Any, message: str, study: Study
) -> None:
    file = study.path / "study.json"
    values = json.loads(file.read_text())
    change(values, *keys, to=to)
    file.write_text(json.dumps(values))
    with pytest.raises(StudyError, match=f"^{re.escape(f'{file}: {message}')}"):
        load_study(study.path)


def test_a_holdout_study_needs_no_test_data(study: Study) -> None:
    file = study.path / "study.json"
    values = json.loads(file.read_text())
    change(values, "config", "holdout", to=True)
    change(values, "config", "checksums", to={"train": ["a", "b"]})
    file.write_text(json.dumps(values))
    assert load_study(study.path).config.part == "validation"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"format": 1, ', "expected JSON, found: "),
        (b"", "expected JSON, found: "),
        (b"\xff\xfe", "expected JSON, found: "),
        (b"[]", OF_ANOTHER_VERSION),
        (20_000 * b"[", "expected JSON, found: nested too deeply"),
        (b"{}", f"{OF_ANOTHER_VERSION}format: expected a value, found none"),
        (b"3", OF_ANOTHER_VERSION),
    ],
)
def test_a_file_that_is_no_study_is_refused(content: bytes, message: str, study: Study) -> None:
    file = study.path / "study.json"
    file.write_bytes(content)
    with pytest.raises(StudyError, match=f"^{re.escape(f'{file}: {message}')}"):
        load_study(study.path)


@pytest.mark.parametrize(
    ("keys", "to"),
    [
        (("config", "holdout"), "no"),
        (("runs", 0, "seed"), 4.7),
        (("runs", 0, "seed"), -1),
        (("runs", 0, "seconds"), float("nan")),
        (("runs", 0, "weights_sha256"), 3),
        (("runs", 0, "cpu"), None),
    ],
)
def test_values_that_cannot_be_are_refused(
    keys: tuple[str | int, ...], to: object, tmp_path: Path
) -> None:
    write_study(build_study(LABELS_N, miss(LABELS_N, [[1]]), path=tmp_path))
    values = json.loads((tmp_path / "study.json").read_text())
    at = values
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = to
    (tmp_path / "study.json").write_text(json.dumps(values))
    with pytest.raises(StudyError, match=r"study\.json: "):
        load_study(tmp_path)


def list_lines(text: str) -> set[str]:
    return {line.removesuffix(",") for line in text.splitlines()}


@pytest.mark.parametrize("name", [str(file.relative_to(ROOT)) for file in COMMITTED])
def test_a_study_of_the_repository_is_written_as_it_was_read(name: str, tmp_path: Path) -> None:
    found = load_study(ROOT / name)
    here = dataclasses.replace(found, path=tmp_path, longer=None)
    write_study(here)
    written = (tmp_path / "study.json").read_text()
    # All but fields of a recipe that came later, which have their defaults.
    assert list_lines((ROOT / name).read_text()) <= list_lines(written)
    assert load_study(tmp_path) == here
    write_study(load_study(tmp_path))
    assert (tmp_path / "study.json").read_text() == written
