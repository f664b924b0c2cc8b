import dataclasses
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.test_class_names import TEN
from made_studies import CHECKSUMS, OTHER_DATA, build_study, miss
from tenfold.cli import main
from tenfold.errors import RecipeError
from tenfold.recipes.catalogue import RECIPES, find_changes
from tenfold.recipes.recipe import Recipe
from tenfold.reports.page import Page
from tenfold.reports.study_report import build_study_command, build_study_report
from tenfold.runs.results import Finding
from tenfold.studies.claims import find_claims
from tenfold.studies.statistics import summarize
from tenfold.studies.study import Study

LABELS_N = np.arange(100).astype(np.uint8) % 10


def build(**others: Any) -> Study:
    return build_study(LABELS_N, miss(LABELS_N, [[1], [2]]), **others)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments that `tenfold study` passes to the workflow, once it has been called."""
    noted: dict[str, Any] = {}

    def study(recipe: str, **others: Any) -> None:
        noted.update(others, recipe=recipe)
        raise RecipeError("enough")

    monkeypatch.setattr("tenfold.workflow.study.study", study)
    return noted


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("classic", {}),
        ("classic", {"hidden_sizes": [30, 20], "learning_rate": 3e-4, "epochs": 7}),
        ("classic", {"leave_out_mislabelled": True, "optimizer": "sgd"}),
        ("strong", {"leave_out_mislabelled": False, "channels": [8, 16], "depths": [1, 1]}),
    ],
)
def test_the_command_of_a_report_repeats_the_study(
    name: str, changes: dict[str, Any], given: dict[str, Any]
) -> None:
    recipe = RECIPES[name].replace(**changes)
    checksums = {"train": CHECKSUMS["train"]}
    made = build(recipe=recipe, seeds=[4, 5], holdout=True, checksums=checksums, path=Path("a b"))
    assert main(shlex.split(build_study_command(made))[1:]) == 2
    assert given["recipe"] == name
    assert RECIPES[name].replace(**{key: given[key] for key in find_changes(recipe)}) == recipe
    assert (given["seeds"], given["first_seed"], given["holdout"]) == (2, 4, True)
    assert (given["out"], given["data"]) == (Path("a b"), None)


@pytest.mark.parametrize(
    ("changes", "has_longer", "flag", "longer"),
    [
        ({}, True, "", None),
        ({}, False, " --no-longer", False),
        ({"epochs": 7}, True, " --longer", True),
        ({"epochs": 7}, False, "", None),
    ],
)
@pytest.mark.parametrize("accuracies", [(), (0.9, 0.95)])
def test_the_command_has_the_flags_of_longer_and_measured_studies(
    accuracies: tuple[float, ...],
    changes: dict[str, Any],
    has_longer: bool,
    flag: str,
    longer: bool | None,
    given: dict[str, Any],
) -> None:
    made = build(
        recipe=RECIPES["classic"].replace(**changes),
        longer=build() if has_longer else None,
        epoch_accuracies=[(), accuracies],
    )
    command = build_study_command(made)
    assert command.endswith(f"{'' if accuracies else ' --no-by-epoch'}{flag} --out {made.path}")
    assert main(shlex.split(command)[1:]) == 2
    assert (given["by_epoch"], given["longer"]) == (bool(accuracies), longer)


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ((0, 1), "--seeds 2 --no-"),
        ((3, 9), "--seeds 7 --first-seed 3 --no-"),
        ((9, 3), "--seeds 7"),
    ],
)
def test_the_command_covers_all_seeds(
    seeds: tuple[int, int], words: str, given: dict[str, Any]
) -> None:
    command = build_study_command(build(seeds=seeds))
    assert command.startswith(f"tenfold study classic {words}")
    assert main(shlex.split(command)[1:]) == 2
    assert set(seeds) <= {*range(given["first_seed"], given["first_seed"] + given["seeds"])}


def test_a_custom_recipe_is_repeated_from_python() -> None:
    command = build_study_command(build(seeds=[3, 9], recipe=Recipe(name="mine", summary="a test")))
    assert command.startswith("tenfold.study(Recipe(name='mine'")
    assert "seeds=7, first_seed=3" in command


def build_findings_page(*answers: str) -> str:
    """A page with a finding of each of these answers."""
    findings = [Finding(name="", question="?", answer=answer, sentence="") for answer in answers]
    others: dict[str, Any] = dict.fromkeys(("title", "subtitle", "reproduction", "command"), "")
    return Page(**others, sources="", findings=findings, is_mnist=False).to_html()


@pytest.mark.parametrize(
    ("answers", "css_class"),
    [
        (("fails", "worse"), "no"),
        (("undecided", "not significantly different", "unclear with one seed"), "open"),
        (("holds", "better", "97.84 %"), ""),
    ],
)
def test_answers_are_coloured_by_verdict(answers: tuple[str, ...], css_class: str) -> None:
    page = build_findings_page(*answers)
    shown = re.findall(r'<h3>\? <span class="(\w*)">(.*)</span></h3>', page)
    assert [name for name, _ in shown] == [css_class] * len(answers)
    texts = [text.replace("\N{NO-BREAK SPACE}", " ") for _, text in shown]
    assert texts == [*answers]
    if css_class:
        assert f".finding h3 span.{css_class} {{" in page


def test_the_page_of_a_study_has_a_hint_above_wide_tables_only() -> None:
    made = build()
    summary = summarize(made, LABELS_N, is_mnist=False)
    claim = Finding(name="claim", question="Claim.", answer="fails", sentence="It does.")
    findings = (*find_claims(summary, is_mnist=False), claim)
    summary = dataclasses.replace(summary, findings=findings)
    page = build_study_report(made, summary, [], is_mnist=False)
    assert '<h3>Claim. <span class="no">fails</span></h3>' in page
    hint = '<p class="hint">Scroll sideways to see all of it.</p>'
    assert page.count(hint) == 1
    assert page.index("<h2>Error rate of each digit</h2>") < page.index(hint)
    assert page.index(hint) < page.index('<th scope="col">digit</th>')


def test_seconds_are_shown_with_their_number_of_runs() -> None:
    for other_cores, words in (
        ([0.0, 1.0], "mean of 1 run, machine idle, 2 threads"),
        ([1.0, None], "mean of 2 runs, possibly under load"),
    ):
        made = build(other_cores=other_cores)
        summary = summarize(made, LABELS_N, is_mnist=False)
        page = build_study_report(made, summary, [], is_mnist=False)
        assert words in page.replace("\N{NO-BREAK SPACE}", " ")


def test_names_of_classes_are_in_the_report_and_in_its_command(given: dict[str, Any]) -> None:
    made = build(checksums=OTHER_DATA)
    made = dataclasses.replace(made, config=dataclasses.replace(made.config, class_names=TEN))
    assert main(shlex.split(build_study_command(made))[1:]) == 2
    assert given["class_names"] == TEN
    summary = summarize(made, LABELS_N, is_mnist=False)
    page = build_study_report(made, summary, [], is_mnist=False)
    assert "Error rate of each class" in page
    assert "<td>Trouser</td>" in page
