"""A server's life: how it starts and stops, replaces workers, logs, and stands behind a proxy."""

import http.client
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from images import to_png
from servers import STOP_SECONDS, Served, draw_dense_page, serving, sum_metric
from tenfold.reading.digit_classifier import BUNDLED_MODEL

NUM_CLIENTS = 4
PNG = {"content-type": "image/png"}


@dataclass
class Outcome:
    """What a client saw: right responses, wrong ones, and requests that were dropped."""

    num_right: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def ask_until_it_is_gone(address: str, data: bytes, seen: Outcome) -> None:
    with httpx.Client(base_url=address, timeout=30) as client:
        while True:
            try:
                answer = client.post("/v1/read", content=data, headers=PNG)
            except httpx.ConnectError:
                return  # the server no longer listens
            except httpx.TransportError as error:
                seen.lost.append(repr(error))
                return
            if answer.status_code == 200 and answer.json()["text"] == "7":
                seen.num_right += 1
            else:
                seen.wrong.append(answer.text)


def stop_under_load(pngs: list[bytes], wait: float) -> None:
    """SIGTERM while small images and one of half a second are read: all are answered."""
    # One of seconds would outlast the time to stop, 8 s, where other programs use the processor.
    dense_HW = draw_dense_page()[:120]
    page, is_accepted, large = to_png(dense_HW), threading.Event(), list[int]()
    with serving(workers=2) as one:

        def ask_large() -> None:
            connection = http.client.HTTPConnection(one.address.removeprefix("http://"), timeout=60)
            headers = {**PNG, "content-length": str(len(page)), "expect": "100-continue"}
            connection.request("POST", "/v1/read?stages", headers=headers)
            assert connection.sock.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 100"
            connection.send(page)
            is_accepted.set()
            large.append(connection.getresponse().status)

        seen = [Outcome() for _ in range(NUM_CLIENTS)]
        threads = [
            threading.Thread(target=ask_until_it_is_gone, args=(one.address, pngs[0], each))
            for each in seen
        ]
        threads.append(threading.Thread(target=ask_large))
        for thread in threads:
            thread.start()
        while not all(each.num_right for each in seen):
            time.sleep(0.01)
        assert is_accepted.wait(60)
        time.sleep(wait)
        one.process.send_signal(signal.SIGTERM)
        assert one.process.wait(STOP_SECONDS) == 0
        for thread in threads:
            thread.join(timeout=30)
        assert [each.wrong for each in seen] == [[]] * NUM_CLIENTS
        # A request that was not read when its connection is closed is lost; none is half answered.
        assert not any("complete message body" in one for each in seen for one in each.lost)
        assert large == [200]
        assert not any("panick" in line for line in one.said), one.said


def test_accepted_requests_are_answered_on_sigterm(pngs: list[bytes]) -> None:
    stop_under_load(pngs, 0.2)


@pytest.mark.heavy
@pytest.mark.parametrize("number", range(50))
def test_accepted_requests_are_answered_on_sigterm_at_any_moment(
    pngs: list[bytes], number: int
) -> None:
    stop_under_load(pngs, 0.013 * number)


