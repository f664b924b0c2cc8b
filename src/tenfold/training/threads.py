"""How many threads a step uses: all of them, or fewer while other programs use the cores.

A step is a few dozen small parallel regions, and at the end of each the threads wait for one
another. If another program keeps one core busy, the thread that should run there is away for
milliseconds at a time, the others wait, and a step takes several times as long as with one thread
less. So `ThreadBalance` watches how much processor time the threads get. When it is less than they
should, it tries fewer threads, stays there while they are faster, and tries all of them again from
time to time.

That may not change a run's result. `gives_same_bits` computes a first step with each number of
threads; only if all agree to the last bit may the number vary. A library that shares a sum among
threads shows in that step, for a batch's size and a layer's shape decide how it is shared.
"""

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

DEFAULT_MAX_THREADS = 8  # a cautious guess for small batches; --threads goes past it
WINDOW_SECONDS = 0.04
LOST_CORES = 0.35  # of a window: less is what other programs and the system take in passing
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS, PAUSE_GROWTH = 0.2, 3.2, 4


def choose_num_threads(requested: int | None) -> int:
    """The number of threads to train with: as requested, else PyTorch's own choice up to 8."""
    return requested or min(torch.get_num_threads(), DEFAULT_MAX_THREADS)


def gives_same_bits(compute: Callable[[], Tensor]) -> bool:
    """Whether `compute` returns the same bits with 1 thread up to as many as are set now."""
    num_threads = torch.get_num_threads()
    if num_threads == 1:
        return True
    try:
        expected = compute()
        for fewer in range(1, num_threads):
            torch.set_num_threads(fewer)
            if not torch.equal(expected, compute()):
                return False
    finally:
        torch.set_num_threads(num_threads)
    return True


class ThreadBalance:
    """Watches steps and sets PyTorch's number of threads between them.

    Time is cut into windows. A window with all threads in which processor time was missing is
    followed by a trial with fewer; the faster of the two numbers is kept for a pause, after which
    all threads are looked at again. Pauses grow until no time is missing. If the number of threads
    `may_vary` not, nothing is ever changed.
    """

    def __init__(self, *, may_vary: bool) -> None:
        self.may_vary = may_vary
        self.all_threads = torch.get_num_threads()
        self.pause_seconds = MIN_PAUSE_SECONDS
        self.steps_per_second_with_all = 0.0
        self.paused_until = 0.0
        self.is_trial = False
        self.start_window()

    def start_window(self) -> None:
        """Begin a window now, after time that was spent on something else than steps."""
        self.num_steps = 0
        self.wall = time.perf_counter()
        self.cpu = time.process_time()

    def count_step(self) -> None:
        """Count a step that was made; at the end of a window, choose the threads of the next."""
        self.num_steps += 1
        now = time.perf_counter()
        seconds = now - self.wall
        if seconds < WINDOW_SECONDS:
            return
        if self.may_vary and now >= self.paused_until:
            self._choose(now, self.num_steps / seconds, (time.process_time() - self.cpu) / seconds)
        self.start_window()

    def _choose(self, now: float, steps_per_second: float, busy_cores: float) -> None:
        num_threads = torch.get_num_threads()
        if self.is_trial:
            self.is_trial = False
            if steps_per_second <= self.steps_per_second_with_all:
                torch.set_num_threads(self.all_threads)
            self.paused_until = now + self.pause_seconds
            self.pause_seconds = min(PAUSE_GROWTH * self.pause_seconds, MAX_PAUSE_SECONDS)
        elif num_threads < self.all_threads:
            torch.set_num_threads(self.all_threads)
        elif busy_cores < self.all_threads - LOST_CORES:
            self.steps_per_second_with_all = steps_per_second
            self.is_trial = True
            torch.set_num_threads(max(1, math.floor(busy_cores + LOST_CORES)))
        else:
            self.pause_seconds = MIN_PAUSE_SECONDS

    def stop(self) -> None:
        """Set the number of threads back to what it was."""
        torch.set_num_threads(self.all_threads)
