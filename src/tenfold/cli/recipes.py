"""`tenfold recipes`."""

from pathlib import Path

import numpy as np

from tenfold.cli.options import AsJson, Flag
from tenfold.cli.output import print_json, print_note, print_rows, print_table
from tenfold.errors import RecipeError
from tenfold.recipes.catalogue import RECIPES, find_recipe
from tenfold.recipes.recipe import Recipe
from tenfold.system.files import write_file

NUM_SHOWN_EPOCHS = 11


def recipes(
    recipe: str | None = None,
    /,
    *,
    show: Flag = False,
    out: Path | None = None,
    json: AsJson = False,
) -> None:
    """List the recipes, or show one of them.

    Parameters
    ----------
    recipe
        The name of a recipe.
    show
        Draw a sheet of digits with the recipe's augmentation.
    out
        The PNG file of the sheet; by default RECIPE-augmented.png.
    """
    flag = "--show" if show else None if out is None else "--out"
    if recipe is not None:
        found = find_recipe(recipe)
        sheet = None
        if flag is not None:
            sheet = out or Path(f"{recipe}-augmented.png")
            write_file(sheet, draw_augmented_sheet(found, flag=flag))
        _print_recipe(found, sheet, json)
    elif flag is not None:
        example = f"tenfold recipes strong {flag}" + " sheet.png" * (not show)
        raise RecipeError(f"{flag} needs a recipe: {example}")
    elif json:
        print_json([*RECIPES.values()])
    else:
        _print_list()


def _print_recipe(recipe: Recipe, sheet: Path | None, json: bool) -> None:
    if json:
        if sheet is not None:
            print_note(f"sheet {sheet}")
        print_json(recipe)
        return
    from tenfold.reports.describe import list_recipe

    rows = [row for row in list_recipe(recipe) if row[0] != "changed"]
    print_rows(*rows, *([] if sheet is None else [("sheet", sheet)]))


def _print_list() -> None:
    print_table(
        ["recipe", "model", "parameters", "description"],
        [
            [one.name, one.model.describe(), f"{one.model.count_parameters():,}", one.summary]
            for one in RECIPES.values()
        ],
    )


def draw_augmented_sheet(recipe: Recipe, seed: int = 0, flag: str = "--show") -> bytes:
    """A PNG of the first MNIST image of each digit, original and as in the first epochs.

    Raises RecipeError, which names the flag, if the recipe has no augmentation.
    """
    if recipe.augmentation.is_none:
        raise RecipeError(f"{flag}: the recipe {recipe.name} has no augmentation to show")
    from tenfold.workflow.arguments import require_train_extra

    require_train_extra()
    import torch

    from tenfold.data.mnist import load_part
    from tenfold.reports.figures.images import draw_rows
    from tenfold.training.augment import Augmentation, build_generator

    training = load_part(None, "train")
    first_of_digit = [int(np.argmax(training.labels_N == digit)) for digit in range(10)]
    images = torch.tensor(training.images_NHW[first_of_digit]) / 255
    augmentation = Augmentation(recipe.augmentation)
    columns = [images]
    for epoch in range(min(NUM_SHOWN_EPOCHS, recipe.epochs)):
        draws = augmentation.draw(len(training), build_generator(seed, epoch))
        columns.append(augmentation.apply(images, draws[torch.tensor(first_of_digit)]))
    return draw_rows(
        (255 * torch.stack(columns, 1)).round().byte().numpy(),
        title=f"Digits with the augmentation of {recipe.name}",
        subtitle=(
            f"left: the originals; then epochs 1 to {len(columns) - 1} with seed {seed}; "
            + recipe.augmentation.describe()
        ),
    )
