"""Slow senders, endless headers, bytes that are no HTTP: each is answered, or left, in time."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import httpx
import psutil
import pytest

from servers import Served, find_code, freeze_workers, send_raw, serving

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
def test_slow_senders_time_out_while_others_are_served(hasty: Served, data: bytes) -> None:
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


def test_a_connection_can_be_used_after_a_refused_image(pngs: list[bytes]) -> None:
    asking = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    image = HEAD + b"Content-Length: 10\r\n\r\n" + b"0123456789"
    with serving("--queue", "1") as one, ThreadPoolExecutor() as pool:
        frozen = freeze_workers(one)
        kind = {"content-type": "image/png"}
        place = pool.submit(
            httpx.post, f"{one.address}/v1/read", content=pngs[0], headers=kind, timeout=30
        )
        wait_for_place(one)
        with (
            socket.create_connection(("127.0.0.1", one.port), timeout=30) as connection,
            connection.makefile("rb") as answers,
        ):
            connection.sendall(image[:-6])
            status, headers, details = receive_answer(answers)  # before all of it is there
            assert (status, json.loads(details)["code"]) == (503, "busy")
            assert headers["retry-after"] == "1"
            assert headers["x-content-type-options"] == "nosniff"
            connection.sendall(image[-6:] + asking)
            assert receive_answer(answers)[0] == 200
            connection.sendall(image + image + asking)
            assert [receive_answer(answers)[0] for _ in range(3)] == [503, 503, 200]
            connection.sendall(asking + image)  # the second waits for the first's answer
            assert [receive_answer(answers)[0] for _ in range(2)] == [200, 503]
            connection.sendall(image.replace(b"Host", b"Connection: close\r\nHost"))
            assert receive_answer(answers)[0] == 503
            assert answers.read() == b""
        for process in frozen:
            process.resume()
        assert place.result().json()["text"] == "7"
        metrics = httpx.get(f"{one.address}/metrics").text
        assert "tenfold_refused_images_total 5.0" in metrics
        assert 'tenfold_responses_total{status="503"} 5.0' in metrics


def wait_for_place(one: Served) -> None:
    while "tenfold_waiting_images 1.0" not in httpx.get(f"{one.address}/metrics").text:
        time.sleep(0.02)


def receive_answer(answers: BinaryIO) -> tuple[int, dict[str, str], bytes]:
    """The status, headers and body of the next answer on a connection."""
    status = int(answers.readline().split()[1])
    lines = iter(lambda: answers.readline().decode().strip(), "")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return status, headers, answers.read(int(headers["content-length"]))


@pytest.mark.heavy
def test_a_hundred_slow_senders_time_out(served: Served, pngs: list[bytes]) -> None:
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


def test_a_silent_connection_is_closed(hasty: Served) -> None:
    assert find_code(send_raw(hasty.port, b"")) == "request-timeout"
    assert find_code(send_raw(hasty.port, b"\r\n")) == "request-timeout"


def test_an_idle_connection_after_an_answer_is_not_a_timeout(hasty: Served) -> None:
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


def test_long_headers_in_one_packet_are_refused_and_counted(served: Served) -> None:
    long = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 70_000 + b"\r\n\r\n"
    many = b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: aaaa\r\n" * 8000 + b"\r\n"
    address = b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for data in (long, many, address):
        assert find_code(send_raw(served.port, data)) == "headers-too-large"
    metrics = httpx.get(f"{served.address}/metrics").text
    assert 'tenfold_responses_total{status="431"}' in metrics


@pytest.mark.parametrize("line", [b"X-A: " + b"a" * 8000 + b"\r\n", b"a" * 8000])
def test_endless_headers_after_a_body_are_refused(served: Served, line: bytes) -> None:
    head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-B: "
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(head)
        num_sent = 0
        try:
            while num_sent < 30_000_000:
                connection.sendall(line * 10)
                num_sent += 10 * len(line)
        except OSError:
            pass
        assert num_sent < 10_000_000  # what the system keeps, beside what the server took


def test_connections_beyond_the_limit_are_refused(pngs: list[bytes]) -> None:
    """Where the system allows few files, a connection too many is answered all the same."""
    with serving(num_files=200) as one:
        connections = []
        try:
            for _ in range(150):
                address = ("127.0.0.1", one.port)
                connections.append(socket.create_connection(address, timeout=30))
            connections[-1].settimeout(30)
            assert find_code(connections[-1].recv(65536)) == "busy"
        finally:
            for connection in connections:
                connection.close()
        with httpx.Client(base_url=one.address, timeout=30) as client:
            while (answer := client.get("/health/ready")).status_code == 503:
                time.sleep(0.05)
            assert answer.status_code == 200
        assert one.said[1:] == []


def test_a_client_that_reads_nothing_is_disconnected(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "config.json").write_text("{}")
    num_bytes = 40_000_000
    (tmp_path / "big" / "report.html").write_bytes(b"a" * num_bytes)
    with serving("--runs", str(tmp_path), "--send-seconds", "1") as one:
        process = psutil.Process(one.process.pid)
        before = process.memory_info().rss
        connections = []
        for _ in range(6):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", one.port))
            connection.sendall(b"GET /runs/big/report HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connections.append(connection)
        end = time.monotonic() + 20
        time.sleep(0.5)
        assert process.memory_info().rss - before < num_bytes
        while len(process.net_connections("tcp")) > 1:  # beside the one that it listens on
            assert time.monotonic() < end
            time.sleep(0.05)
        for connection in connections:
            connection.close()
        # One that takes it gets all of it.
        answer = httpx.get(f"{one.address}/runs/big/report", timeout=30)
        assert len(answer.content) == num_bytes
        assert one.said[1:] == []


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01", b"HELLO\r\n\r\n", b"GET\r\n\r\n"])
def test_invalid_http_is_a_problem(served: Served, data: bytes) -> None:
    answer = send_raw(served.port, data)
    assert answer.startswith(b"HTTP/1.1 400")
    assert find_code(answer) == "bad-request"
    assert b"nosniff" in answer


def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    first = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = send_raw(served.port, first + last)
    assert answer.index(b'{"status":"live"}') < answer.index(b"not-found")
