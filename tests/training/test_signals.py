import signal
import threading
from collections.abc import Iterator

import pytest

from tenfold.training.signals import deferred_signals


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Restore the handlers after a failed test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        assert handler is not None
        signal.signal(number, handler)


def test_a_custom_handler_is_called_and_training_still_ends() -> None:
    calls = []
    signal.signal(signal.SIGTERM, lambda number, _: calls.append(number))
    with pytest.raises(KeyboardInterrupt), deferred_signals():
        signal.raise_signal(signal.SIGTERM)
    assert calls == [signal.SIGTERM]


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with deferred_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        assert not stop.is_set
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_threads_do_not_defer_signals() -> None:
    seen = []

    def train() -> None:
        with deferred_signals() as stop:
            seen.append((stop.is_set, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen == [(False, signal.default_int_handler)]


@pytest.mark.parametrize("times", [1, 2])
def test_the_first_signal_is_deferred_and_a_second_takes_effect_at_once(times: int) -> None:
    seen = []

    def receive_signals() -> None:
        with deferred_signals() as stop:
            assert not stop.is_set
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
                seen.append(stop.is_set)

    with pytest.raises(KeyboardInterrupt):
        receive_signals()
    assert seen == [True]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_takes_precedence_over_a_deferred_signal() -> None:
    def fail() -> None:
        with deferred_signals():
            signal.raise_signal(signal.SIGINT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
