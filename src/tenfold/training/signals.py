"""Stopping between two steps: what Ctrl-C asks for while a model is trained.

A signal that came in the midst of a step would leave weights that moved beside moments that did
not. So it is deferred: the step ends, the caller saves a checkpoint, and then the signal acts.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

DEFERRED = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether a signal has asked to stop, and which."""

    def __init__(self) -> None:
        self.number: int | None = None

    @property
    def is_made(self) -> bool:
        """Whether to stop after the step that is going on."""
        return self.number is not None


@contextmanager
def deferred_signals() -> Iterator[StopRequest]:
    """Defer the first SIGINT or SIGTERM to the end of the context; a second one acts at once.

    When the context ends, signals act as before, unless a handler was changed meanwhile, and the
    deferred one acts. A signal that is ignored stays ignored. Outside of the main thread, which
    alone gets signals, none is deferred.
    """
    request = StopRequest()
    before: dict[int, Callable[[int, FrameType | None], Any] | int] = {}

    def note(number: int, _: FrameType | None) -> None:
        request.number = number
        restore()

    def restore() -> None:
        for number, handler in before.items():
            if signal.getsignal(number) is note:  # it was not changed meanwhile
                signal.signal(number, handler)

    if threading.current_thread() is threading.main_thread():
        for number in DEFERRED:
            handler = signal.getsignal(number)
            if handler not in (signal.SIG_IGN, None):
                assert handler is not None
                before[number] = handler
                signal.signal(number, note)
    try:
        yield request
    finally:
        restore()
    if request.number is not None:
        signal.raise_signal(request.number)
        raise KeyboardInterrupt  # a handler of the caller's own returned
