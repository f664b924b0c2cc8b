"""A checkpoint: the state of a run between two steps, in one safetensors file.

The order of samples and the augmentation follow from (seed, epoch), and the schedule from the step,
so no state of random generators is saved: the number of losses is the number of steps done.

Values other than tensors are in one metadata entry, with a SHA-256 over all contents, as the format
has no checksum.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from tenfold.errors import RunError
from tenfold.runs.folder import CHECKPOINT, CONFIG
from tenfold.system.files import hash_file, parse_json

FORMAT = 2
MODEL, OPTIMIZER, LOSSES = "model.", "optimizer.", "losses"


@dataclass(kw_only=True)
class Checkpoint:
    """The state of a run: tensors of model and optimizer, and the losses of all steps so far.

    `accuracies` are those after each epoch, if measured; `seconds` is the training time so far.
    """

    model: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    losses: list[float]
    accuracies: list[float] = field(default_factory=list)
    seconds: float = 0.0


def dump_checkpoint(checkpoint: Checkpoint, config_sha256: str) -> bytes:
    """The bytes of the file; the SHA-256 of config.json identifies the run."""
    tensors = {
        **{MODEL + name: tensor for name, tensor in checkpoint.model.items()},
        **{OPTIMIZER + name: tensor for name, tensor in checkpoint.optimizer.items()},
        LOSSES: torch.tensor(checkpoint.losses, dtype=torch.float32),
    }
    # Cloned, as the format refuses tensors that share memory, such as weights used twice.
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }
    content = {
        "format": FORMAT,
        "config_sha256": config_sha256,
        "accuracies": checkpoint.accuracies,
        "seconds": checkpoint.seconds,
    }
    metadata = {"sha256": _hash(content, tensors), "content": content}
    return safetensors.torch.save(tensors, {"tenfold": json.dumps(metadata)})


def read_checkpoint(path: Path) -> bytes | None:
    """The checkpoint file in a run's folder, None if there is none.

    Raises RunError if it cannot be read.
    """
    try:
        return (path / CHECKPOINT).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(f"{path / CHECKPOINT}: cannot be read: {error.strerror}") from error


def load_checkpoint(data: bytes, path: Path) -> Checkpoint:
    """The checkpoint in the bytes of a file; `path` is its run's folder.

    Raises RunError if they are not a checkpoint, damaged, or of another run.
    """
    file = path / CHECKPOINT
    hint = "Delete it to resume from the first epoch."
    try:
        tensors = safetensors.torch.load(data)
        header = parse_json(data[8 : 8 + int.from_bytes(data[:8], "little")])
        metadata = parse_json(header.get("__metadata__", {}).get("tenfold", "{}"))
        is_checkpoint = metadata.keys() == {"sha256", "content"}
        if is_checkpoint and metadata["sha256"] != _hash(metadata["content"], tensors):
            raise ValueError("the SHA-256 does not match")
    except (ValueError, AttributeError, safetensors.SafetensorError) as error:
        found = " ".join(str(error).split()) if data else "it is empty"
        raise RunError(f"{file}: the checkpoint is damaged: {found}. {hint}") from error
    if not is_checkpoint:
        raise RunError(f"{file}: not a checkpoint of Tenfold. {hint}")
    content = metadata["content"]
    if content["format"] != FORMAT:
        raise RunError(f"{file}: the checkpoint is of another version of Tenfold. {hint}")
    if content["config_sha256"] != hash_file(path / CONFIG):
        raise RunError(f"{file}: the checkpoint is of another run. {hint}")
    return Checkpoint(
        model=_select(tensors, MODEL),
        optimizer=_select(tensors, OPTIMIZER),
        losses=tensors[LOSSES].tolist(),
        accuracies=content["accuracies"],
        seconds=content["seconds"],
    )


def _select(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _hash(content: object, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
