"""Describe recipes and data as rows of names and values, and as command-line flags."""

from tenfold.evaluation.text import format_percent
from tenfold.recipes.catalogue import find_changes
from tenfold.recipes.fields import flag_name
from tenfold.recipes.recipe import Recipe
from tenfold.runs.config import DEFAULT_THREADS, RunConfig
from tenfold.studies.study import StudyConfig


def list_change_flags(recipe: Recipe) -> list[str]:
    """The flags for the fields that differ from the named recipe."""
    flags: list[str] = []
    for name, value in find_changes(recipe).items():
        if isinstance(value, bool):
            flags.append(flag_name(name if value else f"no_{name}"))
            continue
        values = value if isinstance(value, tuple) else (value,)
        flags += [flag_name(name), *map(str, values)]
    return flags


def list_config_flags(config: RunConfig | StudyConfig) -> list[str]:
    """The flags of `tenfold train` and `tenfold study` for a run's or study's configuration."""
    flags = list_change_flags(config.recipe)
    if config.holdout:
        flags.append("--holdout")
    if config.data_folder is not None:
        flags += ["--data", config.data_folder]
    if config.class_names:
        flags += ["--class-names", *config.class_names]
    if config.threads not in (None, DEFAULT_THREADS):
        flags += ["--threads", str(config.threads)]
    return flags


def list_recipe(recipe: Recipe) -> list[tuple[str, str]]:
    """A recipe as names and values, without the features that it does not use."""
    num_multiply_adds = recipe.model.count_multiply_adds()
    cost = "" if num_multiply_adds is None else f", {num_multiply_adds:,} multiply-adds"
    rows = [
        ("recipe", f"{recipe.name}: {recipe.summary}"),
        ("changed", " ".join(list_change_flags(recipe)) or "nothing"),
        ("model", recipe.model.describe() + cost),
        *([("synthetic images", f"{recipe.scenes:,}")] * bool(recipe.scenes)),
        ("optimizer", _describe_optimizer(recipe)),
        ("batch size", f"{recipe.batch_size:,}"),
        ("epochs", f"{recipe.epochs:,}"),
    ]
    if not recipe.augmentation.is_none:
        num_clean = recipe.count_clean_epochs()
        clean = f"; off in the last {num_clean} epochs" * bool(num_clean)
        interpolation = f" ({recipe.augmentation.interpolation})"
        rows.append(("augmentation", recipe.augmentation.describe() + interpolation + clean))
    if recipe.leave_out_mislabelled:
        rows.append(("excluded", "training images with known label errors"))
    if recipe.precision != "float32":
        rows.append(("precision", recipe.precision))
    return rows


def list_data(
    data_folder: str | None, checksums: dict[str, tuple[str, str]]
) -> list[tuple[str, str]]:
    """The source of the data and their checksums, as names and values."""
    rows = [("data", data_folder or "MNIST")]
    for part, (images, labels) in checksums.items():
        rows.append((f"{part} images", f"SHA-256 {images}"))
        rows.append((f"{part} labels", f"SHA-256 {labels}"))
    return rows


def _describe_optimizer(recipe: Recipe) -> str:
    config = recipe.optimizer
    text = "Adam" if config.optimizer == "adam" else f"SGD, momentum {config.momentum:g}"
    if config.schedule == "constant":
        text += f", learning rate {config.learning_rate:g}"
    else:
        text += (
            f", one-cycle learning rate with a peak of {config.learning_rate:g}"
            f" and {format_percent(config.warmup, 0)} warm-up"
        )
    if config.weight_decay:
        text += f", weight decay {config.weight_decay:g}"
    return text
