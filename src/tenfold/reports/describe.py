"""What recipes and data are, as names and values for reports and lists."""

from tenfold.evaluation.findings import percent
from tenfold.recipes.catalogue import find_changes
from tenfold.recipes.fields import flag_name
from tenfold.recipes.recipe import Recipe


def list_change_flags(recipe: Recipe) -> list[str]:
    """The flags that make the recipe of its name into this one."""
    flags: list[str] = []
    for name, value in find_changes(recipe).items():
        if isinstance(value, bool):
            flags.append(flag_name(name if value else f"no_{name}"))
            continue
        values = value if isinstance(value, tuple) else (value,)
        flags += [flag_name(name), *map(str, values)]
    return flags


def list_recipe(recipe: Recipe) -> list[tuple[str, str]]:
    """What a recipe is made of, as names and values; what it does not use is left out."""
    rows = [
        ("recipe", f"{recipe.name}: {recipe.summary}"),
        ("changed", " ".join(list_change_flags(recipe)) or "nothing"),
        (
            "model",
            f"{recipe.model.describe()}, {recipe.model.count_multiply_adds():,} multiply-adds",
        ),
        *([("scenes", f"{recipe.scenes:,} drawn")] * bool(recipe.scenes)),
        ("optimizer", _describe_optimizer(recipe)),
        ("batch size", f"{recipe.batch_size:,}"),
        ("epochs", f"{recipe.epochs:,}"),
    ]
    if not recipe.augmentation.is_none:
        num_clean = recipe.count_clean_epochs()
        clean = f"; not in the last {num_clean} epochs" * bool(num_clean)
        interpolation = f" ({recipe.augmentation.interpolation})"
        rows.append(("augmentation", recipe.augmentation.describe() + interpolation + clean))
    if recipe.leave_out_mislabelled:
        rows.append(("left out", "training images whose labels are known to be wrong"))
    if recipe.precision != "float32":
        rows.append(("precision", recipe.precision))
    return rows


def list_data(
    data_folder: str | None, checksums: dict[str, tuple[str, str]]
) -> list[tuple[str, str]]:
    """Where data came from and their checksums, as names and values."""
    rows = [("data", data_folder or "the embedded MNIST")]
    for part, (images, labels) in checksums.items():
        rows.append((f"{part} images", f"SHA-256 {images}"))
        rows.append((f"{part} labels", f"SHA-256 {labels}"))
    return rows


def _describe_optimizer(recipe: Recipe) -> str:
    config = recipe.optimizer
    text = "Adam" if config.optimizer == "adam" else f"SGD, momentum {config.momentum:g}"
    text += f", learning rate {config.learning_rate:g}"
    if config.schedule != "constant":
        text += f" at the peak of one cycle, warm-up {percent(config.warmup, 0)}"
    if config.weight_decay:
        text += f", weight decay {config.weight_decay:g}"
    return text
