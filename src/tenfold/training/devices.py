"""The device to train on: the processor or a GPU."""

import os

import torch

from tenfold.errors import RecipeError


def choose_device(wanted: str) -> torch.device:
    """The device for "cpu", "cuda" or "auto", which is a GPU if there is one.

    On a GPU, deterministic algorithms are used where PyTorch has them. Raises RecipeError if "cuda"
    is wanted and there is no GPU.
    """
    has_gpu = torch.cuda.is_available()
    if wanted not in ("auto", "cpu", "cuda"):
        raise RecipeError(f"--device must be auto, cpu or cuda, not {wanted}")
    if wanted == "cuda" and not has_gpu:
        raise RecipeError("--device cuda: this build of PyTorch finds no GPU; use --device cpu")
    if wanted == "cpu" or not has_gpu:
        return torch.device("cpu")
    # cuBLAS reads it at its first use; see "Reproducibility" in PyTorch's notes.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    return torch.device("cuda")


def describe_device(device: torch.device) -> dict[str, str]:
    """The GPU's name for a run's record; nothing for the processor."""
    return {} if device.type == "cpu" else {"gpu": torch.cuda.get_device_name(device)}
