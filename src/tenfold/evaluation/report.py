"""The report: one HTML file without scripts that opens offline.

In: a run's config, its evaluation, and its figures as PNG bytes. Out: the page as text.
"""

import base64
import shlex
from dataclasses import dataclass
from typing import Any

import jinja2

import tenfold
from tenfold.evaluation.findings import PART_NAMES, percent, percent_interval
from tenfold.recipes import RECIPES, Recipe, flag_name
from tenfold.run import RunConfig


@dataclass(frozen=True, kw_only=True)
class ReportFigure:
    """A figure in both themes, as PNG bytes, with its title and what it shows in words."""

    title: str
    description: str
    light: bytes
    dark: bytes


def write_command(config: RunConfig) -> str:
    """The command that trains the same run again, with threads as they come."""
    words = ["tenfold", "train", config.recipe.name, "--seed", str(config.seed)]
    words += _list_change_flags(config.recipe)
    if config.holdout:
        words.append("--holdout")
    if config.data_folder is not None:
        words += ["--data", config.data_folder]
    return shlex.join(words)


def _list_change_flags(recipe: Recipe) -> list[str]:
    flags = []
    for name, value in recipe.changes().items():
        values = value if isinstance(value, tuple) else (value,)
        flags += [flag_name(name), *map(str, values)]
    return flags


def build_report(config: RunConfig, evaluation: dict[str, Any], figures: list[ReportFigure]) -> str:
    """The whole page."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tenfold.evaluation", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["unbroken"] = lambda text: text.replace(" %", "\N{NO-BREAK SPACE}%")
    recipe, training = config.recipe, evaluation["training"]
    changes = recipe.changes()
    title = f"{percent(evaluation['accuracy'])} on {PART_NAMES[evaluation['part']]} images"
    return environment.get_template("report.html.j2").render(
        title=title,
        subtitle=(
            f"The recipe {recipe.name}{', changed,' * bool(changes)} with seed {config.seed}, "
            f"{config.started}"
        ),
        numbers=_list_numbers(evaluation),
        findings=evaluation["findings"],
        figures=[
            {
                "title": figure.title,
                "description": figure.description,
                "light": base64.b64encode(figure.light).decode(),
                "dark": base64.b64encode(figure.dark).decode(),
            }
            for figure in figures
        ],
        configuration=_list_configuration(config, training),
        reproduction=(
            f"The same machine, versions and number of threads give weights with the SHA-256 "
            f"{training['weights_sha256'][:16]}…; others differ in the last bits of their sums."
        ),
        command=(
            f"{write_command(config)} --threads {config.threads}"
            if recipe.name in RECIPES
            else f"tenfold.train({recipe!r}, seed={config.seed}, threads={config.threads})"
        ),
        version=tenfold.__version__,
        is_mnist=evaluation["is_mnist"],
    )


def _list_numbers(evaluation: dict[str, Any]) -> list[tuple[str, str, str]]:
    training = evaluation["training"]
    numbers = [
        (
            "accuracy",
            percent(evaluation["accuracy"]),
            f"95 % interval {percent_interval(evaluation['accuracy_interval'])}",
        ),
        (
            "mistakes",
            f"{len(evaluation['misclassified']):,}",
            f"of {evaluation['num_images']:,} {PART_NAMES[evaluation['part']]} images",
        ),
        (
            "training",
            f"{training['seconds']:.2f} s",
            f"{training['images_per_second']:,.0f} images a second",
        ),
        ("parameters", f"{training['num_parameters']:,}", "weights and biases"),
    ]
    if evaluation["corrected"]:
        corrected = evaluation["corrected"]
        numbers.insert(
            1,
            (
                "on corrected labels",
                percent(corrected["accuracy"]),
                f"n = {corrected['num_images']:,}",
            ),
        )
    return numbers


def _list_configuration(config: RunConfig, training: dict[str, Any]) -> list[tuple[str, str]]:
    recipe = config.recipe
    changed = _list_change_flags(recipe)
    rows = [
        ("recipe", f"{recipe.name}: {recipe.summary}"),
        ("changed", " ".join(changed) or "nothing"),
        ("model", recipe.model.describe()),
        ("optimizer", f"Adam, learning rate {recipe.learning_rate:g}"),
        ("batch size", f"{recipe.batch_size:,}"),
        ("epochs", f"{recipe.epochs:,}"),
        ("seed", str(config.seed)),
        ("training images", f"{training['num_images']:,}"),
        ("data", config.data_folder or "the embedded MNIST"),
    ]
    for part, (images, labels) in config.checksums.items():
        rows.append((f"{part} images", f"SHA-256 {images}"))
        rows.append((f"{part} labels", f"SHA-256 {labels}"))
    machine = config.machine
    rows += [
        ("weights", f"SHA-256 {training['weights_sha256']}"),
        ("machine", f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}"),
        ("threads", f"{config.threads}, {config.device}"),
        ("versions", ", ".join(f"{name} {version}" for name, version in config.versions.items())),
        ("started", config.started),
    ]
    return rows