@pytest.mark.parametrize("seconds", [0.3, 1.5, 4])
def test_ctrl_c_exits_with_130(seconds: float) -> None:
    command = [sys.executable, "-m", "tenfold", "serve", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    if seconds < 1 and process.returncode == -signal.SIGINT:
        pytest.skip("on this slow machine Python itself was still starting")
    assert process.returncode == 130
    assert said.splitlines()[-1] == "tenfold: interrupted"


def test_a_killed_worker_is_replaced_while_the_others_go_on(pngs: list[bytes]) -> None:
    with serving(workers=2) as one:
        before = one.list_workers()
        assert len(before) == 2
        one.process.poll()
        before[0].kill()
        killed = time.monotonic()
        num_failed = 0
        while len({worker.pid for worker in one.list_workers()} - {w.pid for w in before}) < 1:
            try:
                answer = httpx.post(f"{one.address}/v1/read", content=pngs[0], headers=PNG)
                assert answer.json()["text"] == "7"
            except httpx.TransportError:  # it was with the killed one
                num_failed += 1
        while sum_metric(one.address, "tenfold_worker_starts_total") < 3:
            assert time.monotonic() - killed < STOP_SECONDS
        seconds = time.monotonic() - killed
        assert num_failed <= 2
        assert seconds < 5 * max(1, psutil.getloadavg()[0])
        one.wait_for_line("Unexpected exit from worker-")
        one.wait_for_line("Respawning worker-")


def test_sighup_replaces_the_workers_and_loads_the_model_again(
    pngs: list[bytes], tmp_path: Path
) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(BUNDLED_MODEL.read_bytes())
    with serving("--model", str(model)) as one:
        [before] = one.list_workers()
        one.process.send_signal(signal.SIGHUP)
        one.wait_for_line("Stopped old worker-1")
        assert not before.is_running() or before.status() == psutil.STATUS_ZOMBIE
        answer = httpx.post(f"{one.address}/v1/read", content=pngs[0], headers=PNG)
        assert answer.json()["text"] == "7"


def test_sighup_keeps_the_workers_if_a_file_cannot_be_used(
    pngs: list[bytes], certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    model, (cert, key) = tmp_path / "model.onnx", certificate
    model.write_bytes(BUNDLED_MODEL.read_bytes())
    files = ("--model", str(model), "--tls-cert", str(cert), "--tls-key", str(key))
    with serving(*files) as one:
        [before] = one.list_workers()
        for file, reason in ((model, "model.onnx"), (cert, "--tls-cert, --tls-key")):
            good = file.read_bytes()
            file.write_text("junk")
            one.process.send_signal(signal.SIGHUP)
            one.wait_for_line(f"error the workers are kept: .*{reason}")
            file.write_bytes(good)
        answer = httpx.post(f"{one.address}/v1/read", content=pngs[0], headers=PNG, verify=False)
        assert answer.json()["text"] == "7"
        assert one.list_workers() == [before]


def test_a_worker_ends_with_a_main_process_that_is_killed(tmp_path: Path) -> None:
    with serving("--uds", str(tmp_path / "socket")) as one:
        [worker] = one.list_workers()
        one.process.kill()
        worker.wait(STOP_SECONDS)


def test_what_befalls_a_worker_is_logged_as_json(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(BUNDLED_MODEL.read_bytes())
    with serving("--model", str(model), "--log-format", "json") as one:
        form = {"content-type": "multipart/form-data; boundary=x"}
        answer = httpx.post(f"{one.address}/v1/read", content=b"no form", headers=form)
        assert answer.status_code == 400
        huge = to_png(np.zeros((8, 8), np.uint8))
        size = struct.pack(">II", 10_000, 10_000)  # at which Pillow warns
        head = b"IHDR" + size + huge[24:29]
        huge = huge[:12] + head + struct.pack(">I", zlib.crc32(head)) + huge[33:]
        answer = httpx.post(f"{one.address}/v1/read", content=huge, headers=PNG)
        assert answer.status_code == 422
        model.unlink()
        [worker] = one.list_workers()
        worker.kill()
        line = one.find_logged(message="the worker cannot start")
        assert "model.onnx: cannot read the model" in line["exception"]
        assert one.process.wait(STOP_SECONDS) == 1
    plain = [line for line in one.said if not line.startswith("{")]
    assert len(plain) == 1, plain
    assert plain[0].startswith("Tenfold is at ")


def test_metrics_count_what_all_workers_did(pngs: list[bytes]) -> None:
    with serving(workers=2) as one:
        for number in range(20):  # each on a connection of its own
            answer = httpx.post(f"{one.address}/v1/read", content=pngs[number], headers=PNG)
            assert answer.status_code == 200
        for _ in range(4):
            assert sum_metric(one.address, "tenfold_readings_total") == 20
            assert sum_metric(one.address, "tenfold_reading_seconds_count") == 20


def test_requests_are_logged_with_their_ids(served: Served, pngs: list[bytes]) -> None:
    post, url = httpx.post, f"{served.address}/v1/read"
    given = {"x-request-id": "from-the-proxy_1", "x-forwarded-for": "192.0.2.7"}
    answer = post(url, content=pngs[0], headers={**PNG, **given})
    assert answer.headers["x-request-id"] == "from-the-proxy_1"
    line = served.find_logged(request_id="from-the-proxy_1")
    assert line.items() >= {"method": "POST", "path": "/v1/read", "status": 200}.items()
    assert line.items() >= {"readings": "read", "forwarded_for": "192.0.2.7"}.items()
    assert line["ms"] > 0
    assert line["client"] == "127.0.0.1"
    answer = post(url, content=b"no image", headers={**PNG, "x-request-id": "a b"})
    new = answer.headers["x-request-id"]
    assert new != "a b"
    assert served.find_logged(request_id=new)["code"] == "unreadable-image"
    httpx.get(f"{served.address}/%0A%1B[31m")  # no line or colour of its own
    assert served.find_logged(path="/\n\x1b[31m")["status"] == 404


def test_text_logs_are_one_line_for_each_request() -> None:
    with serving() as one:
        httpx.get(f"{one.address}/%0A%1B[31m")
        line = one.wait_for_line(".*status=404.*")[0]
        assert "path=/\\n\\x1b[31m" in line
        assert "code=not-found" in line


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server on a socket, as behind a proxy that shows it below a path."""
    path = tmp_path_factory.mktemp("socket") / "tenfold"
    arguments = ("--uds", str(path), "--root-path", "/digits", "--allow-host", "example.org")
    with serving(*arguments):
        transport = httpx.HTTPTransport(uds=str(path))
        with httpx.Client(transport=transport, base_url="http://example.org") as client:
            yield client
    assert not path.exists()


@pytest.mark.parametrize("root", ["", "/digits"])
def test_a_proxy_may_leave_the_path_or_take_it_away(
    behind: httpx.Client, root: str, pngs: list[bytes]
) -> None:
    for path in ("/", "/docs", "/page/main.js", "/health/ready", "/openapi.json"):
        assert behind.get(root + path).status_code == 200, path
    answer = behind.post(f"{root}/v1/read", content=pngs[0], headers=PNG)
    assert answer.json()["text"] == "7"
    assert behind.get("/digitsx/").status_code == 404


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


def test_the_certificate_is_used(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    with serving("--tls-cert", str(cert), "--tls-key", str(key)) as one:
        assert one.scheme == "https"
        context = ssl.create_default_context(cafile=str(cert))
        assert httpx.get(f"{one.address}/health/live", verify=context).status_code == 200


def test_a_host_name_is_resolved() -> None:
    with serving("--host", "localhost") as one, socket.create_connection(("127.0.0.1", one.port)):
        pass
