"""Stopping between two steps: what Ctrl-C asks for while a model is trained.

A signal that came in the midst of a step would leave weights that moved beside moments that did
not. So it is noted, the step ends, whoever trains saves what there is, and then the signal acts.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

NOTED = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether a signal has asked to stop, and which."""

    def __init__(self) -> None:
        self.number: int | None = None

    @property
    def is_made(self) -> bool:
        """Whether to stop after the step that is going on."""
        return self.number is not None


@contextmanager
def noting_signals() -> Iterator[StopRequest]:
    """Note the first SIGINT or SIGTERM instead of stopping at once; a second one stops at once.

    When the context ends, signals act as before, unless somebody has changed that meanwhile, and
    the one that was noted acts then. Where a signal is ignored it stays so. Outside of the main
    thread, which alone gets signals, none is noted.
    """
    request = StopRequest()
    before: dict[int, Callable[[int, FrameType | None], Any] | int] = {}

    def note(number: int, _: FrameType | None) -> None:
        request.number = number
        restore()

    def restore() -> None:
        for number, handler in before.items():
            if signal.getsignal(number) is note:  # and nobody wants it otherwise by now
                signal.signal(number, handler)

    if threading.current_thread() is threading.main_thread():
        for number in NOTED:
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
        raise KeyboardInterrupt  # somebody's own handler returned
