"""SIGTERM under load: what was accepted is answered, and the server is gone in time."""

import signal
import threading
import time
from dataclasses import dataclass, field

import httpx
import pytest

from servers import serving

LIMIT_SECONDS = 10
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


def test_what_was_accepted_is_answered(pngs: list[bytes], texts: list[str]) -> None:
    stop_under_load(pngs, texts, 0.1)


@pytest.mark.heavy
@pytest.mark.parametrize("number", range(50))
def test_what_was_accepted_is_answered_whenever(
    pngs: list[bytes], texts: list[str], number: int
) -> None:
    stop_under_load(pngs, texts, 0.013 * number)


def test_a_server_that_is_stopped_is_not_ready() -> None:
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
