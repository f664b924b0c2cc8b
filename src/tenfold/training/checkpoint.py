"""A checkpoint: all that it takes to go on with a run, in one safetensors file.

In: the model, the optimizer's tensors and the losses so far. Out: bytes, and back. Orders of
samples and draws of augmentation follow from (seed, epoch), and the schedule from the step, so that
the number of losses stands for them: no generator lives longer than an epoch.

What is no tensor lies in one entry of the metadata. With it lies a SHA-256 over everything else:
the format has no checksum of its own.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from tenfold.errors import RunError
from tenfold.runs.folder import CHECKPOINT, CONFIG
from tenfold.system.files import hash_file, parse_json

FORMAT = 2
MODEL, OPTIMIZER, LOSSES = "model.", "optimizer.", "losses"


@dataclass(kw_only=True)
class Checkpoint:
    """How far a run is, with the tensors of its model and optimizer.

    `losses` are those of all steps so far: their number says which step is next. `accuracies` are
    those after each epoch, where they are measured; `seconds` is the time that training took.
    """

    model: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    losses: list[float]
    accuracies: list[float] = field(default_factory=list)
    seconds: float = 0.0


def dump_checkpoint(checkpoint: Checkpoint, config_sha256: str) -> bytes:
    """The bytes of the file; the hash is of its run's config.json and says which run it is of."""
    tensors = {
        **{MODEL + name: tensor for name, tensor in checkpoint.model.items()},
        **{OPTIMIZER + name: tensor for name, tensor in checkpoint.optimizer.items()},
        LOSSES: torch.tensor(checkpoint.losses, dtype=torch.float32),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    content = {
        "format": FORMAT,
        "config_sha256": config_sha256,
        "accuracies": checkpoint.accuracies,
        "seconds": checkpoint.seconds,
    }
    metadata = {"sha256": _hash(content, tensors), "content": content}
    return safetensors.torch.save(tensors, {"tenfold": json.dumps(metadata)})


def read_checkpoint(path: Path) -> bytes | None:
    """The checkpoint in a run's folder, None if none was written yet.

    Raises RunError if it cannot be read.
    """
    try:
        return (path / CHECKPOINT).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(f"{path / CHECKPOINT}: cannot be read: {error.strerror}") from error


def load_checkpoint(data: bytes, path: Path) -> Checkpoint:
    """The checkpoint that a file has; `path` is its run's folder.

    Raises RunError if it is none, damaged, or belongs to another run.
    """
    file = path / CHECKPOINT
    without = "Without the file, resuming begins with the first epoch."
    try:
        tensors = safetensors.torch.load(data)
        header = parse_json(data[8 : 8 + int.from_bytes(data[:8], "little")])
        metadata = parse_json(header.get("__metadata__", {}).get("tenfold", "{}"))
        is_checkpoint = metadata.keys() == {"sha256", "content"}
        if is_checkpoint and metadata["sha256"] != _hash(metadata["content"], tensors):
            raise ValueError("other contents than were written")
    except (ValueError, AttributeError, safetensors.SafetensorError) as error:
        found = " ".join(str(error).split()) if data else "it is empty"
        raise RunError(
            f"{file}: expected a whole checkpoint, found it damaged: {found}. {without}"
        ) from error
    if not is_checkpoint:
        raise RunError(
            f"{file}: expected a checkpoint of Tenfold, found a file that does not say it is one. "
            f"{without}"
        )
    content = metadata["content"]
    if content["format"] != FORMAT:
        raise RunError(f"{file}: expected a checkpoint of this version of Tenfold, found another")
    if content["config_sha256"] != hash_file(path / CONFIG):
        raise RunError(f"{file}: this is the checkpoint of another run. {without}")
    return Checkpoint(
        model=_select(tensors, MODEL),
        optimizer=_select(tensors, OPTIMIZER),
        losses=tensors[LOSSES].tolist(),
        accuracies=content["accuracies"],
        seconds=content["seconds"],
    )


def load_model_state(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Give a model the weights and statistics of a checkpoint of its run."""
    model.load_state_dict(dict(checkpoint.model))


def _select(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _hash(content: object, tensors: Mapping[str, Tensor]) -> str:
    everything = hashlib.sha256(json.dumps(content, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        everything.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        everything.update(tensor.numpy().tobytes())
    return everything.hexdigest()
