"""On what a model is trained: the processor, or a GPU."""

import os

import torch

from tenfold.errors import RecipeError


def choose_device(wanted: str) -> torch.device:
    """The device for "cpu", "cuda" or "auto", which takes a GPU where there is one.

    On a GPU, algorithms are chosen that give the same bits each time, as far as PyTorch has them.
    Raises RecipeError if there is none.
    """
    has_gpu = torch.cuda.is_available()
    if wanted not in ("auto", "cpu", "cuda"):
        raise RecipeError(f"--device: expected auto, cpu or cuda, found {wanted}")
    if wanted == "cuda" and not has_gpu:
        raise RecipeError(
            "--device: expected a GPU that this build of PyTorch can use, found none. "
            "Use --device cpu."
        )
    if wanted == "cpu" or not has_gpu:
        return torch.device("cpu")
    # cuBLAS reads it when it is first used (PyTorch's notes on reproducibility).
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    return torch.device("cuda")


def describe_device(device: torch.device) -> dict[str, str]:
    """What a run's record says of the device beside the processor, as JSON values."""
    return {} if device.type == "cpu" else {"gpu": torch.cuda.get_device_name(device)}
