"""The cost of augmentation, compared with a training step and with augmenting image by image.

Interleaved in one process: augmenting a batch by the recipe `strong`, the gradients of the network
of `robust` for that batch, and the affine part of the augmentation by Pillow, image by image, as a
transform of a data set does it. Prints milliseconds and ratios.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from tenfold.data.mnist import load_part
from tenfold.models.build import build_model
from tenfold.recipes.catalogue import find_recipe
from tenfold.runs.config import DEFAULT_THREADS
from tenfold.system.machine import describe_machine
from tenfold.training.augment import Augmentation, build_generator
from tenfold.training.flat_parameters import flatten_parameters
from tenfold.training.gradients import build_gradients

ROUNDS, WARM_ROUNDS = 40, 5
TARGET_SHARE = 0.10


def transform_one_by_one(images: torch.Tensor, rows: np.ndarray) -> list[Image.Image]:
    """Rotate, scale, shear and shift each image with Pillow by the coefficients in `rows`."""
    transformed = []
    for pixels, row in zip((255 * images).byte().numpy(), rows, strict=True):
        image = Image.fromarray(pixels)
        coefficients = (row[0, 0], row[0, 1], 14 * row[0, 2], row[1, 0], row[1, 1], 14 * row[1, 2])
        transformed.append(
            image.transform(
                image.size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC
            )
        )
    return transformed


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=DEFAULT_THREADS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    recipe = find_recipe("robust").replace(corrupted_share=0.0)
    training = load_part(None, "train")
    model = build_model(recipe.model, seed=0)
    flatten_parameters(model)
    model.train()
    gradients = build_gradients(model, recipe)
    augmentation = Augmentation(recipe.augmentation)
    samples = torch.arange(recipe.batch_size)
    images = torch.tensor(training.images_NHW[: recipe.batch_size]) / 255
    labels = torch.tensor(training.labels_N[: recipe.batch_size], dtype=torch.int64)

    start = time.perf_counter()
    draws = augmentation.draw(len(training), build_generator(0, 0))
    drawing = (time.perf_counter() - start) * recipe.batch_size / len(training)
    rows = draws.fields_N2C[samples].numpy()

    candidates: dict[str, Callable[[], object]] = {
        "augmentation": lambda: augmentation.apply(images, draws[samples]),
        "step": lambda: gradients(images, labels),
        "one by one": lambda: transform_one_by_one(images, rows),
    }
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(ROUNDS + WARM_ROUNDS):
        for name, run in candidates.items():
            start = time.perf_counter()
            run()
            if number >= WARM_ROUNDS:
                seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    augmenting = medians["augmentation"] + drawing

    machine = describe_machine()
    print(
        f"{recipe.name}, batches of {recipe.batch_size}, {arguments.threads} threads, "
        f"{machine['cpu']}, {machine['cores']} cores"
    )
    print(f"augmenting a batch: {1e3 * augmenting:.2f} ms, {1e3 * drawing:.2f} of it drawing")
    print(f"forward and backward: {1e3 * medians['step']:.2f} ms")
    print(f"affine part, image by image with Pillow: {1e3 * medians['one by one']:.2f} ms")
    print(f"image by image takes {medians['one by one'] / augmenting:.1f} times as long")
    share = augmenting / (augmenting + medians["step"])
    reached = "reached" if share <= TARGET_SHARE else "NOT REACHED"
    print(f"share of a step: {share:.1%}, at most {TARGET_SHARE:.0%}: {reached}")


if __name__ == "__main__":
    main()
