"""What the documents say of the repository's own studies and code is what these give."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from made_studies import present
from tenfold.data.mnist import LabelledImages, split_holdout
from tenfold.recipes.catalogue import (
    RECIPES,
)
from tenfold.studies.claims import find_claims
from tenfold.studies.comparison import list_changed_images
from tenfold.studies.statistics import summarize
from tenfold.studies.study import Study, load_study
from tenfold.studies.summary import Summary

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
STUDIES = {file.parent.name: file.parent for file in sorted(ROOT.glob("studies/*/study.json"))}
NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
WORDS = dict(enumerate(["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen"], 10))
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
    """The rows of the Markdown tables in a text, cells by the names of their columns."""
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
    """What a cell of docs/recipes.md has to say, in the order that its column's name has it."""
    if "corrected" in column:
        return [100 * present(summary.corrected).mean]
    if "seconds" in column:
        return [(summary.seconds_alone or summary.seconds).mean]
    for name in ("parameters", "multiply-adds"):
        if name in column:
            return [getattr(summary, f"num_{name.replace('-', '_')}")]
    keys = {"mean": "mean", "deviation": "standard_deviation", "lowest": "lowest"}
    shares = [
        getattr(summary.accuracy, keys[word.strip()]) for word in column.split(":")[1].split(",")
    ]
    return [100 * share for share in shares if share is not None]  # one run has no deviation


def check_numbers(cell: str, expected: list[float]) -> None:
    """Check that a cell says these numbers first, each to the digits that it has."""
    written = re.findall(NUMBER, cell)
    assert len(written) >= len(expected), cell
    for text, number in zip(written, expected, strict=False):
        half = 0.5 / 10 ** len(text.partition(".")[2])
        assert float(text.replace(",", "")) == pytest.approx(number, abs=1.001 * half), cell


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_of_the_recipe_that_it_is_named_after(
    name: str, studies: dict[str, Study]
) -> None:
    study = studies[name]
    recipe = RECIPES[study.config.recipe.name]
    assert name == recipe.name + "-holdout" * study.config.holdout
    assert study.config.recipe == recipe
    assert study.is_mnist
    assert [run.seed for run in study.runs] == [*range(len(study.runs))]
    if study.longer is not None:
        assert study.longer.config.recipe == recipe.replace(epochs=2 * recipe.epochs)


@pytest.mark.parametrize("name", STUDIES)
def test_the_table_of_recipes_says_what_the_studies_gave(name: str, summaries: Summaries) -> None:
    recipe = name.removesuffix("-holdout")
    if recipe not in ROWS:
        pytest.skip(f"docs/recipes.md has no row for {recipe} yet")
    num_compared = 0
    for column, cell in ROWS[recipe].items():
        is_of_holdout = column.startswith("hold-out")
        if column == "recipe" or is_of_holdout != name.endswith("-holdout"):
            continue
        if re.search(r"\d", cell):  # a dash, or words, say nothing that could be compared
            check_numbers(cell, find_numbers(summaries[name], column))
            num_compared += 1
    if not num_compared:
        pytest.skip(f"docs/recipes.md has no number of {name} yet")


def test_no_number_of_the_table_is_without_a_study() -> None:
    for recipe, row in ROWS.items():
        assert recipe in RECIPES
        for column, cell in row.items():
            if re.search(r"\d", cell) and ":" in column:
                assert recipe + "-holdout" * column.startswith("hold-out") in STUDIES


