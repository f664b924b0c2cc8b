"""The report of a run."""

import shlex

from tenfold.evaluation.text import PART_NAMES, format_interval, format_percent, tabulate_classes
from tenfold.recipes.catalogue import RECIPES, build_display_name
from tenfold.reports.describe import list_config_flags, list_data, list_recipe
from tenfold.reports.page import Page, PageFigure, PageTable
from tenfold.runs.config import RunConfig
from tenfold.runs.results import Evaluation, Training


def build_train_command(config: RunConfig) -> str:
    """The command that trains the same run again."""
    words = ["tenfold", "train", config.recipe.name, "--seed", str(config.seed)]
    return shlex.join([*words, *list_config_flags(config)])


def describe_training(config: RunConfig) -> str:
    """The command that trains the same run again, or the call for what has no flags."""
    recipe = config.recipe
    if recipe.name in RECIPES and not config.from_arrays:
        return build_train_command(config)
    arguments = [repr(recipe), f"seed={config.seed}"]
    if config.holdout:
        arguments.append("holdout=True")
    if config.from_arrays or config.data_folder is not None:
        arguments.append("data=" + ("..." if config.from_arrays else repr(config.data_folder)))
    return f"tenfold.train({', '.join(arguments)}, threads={config.threads})"


def build_report(config: RunConfig, evaluation: Evaluation, figures: list[PageFigure]) -> str:
    """The page as HTML."""
    recipe, training = config.recipe, evaluation.training
    columns, rows = tabulate_classes(evaluation)
    return Page(
        title=f"{format_percent(evaluation.accuracy)} on {PART_NAMES[evaluation.part]} images",
        subtitle=(
            f"The recipe {build_display_name(recipe)} with seed {config.seed}, {config.started}"
        ),
        numbers=_list_numbers(evaluation),
        findings=evaluation.findings,
        tables=[PageTable(title=f"Errors by {evaluation.noun}", columns=columns, rows=rows)],
        figures=figures,
        configuration=_list_configuration(config, training),
        reproduction=_describe_reproduction(training),
        command=describe_training(config),
        sources=(
            ". evaluation.json and config.json beside it hold every number on this page, "
            "losses.jsonl the loss of every batch, predictions.csv every prediction."
        ),
        is_mnist=evaluation.is_mnist,
    ).to_html()


def _describe_reproduction(training: Training) -> str:
    if training.resumed_with:
        return (
            f"The run was resumed with {'; '.join(training.resumed_with)}, so training it again "
            "gives slightly different weights."
        )
    return (
        "The same machine, versions and number of threads give weights with the SHA-256 "
        f"{training.weights_sha256[:16]}…; with others, rounding changes them slightly."
    )


def _list_numbers(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    training, corrected = evaluation.training, evaluation.corrected
    interval = f"95 % CI {format_interval(evaluation.accuracy_interval)}"
    numbers = [("accuracy", format_percent(evaluation.accuracy), interval)]
    if corrected:
        accuracy = format_percent(corrected.accuracy)
        numbers.append(("on corrected labels", accuracy, f"n = {corrected.num_images:,}"))
    images = f"of {evaluation.num_images:,} {PART_NAMES[evaluation.part]} images"
    speed = f"{training.images_per_second:,.0f} images per second"
    return [
        *numbers,
        ("mistakes", f"{len(evaluation.misclassified):,}", images),
        ("training", f"{training.seconds:.2f} s", speed),
        ("parameters", f"{training.num_parameters:,}", "weights and biases"),
    ]


def _list_configuration(config: RunConfig, training: Training) -> list[tuple[str, str]]:
    machine = config.machine
    return [
        *list_recipe(config.recipe),
        ("seed", str(config.seed)),
        ("training images", f"{training.num_images:,}"),
        *list_data("arrays" if config.from_arrays else config.data_folder, config.checksums),
        ("weights", f"SHA-256 {training.weights_sha256}"),
        ("machine", f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"),
        ("threads", f"{config.threads}, {config.device}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in config.versions.items())),
        ("started", config.started),
    ]
