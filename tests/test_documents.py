"""Numbers in the documents are those of the repository's studies."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from made_studies import present
from tenfold.data.mnist import LabelledImages, split_holdout
from tenfold.recipes.catalogue import RECIPES
from tenfold.studies.claims import find_claims
from tenfold.studies.comparison import list_changed_images
from tenfold.studies.statistics import summarize
from tenfold.studies.study import Study, load_study
from tenfold.studies.summary import Summary

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
RESULTS = (ROOT / "docs/results.md").read_text()
STUDIES = {file.parent.name: file.parent for file in sorted(ROOT.glob("studies/*/study.json"))}
NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
WORDS = {10: "ten", 14: "fourteen"}
Summaries = dict[str, Summary]


@pytest.fixture(scope="module")
def studies() -> dict[str, Study]:
    return {name: load_study(path) for name, path in STUDIES.items()}


@pytest.fixture(scope="module")
def summaries(
    studies: dict[str, Study], training: LabelledImages, test_images: LabelledImages
) -> Summaries:
    evaluated = {True: split_holdout(training)[1], False: test_images}
    return {
        name: summarize(study, evaluated[study.config.holdout].labels_N, is_mnist=study.is_mnist)
        for name, study in studies.items()
    }


def read_table(text: str) -> Iterator[dict[str, str]]:
    """The rows of the Markdown tables in a text, as column names to cells."""
    header: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line[:1] == "|" else []
        if not cells:
            header = []
        elif not header:
            header = cells
        elif not re.fullmatch(r"[|: -]+", line):
            yield dict(zip(header, cells, strict=True))


ROWS = {
    re.findall(r"[\w-]+", row["recipe"])[0]: row
    for row in read_table((ROOT / "docs/recipes.md").read_text())
    if "recipe" in row
}


def find_numbers(summary: Summary, column: str) -> list[float]:
    """The numbers for a cell of docs/recipes.md, in the order that its column names them."""
    if "corrected" in column:
        return [100 * present(summary.corrected).mean]
    if "seconds" in column:
        return [present(summary.seconds_alone).mean]
    for name in ("parameters", "multiply-adds"):
        if name in column:
            return [getattr(summary, f"num_{name.replace('-', '_')}")]
    keys = {"mean": "mean", "deviation": "standard_deviation", "lowest": "lowest"}
    shares = [
        getattr(summary.accuracy, keys[word.strip()]) for word in column.split(":")[1].split(",")
    ]
    return [100 * share for share in shares if share is not None]  # one run has no deviation


def check_numbers(cell: str, expected: list[float]) -> None:
    """Check that a cell starts with these numbers, each rounded to the digits that it shows."""
    written = re.findall(NUMBER, cell)
    assert len(written) >= len(expected), cell
    for text, number in zip(written, expected, strict=False):
        half = 0.5 / 10 ** len(text.partition(".")[2])
        assert float(text.replace(",", "")) == pytest.approx(number, abs=1.001 * half), cell


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_has_the_recipe_and_seeds_of_its_name(name: str, studies: dict[str, Study]) -> None:
    study = studies[name]
    recipe = RECIPES[study.config.recipe.name]
    assert name == recipe.name + "-holdout" * study.config.holdout
    assert study.config.recipe == recipe
    assert study.is_mnist
    assert [run.seed for run in study.runs] == [*range(len(study.runs))]
    if study.longer is not None:
        assert study.longer.config.recipe == recipe.replace(epochs=2 * recipe.epochs)


@pytest.mark.parametrize("recipe", ROWS)
def test_numbers_in_the_table_of_recipes_are_those_of_the_studies(
    recipe: str, summaries: Summaries
) -> None:
    for column, cell in ROWS[recipe].items():
        name = recipe + "-holdout" * column.startswith("hold-out")
        assert (cell == "–") == (name not in summaries)
        if column != "recipe" and cell != "–":
            check_numbers(cell, find_numbers(summaries[name], column))


def find_results(summary: Summary) -> dict[str, tuple[str, list[str]]]:
    """For each claim, a word of its row in docs/results.md and the texts that the row must have."""
    accuracy = summary.accuracy
    contested, longer = present(summary.contested), present(summary.longer)
    num_seeds = len(summary.seeds)
    numbers = {one.name: one.numbers for one in find_claims(summary, is_mnist=True)}
    [seven] = [one for one in summary.digits if one.label == 7]
    gain = longer.gain
    low, high = (f"{100 * end:.2f}" for end in present(gain.interval))
    ratio = contested.rate_on_contested / contested.rate_on_others
    on_contested, num_mistakes = contested.num_on_contested.mean, contested.num_mistakes.mean
    return {
        "over_97_percent": (
            "97 %",
            [
                f"{numbers['over_97_percent']['num_over']} of {num_seeds} runs",
                f"mean {100 * accuracy.mean:.2f} %",
                f"deviation {100 * present(accuracy.standard_deviation):.2f}",
                f"lowest {100 * accuracy.lowest:.2f} %",
            ],
        ),
        "hardest_digit": ("7 is", [f"{seven.num_hardest} of {num_seeds} runs"]),
        "last_epochs": (
            "epochs",
            [
                f"{-100 * present(summary.last_loss_change).mean:.0f} %",
                f"{100 * longer.accuracy.mean:.2f} %",
                f"{100 * gain.mean:.2f} points",
                f"{low} to {high}",
            ],
        ),
        "hard_for_people": (
            "people",
            [
                f"{on_contested:.1f} of {num_mistakes:.0f} mistakes",
                f"{contested.num_contested} disputed labels",
                f"{ratio:.0f} times",
            ],
        ),
    }


def test_claims_on_the_results_page_match_the_study(summaries: Summaries) -> None:
    summary = summaries["classic"]
    verdicts = {one.name: one.answer for one in find_claims(summary, is_mnist=True)}
    rows = [row for row in read_table(RESULTS) if "claim" in row]
    assert len(rows) == len(verdicts) - 1  # the accuracy is no claim
    for name, (word, expected) in find_results(summary).items():
        [row] = [row for row in rows if word in row["claim"]]
        *_, said = row.values()
        assert row["verdict"] == verdicts[name]
        for numbers in expected:
            assert numbers in said
        if name == "hardest_digit":
            by_label = {str(one.label): one for one in summary.digits}
            for label, count in re.findall(r"\b(\d)(?: has it)? in (\d+)", said):
                assert by_label[label].num_hardest == int(count)
            for label, rate in re.findall(r"\b(\d) \((\d\.\d\d) %\)", said):
                assert f"{100 * by_label[label].error_rate.mean:.2f}" == rate


def test_every_accuracy_on_the_results_page_comes_from_a_study(summaries: Summaries) -> None:
    found = set(re.findall(r"\b(\d\d\.\d\d) %", RESULTS))
    known: set[str] = set()
    for summary in summaries.values():
        longer = summary.longer.accuracy if summary.longer else None
        for one in (summary.accuracy, summary.corrected, longer):
            known |= {f"{100 * share:.2f}" for share in (one.mean, one.lowest)} if one else set()
    assert found
    assert found <= known


@pytest.mark.parametrize("name", ["classic-augmented", "strong"])
def test_gains_of_recipes_on_the_results_page_match_the_studies(
    name: str, studies: dict[str, Study], summaries: Summaries, test_images: LabelledImages
) -> None:
    [text] = [one for one in RESULTS.split("\n\n") if one.startswith(f"`{name}`")]
    text, accuracy = " ".join(text.split()), summaries[name].accuracy
    assert f"mean of {100 * accuracy.mean:.2f} % over {WORDS[accuracy.num_values]} seeds" in text
    deviation, lowest = present(accuracy.standard_deviation), accuracy.lowest
    assert f"(deviation {100 * deviation:.2f}, lowest {100 * lowest:.2f} %" in text
    listed = list_changed_images(studies["classic"], studies[name], test_images.labels_N)
    num_missed = len(listed.mended) + len(listed.not_mended)
    assert re.search(rf"{len(listed.mended)} of the {num_missed}\b", text)


def test_the_results_table_of_the_readme_matches_the_studies(summaries: Summaries) -> None:
    rows = [row for row in read_table(README) if "recipe" in row]
    names = [row["recipe"].strip("`") for row in rows]
    assert names[:3] == ["classic", "classic-augmented", "strong"]
    assert {*names} == {name for name in STUDIES if not name.endswith("-holdout")}
    for row in rows:
        summary = summaries[row["recipe"].strip("`")]
        accuracy = summary.accuracy
        check_numbers(row["parameters"], [summary.num_parameters])
        means = [100 * accuracy.mean, 100 * present(accuracy.standard_deviation)]
        check_numbers(row["mean accuracy ± standard deviation"], means)
        assert row["seeds"] == str(accuracy.num_values)
        check_numbers(row["training time"], [present(summary.seconds_alone).mean])