def find_results(summary: Summary) -> dict[str, tuple[str, list[str]]]:
    """For each claim a word of its row in the README's table, and what the row has to say."""
    accuracy = summary.accuracy
    contested, longer = present(summary.contested), present(summary.longer)
    num_seeds, [claims] = len(summary.seeds), [find_claims(summary, is_mnist=True)]
    numbers = {one.name: one.numbers for one in claims}
    [seven] = [one for one in summary.digits if one.label == 7]
    gain = longer.gain
    low, high = (f"{100 * end:+.2f}" for end in present(gain.interval))
    ratio = contested.rate_on_contested / contested.rate_on_others
    on_contested, num_mistakes = contested.num_on_contested.mean, contested.num_mistakes.mean
    return {
        "over_97_percent": (
            "97 %",
            [
                f"{numbers['over_97_percent']['num_over']} of {num_seeds}",
                f"mean {100 * accuracy.mean:.2f} %",
                f"deviation {100 * present(accuracy.standard_deviation):.2f}",
                f"lowest {100 * accuracy.lowest:.2f} %",
            ],
        ),
        "hardest_digit": ("7 is", [f"{seven.num_hardest} of {num_seeds} seeds"]),
        "last_epochs": (
            "epochs",
            [
                f"{-100 * present(summary.last_loss_change).mean:.0f} %",
                f"{100 * longer.accuracy.mean:.2f} %",
                f"{100 * gain.mean:+.2f} points",
                f"{low} to {high}",
            ],
        ),
        "hard_for_people": (
            "people",
            [
                f"{on_contested:.1f} of {num_mistakes:.0f} mistakes",
                f"{contested.num_contested} labels",
                f"{ratio:.0f} times",
            ],
        ),
    }


def test_the_readme_says_of_each_claim_what_the_study_gave(summaries: Summaries) -> None:
    summary = summaries["classic"]
    verdicts = {one.name: one.answer for one in find_claims(summary, is_mnist=True)}
    rows = [row for row in read_table(README) if "claim" in row]
    assert len(rows) == len(verdicts) - 1  # the accuracy is no claim
    for name, (word, expected) in find_results(summary).items():
        [row] = [row for row in rows if word in row["claim"]]
        *_, said = row.values()
        assert row["verdict"] == verdicts[name]
        for numbers in expected:
            assert numbers in said
        if name == "hardest_digit":
            by_label = {str(one.label): one for one in summary.digits}
            for label, count in re.findall(r"\b(\d)(?: is)? in (\d+)", said):
                assert by_label[label].num_hardest == int(count)
            for label, rate in re.findall(r"\b(\d) \((\d\.\d\d) %\)", said):
                assert f"{100 * by_label[label].error_rate.mean:.2f}" == rate


def test_the_readme_has_no_accuracy_that_no_study_gave(summaries: Summaries) -> None:
    results = README.partition("\n## Results\n")[2].partition("\n## ")[0]
    found = set(re.findall(r"\b(\d\d\.\d\d) %", results))
    known: set[str] = set()
    for summary in summaries.values():
        parts = [
            summary.accuracy,
            summary.corrected,
            summary.longer.accuracy if summary.longer else None,
        ]
        known |= {f"{100 * share:.2f}" for one in parts if one for share in (one.mean, one.lowest)}
    assert found
    assert found <= known


def test_the_readme_says_what_augmentation_mends(
    studies: dict[str, Study], summaries: Summaries, test_images: LabelledImages
) -> None:
    text = " ".join(README.split())
    accuracy = summaries["classic-augmented"].accuracy
    mean, deviation, lowest = (
        f"{100 * getattr(accuracy, key):.2f}" for key in ("mean", "standard_deviation", "lowest")
    )
    expected = rf"mean of {mean} % over (\w+) seeds \(deviation {deviation}, lowest {lowest} %"
    [num_seeds] = re.findall(expected, text)
    assert num_seeds in (WORDS.get(accuracy.num_values), str(accuracy.num_values))
    listed = list_changed_images(
        studies["classic"], studies["classic-augmented"], test_images.labels_N
    )
    num_mended, num_kept = len(listed.mended), len(listed.not_mended)
    assert f"{num_mended} of the {num_mended + num_kept} images" in text


def test_the_readme_says_how_many_lines_there_are() -> None:
    files = [file for kind in ("py", "j2") for file in (ROOT / "src/tenfold").rglob(f"*.{kind}")]
    num_lines = sum(len(file.read_text().splitlines()) for file in files)
    [written] = re.findall(rf"^About ({NUMBER}) lines", README, re.MULTILINE)
    assert int(written.replace(",", "")) == pytest.approx(num_lines, rel=0.05)
