"""Training without an evaluation, in memory, as an estimator of scikit-learn fits.

Torch is imported when a call needs it.
"""

import dataclasses
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tenfold.data.mnist import MNIST_CHECKSUMS, LabelledImages, leave_out_mislabelled
from tenfold.reading.probabilities import softmax
from tenfold.recipes.recipe import Recipe
from tenfold.runs.config import SEEDS, RunConfig
from tenfold.runs.folder import (
    CONFIG,
    WEIGHTS,
    Run,
    create_run_folder,
    lock_run,
    write_complete_state,
)
from tenfold.runs.losses import LOSSES, format_losses
from tenfold.runs.results import Training
from tenfold.system.files import write_file, write_json
from tenfold.system.machine import CpuLoadMonitor
from tenfold.training.threads import limit_spinning, setting_threads
from tenfold.workflow.arguments import (
    check_integer,
    check_threads,
    describe_environment,
    require_train_extra,
)
from tenfold.workflow.images import generate_images
from tenfold.workflow.own_model import check_own_model

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class FittedModel:
    """A trained model, with all that the folder of its run has. Pickled, it has no PyTorch."""

    config: RunConfig
    weights: bytes
    losses: list[list[float]]
    training: Training

    @classmethod
    def from_run(cls, run: Run) -> "FittedModel":
        """The model of a run."""
        return cls(
            config=run.config,
            weights=run.weights_path.read_bytes(),
            losses=run.read_losses(),
            training=run.training,
        )

    def predict_proba(
        self, images_NHW: npt.NDArray[np.uint8], digits_K: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.float32]:
        """The probability of each of these digits, given that it is one of them, [N, K]."""
        from tenfold.models.predict import compute_logits

        logits_NK = compute_logits(self._model, images_NHW)[:, digits_K]
        return softmax(logits_NK.astype(np.float64)).astype(np.float32)  # as exact as they are

    @cached_property
    def _model(self) -> "nn.Module":
        from tenfold.models.weights import build_from_weights

        config = self.config
        return build_from_weights(config.recipe.model, config.seed, self.weights, config.versions)

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def write(self, path: Path, others: Mapping[str, object]) -> None:
        """Write the folder of a run that was not evaluated, with other JSON files.

        Raises RunError if it is not empty.
        """
        config = dataclasses.replace(self.config, is_evaluated=False)
        path = create_run_folder(path, config.recipe.name, config.seed)
        with lock_run(path):
            write_json(path / CONFIG, config)
            write_file(path / LOSSES, format_losses(self.losses))
            write_file(path / WEIGHTS, self.weights)
            for name, content in others.items():
                write_json(path / name, content)
            write_complete_state(path, self.training)  # last, as a complete run has all its files


def fit(
    recipe: Recipe, images: LabelledImages, *, seed: int, threads: int | None, device: str
) -> FittedModel:
    """Train a recipe on all images, without evaluating or calibrating it.

    The weights are those that `train` gives with the same images, seed, machine and threads.
    Raises RecipeError or RunError for arguments that cannot be used.
    """
    require_train_extra()
    limit_spinning()
    recipe = recipe.replace(calibrates=False)  # for which `train` sets images aside
    seed = check_integer("seed", seed, SEEDS)
    config = RunConfig(
        recipe=recipe,
        seed=seed,
        holdout=False,
        data_folder=None,
        checksums={"train": images.checksums},
        from_arrays=images.checksums != MNIST_CHECKSUMS["train"],
        is_evaluated=False,
        **describe_environment(check_threads(threads), device, recipe.model),
    )
    if recipe.leave_out_mislabelled:
        images = leave_out_mislabelled(images)
    check_own_model(recipe, len(images), seed, calibrates=False)
    with setting_threads(config.threads):
        return _train(config, images)


def _train(config: RunConfig, images: LabelledImages) -> FittedModel:
    from tenfold.models.build import build_model
    from tenfold.training.loop import train_model
    from tenfold.training.weights import dump_weights

    recipe, seed = config.recipe, config.seed
    monitor, start = CpuLoadMonitor(), time.perf_counter()
    if recipe.scenes:
        images = generate_images(images, recipe, seed, None)
    model = build_model(recipe.model, seed).to(config.device)
    losses: list[list[float]] = []
    for progress in train_model(model, recipe, images.images_NHW, images.labels_N, seed):
        progress.check_losses()
        if progress.epoch == len(losses):
            losses.append([])
        losses[-1] += progress.losses
    seconds = time.perf_counter() - start
    weights = dump_weights(model.to("cpu"), recipe, seed)
    training = Training(
        seconds=seconds,
        other_cores=monitor.measure_cores(),
        num_images=len(images),
        images_per_second=len(images) * recipe.epochs / seconds,
        num_parameters=sum(parameter.numel() for parameter in model.parameters()),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )
    return FittedModel(config=config, weights=weights, losses=losses, training=training)
