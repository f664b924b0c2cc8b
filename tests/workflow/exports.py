"""Recipes of small networks whose runs are exported, and a run with its exported file."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch

import tenfold
from tenfold.models.build import build_model
from tenfold.models.weights import load_weights
from tenfold.recipes.configs import ConvolutionalConfig, OptimizerConfig, PerceptronConfig
from tenfold.recipes.recipe import Recipe
from tenfold.recipes.upright import UprightConfig
from tenfold.workflow.export import Exported

PERCEPTRON = Recipe(
    name="perceptron",
    summary="a small perceptron",
    model=PerceptronConfig(hidden_sizes=(40,)),
    optimizer=OptimizerConfig(learning_rate=0.005),
    epochs=6,
    batch_size=50,
)
CONVOLUTIONAL = Recipe(
    name="convolutional",
    summary="a small convolutional network",
    model=ConvolutionalConfig(channels=(4, 8), depths=(1, 2)),
    optimizer=OptimizerConfig(learning_rate=0.01),
    epochs=1,
    batch_size=50,
)
UPRIGHT = Recipe(
    name="upright",
    summary="a small upright network",
    model=UprightConfig(widths=(6, 8), dilations=(1,)),
    optimizer=OptimizerConfig(learning_rate=0.05),
    epochs=10,
    batch_size=50,
)
COLUMNS = CONVOLUTIONAL.replace(columns=3, upright_px=20)
RECIPES = {
    "perceptron": PERCEPTRON,
    "convolutional": CONVOLUTIONAL,
    "columns": COLUMNS,
    "upright": UPRIGHT,
    "scenes": CONVOLUTIONAL.replace(rejects=True, scenes=300, epochs=4),
}


@dataclass(frozen=True)
class Kind:
    """A run, and what came of exporting it."""

    run: tenfold.Run
    exported: Exported

    @property
    def is_held_out(self) -> bool:
        return self.run.config.holdout

    @property
    def data(self) -> bytes:
        return self.exported.path.read_bytes()

    @property
    def model(self) -> onnx.ModelProto:
        return onnx.load_from_string(self.data)

    @property
    def metadata(self) -> dict[str, Any]:
        [entry] = self.model.metadata_props
        assert entry.key == "tenfold"
        values: dict[str, Any] = json.loads(entry.value)
        return values


@torch.inference_mode()
def compute_probabilities(
    run: tenfold.Run, images_NHW: npt.NDArray[np.uint8], temperature: float = 1.0
) -> npt.NDArray[np.float32]:
    """What the run's model says, in PyTorch."""
    model = build_model(run.config.recipe.model, run.config.seed)
    load_weights(model, run.weights_path)
    logits_NK = model.eval()(torch.tensor(images_NHW) / 255)
    probabilities_NK: npt.NDArray[np.float32] = (logits_NK / temperature).softmax(1).numpy()
    return probabilities_NK
