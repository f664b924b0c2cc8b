import signal
import threading
from collections.abc import Iterator

import pytest

from tenfold.training.signals import deferred_signals


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Set back what a test that fails might leave."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        assert handler is not None
        signal.signal(number, handler)


def get_signals(seen: list[object], times: int) -> None:
    """Get SIGINT so many times while signals are deferred."""
    with deferred_signals() as stop:
        assert not stop.is_set
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
            seen.append(stop.is_set)


def test_a_signal_is_noted_and_acts_at_the_end() -> None:
    seen: list[object] = []
    with pytest.raises(KeyboardInterrupt):
        get_signals(seen, 1)
    assert seen == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_signal_acts_at_once() -> None:
    seen: list[object] = []
    with pytest.raises(KeyboardInterrupt):
        get_signals(seen, 2)
    assert seen == [True]


def fail_after_a_signal() -> None:
    with deferred_signals():
        signal.raise_signal(signal.SIGINT)
        raise ZeroDivisionError


def test_an_error_goes_before_a_signal() -> None:
    with pytest.raises(ZeroDivisionError):
        fail_after_a_signal()


def test_somebodys_own_handler_is_called_and_training_ends_all_the_same() -> None:
    calls = []
    signal.signal(signal.SIGTERM, lambda number, _: calls.append(number))
    with pytest.raises(KeyboardInterrupt), deferred_signals():
        signal.raise_signal(signal.SIGTERM)
    assert calls == [signal.SIGTERM]


def test_what_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with deferred_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        assert not stop.is_set
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_threads_note_nothing() -> None:
    seen = []

    def train() -> None:
        with deferred_signals() as stop:
            seen.append((stop.is_set, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [(False, signal.default_int_handler)]
