"""Slow senders, endless headers, false lengths, many connections, bytes that are not HTTP."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from servers import Served, find_code, send_raw, serving
from tenfold.serving.limits import LENDING_SECONDS, Admission
from tenfold.serving.problems import Problem

HEAD = b"POST /v1/read HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
LIMIT = 16 * 1024**2
NUM_SLOW, MANY_SLOW, NUM_IDLE = 20, 100, 800


@pytest.fixture(scope="module")
def impatient() -> Iterator[Served]:
    """A server with one second to receive a request."""
    with serving("--receive-seconds", "1") as one:
        yield one


def trickle(port: int, head: bytes, *, pause: float, end: float) -> bytes:
    """Send a head, then a byte at a time, `pause` seconds apart; what the server answers."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.settimeout(pause)
        connection.sendall(head)
        stop = time.monotonic() + end
        while time.monotonic() < stop:
            try:
                connection.sendall(b"x")
                return connection.recv(65536)
            except TimeoutError:
                pass
            except OSError:
                return b""
    raise AssertionError("the server still waits")


# A request whose headers are not complete is in no queue yet: its connection is closed without an
# answer. Of bodies that begin at the same moment, more than the queue takes are refused.
@pytest.mark.parametrize(
    ("head", "codes"),
    [(HEAD, {""}), (HEAD + b"Content-Length: 5000\r\n\r\n", {"request-timeout"})],
)
def test_slow_senders_time_out_while_others_are_served(
    impatient: Served, head: bytes, codes: set[str]
) -> None:
    answers: list[bytes] = []

    def send() -> None:
        answers.append(trickle(impatient.port, head, pause=0.05, end=30))

    threads = [threading.Thread(target=send) for _ in range(NUM_SLOW)]
    for thread in threads:
        thread.start()
    with httpx.Client(base_url=impatient.address, timeout=30) as client:
        for _ in range(10):
            assert client.get("/health/ready").status_code == 200
    for thread in threads:
        thread.join()
    assert {find_code(answer) if answer else "" for answer in answers} - {"busy"} == codes
    assert len(answers) == NUM_SLOW


@pytest.mark.parametrize("data", [b"", b"\r\n", LIVE])
def test_a_silent_connection_is_closed(impatient: Served, data: bytes) -> None:
    assert send_raw(impatient.port, data).count(b"HTTP/1.1") == (data == LIVE)


