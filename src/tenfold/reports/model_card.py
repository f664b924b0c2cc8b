"""The model card of a folder for the Hugging Face Hub: README.md with its YAML front matter."""

import json
import re

import jinja2

from tenfold.digits import NUM_CLASSES
from tenfold.evaluation.text import PART_NAMES, format_interval, format_percent
from tenfold.recipes.catalogue import build_display_name
from tenfold.reports.describe import list_recipe
from tenfold.runs.hub import HubConfig

MNIST_ON_HUB = "ylecun/mnist"
TASK = "Image Classification"


def build_model_card(config: HubConfig, license_id: str) -> str:
    """The card as Markdown; `license_id` is the Hub's name of the licence of the weights."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tenfold.reports", ""),
        autoescape=False,  # it is Markdown, not HTML
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    # JSON is YAML. Emoji as they are: YAML reads their escapes in JSON as two characters.
    environment.filters["yaml"] = lambda value: json.dumps(value, ensure_ascii=False)
    accuracy, corrected = config.accuracy, config.corrected_accuracy
    return environment.get_template("model_card.md.j2").render(
        config=config,
        license=license_id,
        title=build_display_name(config.recipe),
        task=TASK,
        data="MNIST" if config.is_mnist else f"the images of the folder {config.data}",
        dataset=_describe_dataset(config),
        metrics=_list_metrics(config),
        labels=_describe_labels(config),
        names=config.has_names,
        part=PART_NAMES[config.part].capitalize() + " images",
        accuracy=(
            f"{accuracy.num_correct:,} of {accuracy.num_images:,} are classified correctly, "
            f"{format_percent(accuracy.accuracy)} (95 % confidence interval "
            f"{format_interval(accuracy.accuracy_interval)})."
        ),
        corrected=None if corrected is None else format_percent(corrected),
        seeds=_describe_seeds(config),
        rows=_list_rows(config),
    )


def _describe_dataset(config: HubConfig) -> dict[str, str]:
    """The dataset of the model index: an identifier, a name, and the part that was evaluated."""
    if not config.is_mnist:
        # The Hub's name for images in somebody's own folder.
        return {"type": "imagefolder", "name": config.data, "split": config.part}
    if config.part == "test":
        return {"type": MNIST_ON_HUB, "name": "MNIST", "split": "test"}
    name = f"MNIST, {config.accuracy.num_images:,} training images by held-out writers"
    return {"type": MNIST_ON_HUB, "name": name, "split": "train"}


def _list_metrics(config: HubConfig) -> dict[str, float]:
    """The accuracies of the model index, by their names."""
    images = {"test": "", "validation": " on held-out images"}[config.part]
    metrics = {f"accuracy of this run{images}": config.accuracy.accuracy}
    if config.study:
        deviation = f"{100 * config.study.standard_deviation:.3f} points"
        name = f"mean accuracy of {config.study.num_seeds} seeds{images}, deviation {deviation}"
        metrics[name] = config.study.mean_accuracy
    return metrics


def _describe_labels(config: HubConfig) -> str:
    if config.has_names:
        # What Markdown would read as something else.
        names = [re.sub(r"([\\`*_\[\]<>|&])", r"\\\1", name) for name in config.labels]
        rejected = " and, last, for images of no class" * config.recipe.model.rejects
        return f"the classes {', '.join(names[:NUM_CLASSES])}, in this order{rejected}"
    if config.recipe.model.rejects:
        return "the digits 0 to 9 and, last, for images that show no digit"
    return "the digits 0 to 9"


def _describe_seeds(config: HubConfig) -> str:
    if config.study is None:
        return "This is one run: it does not show how the accuracy varies from seed to seed."
    study = config.study
    return (
        f"This is the run with seed {config.seed} of a study of {study.num_seeds} seeds. Their "
        f"mean accuracy is {format_percent(study.mean_accuracy)}, with a standard deviation of "
        f"{100 * study.standard_deviation:.2f} points; expect this mean of the recipe."
    )


def _list_rows(config: HubConfig) -> list[tuple[str, str]]:
    machine = f"{config.machine['cpu']}, {config.threads} threads"
    return [
        *list_recipe(config.recipe),
        ("seed", str(config.seed)),
        ("parameters", f"{config.num_parameters:,}"),
        ("training", f"{config.training_seconds:.1f} s on {machine}, {config.trained}"),
    ]
