"""`tenfold recipes`."""

from tenfold.cli.output import AsJson, print_json, print_table
from tenfold.recipes import RECIPES


def recipes(*, json: AsJson = False) -> None:
    """List the recipes and what is in them."""
    if json:
        print_json([recipe.to_json() for recipe in RECIPES.values()])
        return
    print_table(
        ["recipe", "model", "learning rate", "batch size", "epochs", "what it is"],
        [
            [
                recipe.name,
                recipe.model.describe(),
                f"{recipe.learning_rate:g}",
                str(recipe.batch_size),
                str(recipe.epochs),
                recipe.summary,
            ]
            for recipe in RECIPES.values()
        ],
    )