def test_idle_connections_do_not_block_others(served: Served) -> None:
    connections = []
    try:
        for _ in range(NUM_IDLE):
            address = ("127.0.0.1", served.port)
            connections.append(socket.create_connection(address, timeout=30))
        with httpx.Client(base_url=served.address, timeout=10) as client:
            assert client.get("/health/ready").status_code == 200
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 100_000,
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: aaaa\r\n" * 8000 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_endless_headers_are_refused(served: Served, data: bytes) -> None:
    assert send_raw(served.port, data)[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 414")


@pytest.mark.parametrize("line", [b"X-A: " + b"a" * 8000 + b"\r\n", b"a" * 8000])
def test_endless_trailers_are_refused(served: Served, line: bytes) -> None:
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
        assert num_sent < 10_000_000  # socket buffers hold some of it


def test_a_body_over_the_limit_is_refused(served: Served, client: httpx.Client) -> None:
    chunks = (bytes(65536) for _ in range(LIMIT // 65536 + 2))
    answer = client.post("/v1/read", content=chunks, headers={"content-type": "image/png"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    # A declared length over the limit is refused before the body arrives.
    assert (
        find_code(send_raw(served.port, HEAD + b"Content-Length: 16777217\r\n\r\n")) == "too-large"
    )


def test_a_wrong_content_length_does_no_harm(
    served: Served, client: httpx.Client, pngs: list[bytes]
) -> None:
    answer = send_raw(served.port, HEAD + b"Content-Length: 10\r\n\r\n" + pngs[0])
    # Ten bytes are not an image, and the rest is not a request.
    assert answer.startswith(b"HTTP/1.1 422")
    assert b"HTTP/1.1 400" in answer
    for length in (b"-1", b"1e3", b"10, 20", b"99999999999999999999999"):
        bad = HEAD + b"Content-Length: " + length + b"\r\n\r\n" + pngs[0]
        assert send_raw(served.port, bad)[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 413")
    coded = HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
    assert find_code(send_raw(served.port, coded)) == "unsupported-media-type"
    assert client.post("/v1/read", files={"image": pngs[0]}).json()["text"] == "7"


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\x01", b"HELLO\r\n\r\n", b"GET\r\n\r\n"])
def test_bytes_that_are_not_http_are_answered_400(served: Served, data: bytes) -> None:
    assert send_raw(served.port, data).startswith(b"HTTP/1.1 400")


def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    last = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = send_raw(served.port, LIVE + last)
    assert answer.index(b'{"status":"live"}') < answer.index(b"not-found")


def test_a_connection_stays_usable_after_a_refused_image(served: Served) -> None:
    refused = HEAD.replace(b"image/png", b"text/plain") + b"Content-Length: 10\r\n\r\n0123456789"
    refused = refused.replace(b"/v1/read", b"/v1/read?x")
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(refused + LIVE.replace(b"Host", b"Connection: close\r\nHost"))
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"422", b"200"]


def make_scope() -> Scope:
    """A request with an image."""
    return {"type": "http", "method": "POST", "path": "/v1/read", "headers": [], "state": {}}


def ask_together(admission: Admission, bodies: list[list[bytes]]) -> list[str]:
    """What becomes of requests at once, whose bodies come in parts: the detail, or "answered"."""

    async def ask(parts: list[bytes]) -> str:
        left = list(parts)
        answers: list[Message] = []

        async def receive() -> Message:
            await asyncio.sleep(0)
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

        async def send(message: Message) -> None:
            answers.append(message)

        try:
            await admission(make_scope(), receive, send)
        except Problem as problem:
            return problem.detail
        if answers[0]["status"] == 200:
            return "answered"
        return str(json.loads(answers[1]["body"])["detail"])

    async def ask_all() -> list[str]:
        return await asyncio.gather(*map(ask, bodies))

    found = asyncio.run(ask_all())
    assert admission.num_waiting == admission.num_bytes == 0
    return found


async def answer_later(_: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(0.05)
    await send({"type": "http.response.start", "status": 200, "headers": []})


NO_PLACE = "3 requests are waiting; try again in a second"


def test_as_many_requests_are_admitted_as_there_are_places() -> None:
    admission = Admission(answer_later, size=3, seconds=15)
    assert ask_together(admission, [[b"a"]] * 10) == ["answered"] * 3 + [NO_PLACE] * 7
    assert ask_together(admission, [[b"a"]] * 3) == ["answered"] * 3


def test_a_slow_body_waits_without_a_place() -> None:
    admission = Admission(answer_later, size=1, seconds=15)

    async def ask_meanwhile() -> None:
        arrived = asyncio.Event()

        async def receive_slowly() -> Message:
            await arrived.wait()
            return {"type": "http.request", "body": b"a", "more_body": False}

        async def send(_: Message) -> None:
            pass

        slow = asyncio.create_task(admission(make_scope(), receive_slowly, send))
        await asyncio.sleep(0)
        assert admission.num_waiting == 1
        await asyncio.sleep(2 * LENDING_SECONDS)
        assert admission.num_waiting == 0
        arrived.set()
        while not admission.num_waiting:
            await asyncio.sleep(0)
        await slow

    asyncio.run(ask_meanwhile())
    assert admission.num_waiting == 0


def test_the_bytes_of_all_bodies_are_limited() -> None:
    admission = Admission(answer_later, size=9, seconds=15, max_bytes=100)
    found = ask_together(admission, [[b"a" * 30, b"a" * 30]] * 3)
    assert "the images of other requests take all memory" in found
    assert "answered" in found


def test_a_client_that_takes_no_answer_keeps_no_place() -> None:
    admission = Admission(answer_later, size=1, seconds=15)

    async def stall() -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": b"a", "more_body": False}

        async def send(_: Message) -> None:
            assert admission.num_waiting == 0
            await asyncio.sleep(60)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(admission(make_scope(), receive, send), 1)

    asyncio.run(stall())


@pytest.mark.heavy
def test_a_hundred_slow_senders_time_out_while_others_are_served(
    served: Served, pngs: list[bytes]
) -> None:
    answers: list[bytes] = []
    head = HEAD + b"Content-Length: 5000\r\n\r\n"

    def send() -> None:
        answers.append(trickle(served.port, head, pause=0.5, end=60))

    threads = [threading.Thread(target=send) for _ in range(MANY_SLOW)]
    for thread in threads:
        thread.start()
        time.sleep(LENDING_SECONDS / 4)  # no more at once than the queue takes
    time.sleep(4 * LENDING_SECONDS)
    with httpx.Client(base_url=served.address, timeout=30) as client:
        while any(thread.is_alive() for thread in threads):
            assert client.post("/v1/read", files={"image": pngs[0]}).json()["text"] == "7"
            time.sleep(0.2)
    assert [find_code(answer) for answer in answers] == ["request-timeout"] * MANY_SLOW
