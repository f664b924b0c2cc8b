"""The report of a run.

In: a run's config, its evaluation, and its figures as PNG bytes. Out: the page as text.
"""

import shlex

from tenfold.evaluation.findings import PART_NAMES, percent, percent_interval
from tenfold.recipes.catalogue import (
    RECIPES,
    build_display_name,
)
from tenfold.reports.describe import list_change_flags, list_data, list_recipe
from tenfold.reports.page import PageFigure, build_page
from tenfold.runs.config import DEFAULT_THREADS, RunConfig
from tenfold.runs.results import Evaluation, Training


def write_command(config: RunConfig) -> str:
    """The command that trains the same run again."""
    words = ["tenfold", "train", config.recipe.name, "--seed", str(config.seed)]
    words += list_change_flags(config.recipe)
    if config.holdout:
        words.append("--holdout")
    if config.data_folder is not None:
        words += ["--data", config.data_folder]
    if config.threads != DEFAULT_THREADS:
        words += ["--threads", str(config.threads)]
    return shlex.join(words)


def build_report(config: RunConfig, evaluation: Evaluation, figures: list[PageFigure]) -> str:
    """The whole page."""
    recipe, training = config.recipe, evaluation.training
    return build_page(
        title=f"{percent(evaluation.accuracy)} on {PART_NAMES[evaluation.part]} images",
        subtitle=(
            f"The recipe {build_display_name(recipe)} with seed {config.seed}, {config.started}"
        ),
        numbers=_list_numbers(evaluation),
        findings=evaluation.findings,
        figures=figures,
        configuration=_list_configuration(config, training),
        reproduction=_describe_reproduction(training),
        command=(
            write_command(config)
            if recipe.name in RECIPES
            else f"tenfold.train({recipe!r}, seed={config.seed}, threads={config.threads})"
        ),
        sources=(
            " from the files beside it: evaluation.json and config.json hold every number on this "
            "page, losses.jsonl the loss of every batch."
        ),
        is_mnist=evaluation.is_mnist,
    )


def _describe_reproduction(training: Training) -> str:
    if training.resumed_with:
        return (
            f"The run was resumed with {'; '.join(training.resumed_with)}: training it again "
            "gives weights that differ in the last bits of their sums."
        )
    return (
        "The same machine, versions and number of threads give weights with the SHA-256 "
        f"{training.weights_sha256[:16]}…; others differ in the last bits of their sums."
    )


def _list_numbers(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    training = evaluation.training
    numbers = [
        (
            "accuracy",
            percent(evaluation.accuracy),
            f"95 % interval {percent_interval(evaluation.accuracy_interval)}",
        ),
        (
            "mistakes",
            f"{len(evaluation.misclassified):,}",
            f"of {evaluation.num_images:,} {PART_NAMES[evaluation.part]} images",
        ),
        (
            "training",
            f"{training.seconds:.2f} s",
            f"{training.images_per_second:,.0f} images a second",
        ),
        ("parameters", f"{training.num_parameters:,}", "weights and biases"),
    ]
    if evaluation.corrected:
        corrected = evaluation.corrected
        numbers.insert(
            1,
            (
                "on corrected labels",
                percent(corrected.accuracy),
                f"n = {corrected.num_images:,}",
            ),
        )
    return numbers


def _list_configuration(config: RunConfig, training: Training) -> list[tuple[str, str]]:
    rows = [
        *list_recipe(config.recipe),
        ("seed", str(config.seed)),
        ("training images", f"{training.num_images:,}"),
        *list_data(config.data_folder, config.checksums),
    ]
    machine = config.machine
    rows += [
        ("weights", f"SHA-256 {training.weights_sha256}"),
        ("machine", f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"),
        ("threads", f"{config.threads}, {config.device}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in config.versions.items())),
        ("started", config.started),
    ]
    return rows
