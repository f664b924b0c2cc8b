"""Slow senders, endless headers, bytes that are no HTTP: each is answered, or left, in time."""

import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from servers import Served, find_code, send_raw, serving

HEAD = b"POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
NUM_SLOW, MANY_SLOW = 20, 100


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that gives a request a second."""
    with serving("--receive-seconds", "1") as one:
        yield one


def trickle(port: int, data: bytes, *, pause: float, end: float) -> bytes:
    """Send a byte now and then; what the server answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.settimeout(pause)
        stop = time.monotonic() + end
        for position in range(len(data)):
            try:
                connection.sendall(data[position : position + 1])
                answer = connection.recv(65536)
            except TimeoutError:
                answer = None
            except OSError:
                return b""
            if answer is not None:
                return answer
            assert time.monotonic() < stop, "the server still waits"
        return b""


@pytest.mark.parametrize("data", [HEAD * 3, HEAD + b"Content-Length: 5000\r\n\r\n" + b"x" * 5000])
def test_slow_senders_are_left_while_others_are_served(hasty: Served, data: bytes) -> None:
    answers: list[bytes] = []

    def send() -> None:
        answers.append(trickle(hasty.port, data, pause=0.05, end=30))

    threads = [threading.Thread(target=send) for _ in range(NUM_SLOW)]
    for thread in threads:
        thread.start()
    with httpx.Client(base_url=hasty.address, timeout=30) as client:
        for _ in range(10):
            assert client.get("/health/ready").status_code == 200
    for thread in threads:
        thread.join()
    assert len(answers) == NUM_SLOW
    assert all(find_code(answer) == "request-timeout" for answer in answers)


@pytest.mark.heavy
def test_a_hundred_slow_senders_are_left_after_the_deadline(
    served: Served, pngs: list[bytes]
) -> None:
    answers: list[bytes] = []
    body = HEAD + b"Content-Length: 5000\r\n\r\n" + b"x" * 5000

    def send() -> None:
        answers.append(trickle(served.port, body, pause=0.5, end=60))

    threads = [threading.Thread(target=send) for _ in range(MANY_SLOW)]
    for thread in threads:
        thread.start()
    with httpx.Client(base_url=served.address, timeout=30) as client:
        while any(thread.is_alive() for thread in threads):
            answer = client.post("/v1/read", content=pngs[0], headers={"content-type": "image/png"})
            assert answer.json()["text"] == "7"
            time.sleep(0.2)
    assert [find_code(answer) for answer in answers] == ["request-timeout"] * MANY_SLOW


def test_a_connection_that_says_nothing_is_ended(hasty: Served) -> None:
    assert find_code(send_raw(hasty.port, b"")) == "request-timeout"
    assert find_code(send_raw(hasty.port, b"\r\n")) == "request-timeout"


def test_silence_after_an_answer_is_no_request(hasty: Served) -> None:
    """An empty line after a request begins another one, which does not come."""
    with socket.create_connection(("127.0.0.1", hasty.port), timeout=30) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while b'{"status":"live"}' not in answer:
            answer += connection.recv(65536)
        connection.sendall(b"\r\n")
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        assert find_code(answer) == "request-timeout"


def test_endless_headers_are_refused(served: Served) -> None:
    endless = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: " + b"a" * 100_000
    assert find_code(send_raw(served.port, endless)) == "headers-too-large"


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01", b"HELLO\r\n\r\n", b"GET\r\n\r\n"])
def test_what_is_no_http_is_a_problem(served: Served, data: bytes) -> None:
    answer = send_raw(served.port, data)
    assert answer.startswith(b"HTTP/1.1 400")
    assert find_code(answer) == "bad-request"
    assert b"nosniff" in answer


def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    first = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = send_raw(served.port, first + last)
    assert answer.index(b'{"status":"live"}') < answer.index(b"not-found")
