"""Which requests are admitted or refused, and what becomes of their connections.

The server is real except for the reading: tests set how full the queue is, or the response.
"""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from tenfold.serving.app import App
from tenfold.serving.server import build_server
from tenfold.serving.settings import ServingConfig

HEAD = b"POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
IMAGE = HEAD + b"Content-Length: 3\r\n\r\nabc"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
QUEUE = 2


@dataclass
class Running:
    """A server in a thread: its application, event loop and port."""

    app: App
    loop: asyncio.AbstractEventLoop
    port: int

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@contextmanager
def running(**config: Any) -> Iterator[Running]:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    is_started = threading.Event()
    server = build_server(ServingConfig(queue=QUEUE, **config), is_started.set)
    server.config.timeout_keep_alive = 1
    loop = asyncio.new_event_loop()
    thread = threading.Thread(
        target=loop.run_until_complete, args=(server.serve(sockets=[listening]),)
    )
    thread.start()
    try:
        assert is_started.wait(30)
        yield Running(server.tenfold_app, loop, listening.getsockname()[1])
    finally:
        server.should_exit = server.force_exit = True
        thread.join()
        loop.close()
        listening.close()


@pytest.fixture(scope="module")
def full() -> Iterator[Running]:
    """A server whose queue is full, with short deadlines."""
    with running(receive_seconds=2, send_seconds=2) as one:
        one.app.service.num_reading = QUEUE
        yield one


def receive_all(connection: socket.socket) -> bytes:
    """All bytes until the server closes the connection."""
    received = b""
    while part := connection.recv(65536):
        received += part
    return received


def list_statuses(received: bytes) -> list[int]:
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("path", [b"/v1/read", b"/nothing"])
def test_a_late_body_of_a_refused_request_is_skipped_but_not_awaited_for_long(
    full: Running, path: bytes
) -> None:
    with full.connect() as connection:
        connection.sendall(IMAGE[:-3].replace(b"/v1/read", path))
        first = connection.recv(65536)
        assert list_statuses(first) == [503 if path == b"/v1/read" else 404]
        connection.sendall(b"abc" + LIVE)
        started = time.monotonic()
        assert list_statuses(receive_all(connection)) == [200]
        other = full.connect()
    with other:
        other.sendall(IMAGE[:-3].replace(b"/v1/read", path))
        time.sleep(0.2)
        other.sendall(b"abc")
        assert len(list_statuses(receive_all(other))) == 1
    assert time.monotonic() - started < 15


def test_a_client_that_stalls_in_a_refused_body_gets_one_response(full: Running) -> None:
    with full.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 300\r\n\r\n")
        received = connection.recv(65536)
        with suppress(OSError):
            for _ in range(20):
                connection.sendall(b"a")
                time.sleep(0.2)
        with suppress(ConnectionResetError):
            received += receive_all(connection)
    assert list_statuses(received) == [503]


def test_an_http_1_0_connection_closes_after_the_response(full: Running) -> None:
    old = IMAGE.replace(b"HTTP/1.1", b"HTTP/1.0").replace(
        b"Host", b"Connection: keep-alive\r\nHost"
    )
    with full.connect() as connection:
        connection.sendall(old)
        received = receive_all(connection)
    assert b"connection: close" in received.lower()
    assert list_statuses(received) == [503]


@pytest.mark.parametrize("header", [b"Expect: 100-continue\r\n", b"Connection: close\r\n"])
def test_a_refused_client_gets_no_100_continue(full: Running, header: bytes) -> None:
    with full.connect() as connection:
        connection.sendall(HEAD + header + b"Content-Length: 300\r\n\r\n")
        assert list_statuses(connection.recv(65536)) == [503]


def test_a_refused_chunked_body_with_trailers_is_skipped(full: Running) -> None:
    body = b"3\r\nabc\r\n0\r\nX-Trailer: a\r\nExpect: 100-continue\r\n\r\n"
    with full.connect() as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + body + LIVE)
        assert list_statuses(receive_all(connection)) == [503, 200]


@pytest.mark.parametrize("request_", [HEAD + b"Content-Length: 0\r\n\r\n", LIVE])
def test_a_client_that_reads_no_responses_cannot_send_more_requests(
    full: Running, request_: bytes
) -> None:
    with full.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        connection.settimeout(1)
        num_bytes = 0
        with suppress(OSError):  # the server stops reading, then closes the connection
            while num_bytes < 32_000_000:
                num_bytes += connection.send(request_ * 500)
    assert num_bytes < 8_000_000


def test_a_client_that_reads_no_response_frees_its_place_in_the_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running(send_seconds=10) as one, socket.socket() as idle, socket.socket() as idle_2:

        async def read(*_: object, **__: object) -> bytes:
            return b"a" * 8_000_000

        monkeypatch.setattr(one.app.service, "read", read)
        for connection in (idle, idle_2):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", one.port))
            connection.sendall(IMAGE)
            time.sleep(0.3)
            connection.sendall(IMAGE)
        time.sleep(0.3)
        assert one.app.service.num_reading == one.app.num_body_bytes == 0
        with one.connect() as connection:
            connection.sendall(IMAGE)
            assert list_statuses(connection.recv(100)) == [200]


def test_concurrent_requests_are_admitted_up_to_queue_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    num_admitted = 0
    with running() as one:
        is_over = asyncio.Event()

        async def read(*_: object, **__: object) -> bytes:
            await is_over.wait()
            return json.dumps({}).encode()

        admit = one.app.guard.app

        async def count(*arguments: Any) -> None:
            nonlocal num_admitted
            num_admitted += 1
            await admit(*arguments)

        monkeypatch.setattr(one.app.service, "read", read)
        monkeypatch.setattr(one.app.guard, "app", count)
        connections = [one.connect() for _ in range(10)]
        time.sleep(0.2)
        one.loop.call_soon_threadsafe(time.sleep, 0.5)  # requests arrive meanwhile
        time.sleep(0.1)
        for connection in connections:
            connection.sendall(IMAGE)
        time.sleep(0.8)
        one.loop.call_soon_threadsafe(is_over.set)
        statuses = []
        for connection in connections:
            statuses += list_statuses(connection.recv(65536))
            connection.close()
    assert num_admitted == QUEUE
    assert sorted(statuses) == [200] * QUEUE + [503] * (10 - QUEUE)
