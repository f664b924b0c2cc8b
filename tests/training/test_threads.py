import math
import time
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from tenfold.training.threads import (
    DEFAULT_MAX_THREADS,
    LOST_CORES,
    MAX_PAUSE_SECONDS,
    MIN_PAUSE_SECONDS,
    PAUSE_GROWTH,
    WINDOW_SECONDS,
    ThreadBalance,
    choose_num_threads,
    gives_same_bits,
)

ALL = 4


@pytest.fixture(autouse=True)
def _four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(ALL)
    yield
    torch.set_num_threads(before)


def test_threads_are_as_many_as_asked_for() -> None:
    assert choose_num_threads(1) == 1
    assert choose_num_threads(64) == 64  # past the default's limit


def test_threads_are_pytorchs_own_choice_up_to_a_limit() -> None:
    assert choose_num_threads(None) == ALL
    torch.set_num_threads(DEFAULT_MAX_THREADS + 4)
    assert choose_num_threads(None) == DEFAULT_MAX_THREADS


def test_equal_bits_are_found_equal_with_every_number_of_threads() -> None:
    tried = []

    def compute() -> Tensor:
        tried.append(torch.get_num_threads())
        return torch.tensor([1.0, 2.0])

    assert gives_same_bits(compute)
    assert sorted(tried) == [1, 2, 3, 4]
    assert torch.get_num_threads() == ALL


@pytest.mark.parametrize("odd", [1, 2, 3, 4])
def test_one_number_of_threads_with_other_bits_is_enough(odd: int) -> None:
    def compute() -> Tensor:
        # The smallest difference that single precision knows, in one of many numbers.
        numbers = torch.ones(1000)
        if torch.get_num_threads() == odd:
            numbers[500] = torch.nextafter(numbers[500], torch.tensor(2.0))
        return numbers

    assert not gives_same_bits(compute)
    assert torch.get_num_threads() == ALL


def test_threads_are_set_back_if_the_computation_fails() -> None:
    def compute() -> Tensor:
        if torch.get_num_threads() == 2:
            raise ZeroDivisionError
        return torch.zeros(1)

    with pytest.raises(ZeroDivisionError):
        gives_same_bits(compute)
    assert torch.get_num_threads() == ALL


def test_one_thread_agrees_with_itself() -> None:
    torch.set_num_threads(1)
    assert gives_same_bits(lambda: torch.rand(3))


# --- the balance, driven with numbers: now, steps a second, busy cores


def test_threads_that_get_their_time_stay() -> None:
    balance = ThreadBalance(may_vary=True)
    for now in range(5):
        balance._choose(float(now), 100.0, ALL - LOST_CORES + 0.01)
        assert torch.get_num_threads() == ALL
    assert not balance.is_trial


@pytest.mark.parametrize(
    ("busy_cores", "num_threads"), [(3.6, 3), (3.1, 3), (2.7, 3), (2.5, 2), (1.2, 1), (0.0, 1)]
)
def test_missing_time_starts_a_trial_with_the_threads_that_got_theirs(
    busy_cores: float, num_threads: int
) -> None:
    balance = ThreadBalance(may_vary=True)
    balance._choose(0.0, 100.0, busy_cores)
    assert balance.is_trial
    assert torch.get_num_threads() == num_threads
    balance.stop()
    assert torch.get_num_threads() == ALL


def test_fewer_threads_that_are_faster_stay_for_a_pause_that_grows() -> None:
    balance = ThreadBalance(may_vary=True)
    now = 0.0
    for expected in (MIN_PAUSE_SECONDS * PAUSE_GROWTH**i for i in range(5)):
        balance._choose(now, 100.0, 2.5)  # all threads: time is missing
        balance._choose(now, 101.0, 2.0)  # two threads: faster
        assert torch.get_num_threads() == 2
        assert not balance.is_trial
        pause = balance.paused_until - now
        assert pause == pytest.approx(min(expected, MAX_PAUSE_SECONDS))
        now = balance.paused_until
        balance._choose(now, 101.0, 2.0)  # the pause is over: all threads again
        assert torch.get_num_threads() == ALL
    balance.stop()


def test_fewer_threads_that_are_no_faster_give_way_to_all() -> None:
    balance = ThreadBalance(may_vary=True)
    pause = MIN_PAUSE_SECONDS
    for now in (0.0, 10.0, 20.0):
        balance._choose(now, 100.0, 2.5)
        balance._choose(now, 100.0, 2.0)
        assert torch.get_num_threads() == ALL
        assert not balance.is_trial
        # If time is missing all along and fewer threads do not help, they are tried ever less.
        assert balance.paused_until == pytest.approx(now + pause)
        pause = min(PAUSE_GROWTH * pause, MAX_PAUSE_SECONDS)


def test_time_that_is_back_shortens_the_next_pause() -> None:
    balance = ThreadBalance(may_vary=True)
    for _ in range(3):
        balance._choose(0.0, 100.0, 2.5)
        balance._choose(0.0, 200.0, 2.0)
        balance._choose(0.0, 200.0, 2.0)
    assert balance.pause_seconds == MAX_PAUSE_SECONDS
    balance._choose(0.0, 300.0, float(ALL))
    assert balance.pause_seconds == MIN_PAUSE_SECONDS


def test_a_window_is_judged_when_it_is_over() -> None:
    balance = ThreadBalance(may_vary=True)
    balance.wall = time.perf_counter() + 1000  # a window that has just begun
    balance.count_step()
    assert (balance.num_steps, balance.is_trial) == (1, False)
    balance.wall = time.perf_counter() - 1000 * WINDOW_SECONDS  # over, and hardly any time was had
    balance.count_step()
    assert balance.is_trial
    assert torch.get_num_threads() == 1
    assert balance.num_steps == 0  # and the next has begun
    assert balance.steps_per_second_with_all == pytest.approx(2 / (1000 * WINDOW_SECONDS), rel=0.1)
    balance.stop()
    assert torch.get_num_threads() == ALL


def test_in_a_pause_nothing_is_judged() -> None:
    balance = ThreadBalance(may_vary=True)
    balance.paused_until = math.inf
    balance.wall = time.perf_counter() - 1000
    balance.count_step()
    assert not balance.is_trial
    assert torch.get_num_threads() == ALL
    assert balance.num_steps == 0


def test_threads_that_may_not_vary_never_do() -> None:
    balance = ThreadBalance(may_vary=False)
    for _ in range(3):
        balance.wall = time.perf_counter() - 1000
        balance.count_step()
        assert torch.get_num_threads() == ALL
    assert not balance.is_trial
