"""A small convolutional recipe with augmentation and a schedule."""

from tenfold.recipes.configs import AugmentationConfig, ConvolutionalConfig, OptimizerConfig
from tenfold.recipes.recipe import Recipe

CONVOLUTIONAL = Recipe(
    name="small",
    summary="a small network with all that a recipe can have",
    model=ConvolutionalConfig(channels=(4, 8), depths=(1, 1)),
    optimizer=OptimizerConfig(optimizer="sgd", learning_rate=0.01, schedule="one-cycle"),
    augmentation=AugmentationConfig(rotation_degrees=10, shift_px=1, elastic_px=0.5, stroke=0.3),
    batch_size=10,
    epochs=1,
)
