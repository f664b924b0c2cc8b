"""A trial of a recipe's own model before it is trained. Torch is imported when a call needs it."""

from tenfold.recipes.own_model import ModuleConfig
from tenfold.recipes.recipe import Recipe
from tenfold.workflow.images import RunImages


def check_own_model(recipe: Recipe, images: RunImages, seed: int) -> None:
    """Raise RecipeError if the recipe has a model of one's own that cannot be trained as asked."""
    if not isinstance(recipe.model, ModuleConfig):
        return
    from tenfold.models.onnx import dump_onnx
    from tenfold.models.own_model import NUM_CHECKED, build_own_model, check_training
    from tenfold.models.seeding import seeding

    with seeding(seed):
        model = build_own_model(recipe.model)
    if images.validation is not None:
        dump_onnx(model, {})  # calibration reads images with the exported model
    num_last = len(images.training) % recipe.batch_size or recipe.batch_size
    check_training(model, min(num_last, NUM_CHECKED), seed)
