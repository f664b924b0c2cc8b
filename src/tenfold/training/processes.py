"""Several processes that train one model together, as torchrun starts them.

Each has the same model and the same data and computes the gradient of its slice of every batch; the
slices' gradients, by their shares of the batch, are added up by one all-reduce. Files are written
by the first process alone.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
import torch.distributed
from torch import Tensor, nn

from tenfold.errors import RunError
from tenfold.pools import watch_process

CPU = torch.device("cpu")
TIME_TO_TELL = timedelta(seconds=5)  # that the first process has, once another met a mistake


@dataclass(frozen=True)
class Processes:
    """How many processes train together (`size`), and which of them this is (`rank`, from 0)."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and answers to the user."""
        return self.rank == 0

    def add_up(self, numbers: Tensor) -> None:
        """Replace the numbers, in every process, by their sum over all processes.

        Raises RunError if one of the others has ended.
        """
        if self.size > 1:
            with _reporting_the_lost(self.size):
                torch.distributed.all_reduce(numbers)

    def average_statistics(self, model: nn.Module) -> None:
        """Replace what a model's normalisations remember by the mean over all processes."""
        buffers = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
        if self.size == 1 or not buffers:
            return
        together = torch.cat([buffer.flatten() for buffer in buffers])
        self.add_up(together)
        together /= self.size
        sizes = [buffer.numel() for buffer in buffers]
        for buffer, mean in zip(buffers, together.split(sizes), strict=True):
            buffer.copy_(mean.view_as(buffer))

    def tell(self, content: bytes) -> bytes:
        """What the first process says, in every process; only there does `content` count."""
        if self.size == 1:
            return content
        said = torch.from_numpy(np.frombuffer(content, np.uint8).copy()).to(self.device)
        length = torch.tensor([len(said) if self.is_first else 0], device=self.device)
        self.add_up(length)
        if not self.is_first:
            said = torch.empty(int(length), dtype=torch.uint8, device=self.device)
        with _reporting_the_lost(self.size):
            torch.distributed.broadcast(said, src=0)
        return said.cpu().numpy().tobytes()


def is_under_torchrun() -> bool:
    """Whether torchrun started this process, among others or alone."""
    return torch.distributed.is_available() and torch.distributed.is_torchelastic_launched()


def is_told_by_the_first() -> bool:
    """Whether the first of the processes that torchrun started tells its user of a mistake.

    To be asked by each that met one, and has it to tell: the first leaves word in torchrun's store,
    the others wait for it.
    """
    if not is_under_torchrun():
        return False
    key = f"tenfold/told/{os.environ.get('TORCHELASTIC_RESTART_COUNT')}"
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    try:
        store = torch.distributed.TCPStore(  # type: ignore[attr-defined]
            address, port, timeout=TIME_TO_TELL
        )
        if os.environ["RANK"] == "0":
            store.set(key, "")
            return False
        store.wait([key], TIME_TO_TELL)
    except RuntimeError:  # none came, or the store is gone
        return False
    return True


@contextmanager
def joining_processes(device: torch.device) -> Iterator[Processes]:
    """The processes that torchrun started, connected; without torchrun, this one.

    They talk by gloo, on GPUs by NCCL. Where torchrun itself is killed, they save and end, as if it
    had passed on a signal.
    """
    if not is_under_torchrun():
        yield Processes(device=device)
        return
    if hasattr(os, "pidfd_open"):  # Linux
        with suppress(OSError):  # a sandbox may forbid it
            torchrun = os.pidfd_open(os.getppid())
            watch_process(torchrun, lambda: os.kill(os.getpid(), signal.SIGTERM))
    on_gpu = device.type == "cuda"
    with _reporting_the_lost(int(os.environ["WORLD_SIZE"])):
        torch.distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        size = torch.distributed.get_world_size()
        processes = Processes(torch.distributed.get_rank(), size, device)
        with outliving_torchrun(processes):
            yield processes
    finally:
        torch.distributed.destroy_process_group()


@contextmanager
def outliving_torchrun(processes: Processes) -> Iterator[None]:
    """Ignore SIGTERM once several processes cannot go on; must be left in the main thread.

    torchrun sends it to those that are left when one has ended. They end by themselves, and say
    why.
    """
    try:
        yield
    except RunError:
        if processes.size > 1 and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise


@contextmanager
def _reporting_the_lost(size: int) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # torch.distributed.DistBackendError is one
        cause = (str(error).splitlines() or [type(error).__name__])[0]
        raise RunError(
            f"expected {size} processes to train together, found that one ended or cannot be "
            f"reached: {cause}"
        ) from error
