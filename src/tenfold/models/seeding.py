"""Random numbers of PyTorch that follow from a seed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_LOCK = threading.RLock()  # the generators are the process's


@contextmanager
def seeding(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Draw random numbers from `seed` in the context; the generators are unchanged after it."""
    devices = [device] if device is not None and device.type == "cuda" else []
    with _LOCK, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
