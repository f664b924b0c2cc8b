"""A trial of a recipe's own model before it is trained. Torch is imported when a call needs it."""

from tenfold.recipes.own_model import ModuleConfig
from tenfold.recipes.recipe import Recipe


def check_own_model(recipe: Recipe, num_images: int, seed: int, *, calibrates: bool) -> None:
    """Raise RecipeError if the recipe has a model of one's own that cannot be trained as asked.

    `num_images` are trained on; `calibrates` says whether images are set aside to calibrate on.
    """
    if not isinstance(recipe.model, ModuleConfig):
        return
    from tenfold.models.onnx import dump_onnx
    from tenfold.models.own_model import build_own_model, check_training
    from tenfold.models.seeding import seeding

    with seeding(seed):
        model = build_own_model(recipe.model)
    if calibrates:
        dump_onnx(model, {})  # calibration reads images with the exported model
    num_first = min(recipe.batch_size, num_images)
    num_last = num_images % recipe.batch_size or recipe.batch_size
    for num in {num_first, num_last}:  # the sizes of all batches of an epoch
        check_training(model, num, seed)
