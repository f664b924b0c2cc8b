"""What an exported model file says of itself: labels, calibration, and where it comes from."""

from typing import Any

from tenfold._version import __version__
from tenfold.models.onnx import OPSET, list_labels
from tenfold.runs.run import Run


def build_metadata(run: Run, calibration: dict[str, Any] | None) -> dict[str, Any]:
    """What the file says beside the graph: labels, calibration, card."""
    return {
        "labels": list_labels(run.config.recipe),
        "calibration": calibration,
        "card": build_card(run, calibration),
    }


def build_card(run: Run, calibration: dict[str, Any] | None) -> dict[str, Any]:
    """What a model file says of itself: where it is from and what was measured."""
    config, evaluation = run.config, run.evaluation
    return {
        "tenfold": __version__,
        "recipe": config.recipe.to_json(),
        "seed": config.seed,
        "holdout": config.holdout,
        "checksums": config.checksums,
        "versions": config.versions,
        "weights_sha256": run.state["weights_sha256"],
        "trained": config.started,
        "training_seconds": run.state["training"]["seconds"],
        "num_parameters": run.state["training"]["num_parameters"],
        "part": evaluation["part"],
        "num_images": evaluation["num_images"],
        "accuracy": evaluation["accuracy"],
        "calibration": calibration or "none: this model's probabilities are as training left them",
        "opset": OPSET,
    }
