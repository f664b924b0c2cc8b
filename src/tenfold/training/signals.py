"""Stopping training between two steps on Ctrl-C or SIGTERM.

A signal during a step could leave updated weights with old moments. So it is deferred: the step
ends, the caller saves a checkpoint, and then the signal takes effect.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

DEFERRED = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """The number of the signal that requested a stop, None so far."""

    def __init__(self) -> None:
        self.signal: int | None = None

    @property
    def is_set(self) -> bool:
        """Whether to stop after the current step."""
        return self.signal is not None


@contextmanager
def deferred_signals() -> Iterator[StopRequest]:
    """Defer the first SIGINT or SIGTERM to the end of the context; a second takes effect at once.

    Handlers are restored at the end, unless they were changed meanwhile. Ignored signals stay
    ignored. Outside the main thread, which receives all signals, nothing is deferred.
    """
    request = StopRequest()
    previous: dict[int, Callable[[int, FrameType | None], Any] | int] = {}

    def defer(number: int, _: FrameType | None) -> None:
        request.signal = number
        restore()

    def restore() -> None:
        for number, handler in previous.items():
            if signal.getsignal(number) is defer:
                signal.signal(number, handler)

    if threading.current_thread() is threading.main_thread():
        for number in DEFERRED:
            handler = signal.getsignal(number)
            if handler not in (signal.SIG_IGN, None):
                assert handler is not None
                previous[number] = handler
                signal.signal(number, defer)
    try:
        yield request
    finally:
        restore()
    if request.signal is not None:
        signal.raise_signal(request.signal)
        raise KeyboardInterrupt  # the caller's handler returned
