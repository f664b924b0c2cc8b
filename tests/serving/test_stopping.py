"""SIGTERM under load: what was accepted is answered, and the server is gone in time."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import psutil
import pytest

from pngs import to_png
from servers import draw_dense_page, freeze_workers, serving
from tenfold.serving.server import DRAIN_SECONDS
from tenfold.serving.settings import ServingConfig

LIMIT_SECONDS = 60  # on a machine that has much else to do; what it promises stands below
NUM_CLIENTS = 4
PNG = {"content-type": "image/png"}


@dataclass
class Outcome:
    """What clients saw: right answers, and requests that got none though they were connected."""

    num_right: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def ask_until_it_is_gone(address: str, pngs: list[bytes], texts: list[str], seen: Outcome) -> None:
    with httpx.Client(base_url=address, timeout=30) as client:
        number = 0
        while True:
            number = (number + 1) % len(pngs)
            try:
                answer = client.post("/v1/read", content=pngs[number], headers=PNG)
            except httpx.ConnectError:
                return  # nobody listens any more
            except httpx.TransportError as error:
                seen.lost.append(repr(error))
                return
            if answer.status_code == 200 and answer.json()["text"] == texts[number]:
                seen.num_right += 1
            elif answer.status_code != 503:
                seen.wrong.append(answer.text)


def stop_under_load(pngs: list[bytes], texts: list[str], wait: float) -> None:
    with serving() as one:
        seen = [Outcome() for _ in range(NUM_CLIENTS)]
        threads = [
            threading.Thread(target=ask_until_it_is_gone, args=(one.address, pngs, texts, each))
            for each in seen
        ]
        for thread in threads:
            thread.start()
        while not all(each.num_right for each in seen):
            time.sleep(0.01)
        time.sleep(wait)
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(timeout=LIMIT_SECONDS) == 0
        for thread in threads:
            thread.join(timeout=30)
        assert [each.wrong for each in seen] == [[]] * NUM_CLIENTS
        assert [each.lost for each in seen] == [[]] * NUM_CLIENTS
        assert one.said[1:] == [], one.said


@pytest.fixture(scope="module")
def texts(pngs: list[bytes]) -> list[str]:
    from tenfold.reading.reader import Reader

    reader = Reader()
    return [reader.read(data).text for data in pngs]


def test_a_server_stops_before_supervisors_kill_it() -> None:
    """Docker, for one, waits for ten seconds."""
    assert DRAIN_SECONDS + ServingConfig().stop_seconds < 10


def test_accepted_requests_are_answered_during_shutdown(
    pngs: list[bytes], texts: list[str]
) -> None:
    stop_under_load(pngs, texts, 0.1)


@pytest.mark.heavy
@pytest.mark.parametrize("number", range(50))
def test_accepted_requests_are_answered_whenever_shutdown_begins(
    pngs: list[bytes], texts: list[str], number: int
) -> None:
    stop_under_load(pngs, texts, 0.013 * number)


def test_a_server_that_shuts_down_is_not_ready() -> None:
    with serving() as one, httpx.Client(base_url=one.address) as client:
        assert client.get("/health/ready").status_code == 200
        one.process.send_signal(signal.SIGTERM)
        codes = []
        try:
            while True:
                answer = client.get("/health/ready")
                codes.append(answer.status_code)
                if answer.status_code == 503:
                    assert answer.json()["code"] == "stopping"
                    assert answer.headers["connection"] == "close"
                    break
        except httpx.TransportError:
            pass
        assert codes[-1] == 503
        assert one.process.wait(timeout=LIMIT_SECONDS) == 0


@pytest.fixture
def dense() -> bytes:
    """Two hundred digits on a small image, whose stages take a second or more."""
    return to_png(draw_dense_page())


def post(address: str, data: bytes, answers: list[tuple[int, str]]) -> None:
    answer = httpx.post(f"{address}/v1/read?stages=true", content=data, headers=PNG, timeout=60)
    assert answer.headers["content-type"] in ("application/json", "application/problem+json")
    answers.append((answer.status_code, answer.json().get("code", "")))


@contextmanager
def asking(address: str, data: bytes, num: int) -> Iterator[list[tuple[int, str]]]:
    """So many ask for the stages of an image at once, and get their answers until the end."""
    answers: list[tuple[int, str]] = []
    threads = [threading.Thread(target=post, args=(address, data, answers)) for _ in range(num)]
    for thread in threads:
        thread.start()
    while f"tenfold_waiting_images {float(num)}" not in httpx.get(f"{address}/metrics").text:
        assert not answers
        time.sleep(0.02)
    yield answers
    for thread in threads:
        thread.join()
    assert len(answers) == num


@pytest.mark.slow
def test_requests_that_cannot_be_finished_get_a_problem(dense: bytes) -> None:
    with serving() as one:
        # A worker that does not go on, as one that has far too much to do.
        frozen = freeze_workers(one)
        with asking(one.address, dense, 3) as answers:
            one.process.send_signal(signal.SIGTERM)
            assert one.process.wait(timeout=LIMIT_SECONDS) == 0
        assert answers == [(503, "stopping")] * 3
        assert one.said[1:] == []
        assert not any(process.is_running() for process in frozen)


def test_a_second_ctrl_c_ends_the_server_at_once(dense: bytes) -> None:
    with serving() as one:
        freeze_workers(one)
        with asking(one.address, dense, 2) as answers:
            one.process.send_signal(signal.SIGINT)
            time.sleep(1)
            one.process.send_signal(signal.SIGINT)
            assert one.process.wait(timeout=5) == 130
        assert answers == [(503, "stopping")] * 2
        assert one.said[1:] == ["tenfold: interrupted\n"]


@pytest.mark.parametrize("seconds", [0, 0.4, 1.5])
def test_ctrl_c_during_startup_is_one_line(seconds: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tenfold", "serve", "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not psutil.Process(process.pid).children():  # workers, and what keeps their resources
        time.sleep(0.01)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.splitlines()[-1:] == ["tenfold: interrupted"]
    assert len(said.splitlines()) == 1 + said.startswith("Tenfold is at")
