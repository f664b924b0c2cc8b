"""Starts `tenfold serve` for tests, and talks to it."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import cv2
import httpx
import numpy as np
import numpy.typing as npt
import psutil

START_SECONDS = STOP_SECONDS = 60


@dataclass
class Served:
    """A running server: its process, its port, and the lines that it wrote to stderr."""

    process: subprocess.Popen[str]
    port: int = 0
    said: list[str] = field(default_factory=list)
    scheme: str = "http"

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def list_workers(self) -> list[psutil.Process]:
        """The worker processes that have not ended."""
        found = []
        for process in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):  # a zombie, too
                found += [process] * ("spawn_main" in str(process.cmdline()))
        return found

    def wait_for_line(self, pattern: str) -> re.Match[str]:
        """The first line that it says that matches."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            for line in list(self.said):
                if found := re.search(pattern, line):
                    return found
            time.sleep(0.02)
        raise AssertionError(f"no line matches {pattern}: {''.join(self.said)}")

    def find_logged(self, **values: object) -> dict[str, Any]:
        """The JSON line with these values; the server must log as JSON."""
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            for line in (json.loads(line) for line in list(self.said) if line.startswith("{")):
                if values.items() <= line.items():
                    return dict(line)
            time.sleep(0.02)
        raise AssertionError(f"no line has {values}: {''.join(self.said)}")


@contextmanager
def serving(*arguments: str, workers: int | None = 1) -> Iterator[Served]:
    """Run `tenfold serve` on a free port until the block ends; all its workers answer at first."""
    command = [sys.executable, "-m", "tenfold", "serve", "--port", "0", *arguments]
    if workers is not None:
        command += ["--workers", str(workers)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    served = Served(process)
    listener = threading.Thread(target=served.said.extend, args=(process.stderr,), daemon=True)
    listener.start()
    try:
        found = served.wait_for_line(r"Tenfold is at (?:(https?)://[^:]+:(\d+)|unix)")
        served.scheme, served.port = found[1] or "unix", int(found[2] or 0)
        for number in range(workers or 1):
            served.wait_for_line(f"Started worker-{number + 1}")
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        listener.join()
        process.stderr.close()


def draw_dense_page() -> npt.NDArray[np.uint8]:
    """Two hundred digits on a small image."""
    page = np.full((320, 320), 255, np.uint8)
    for row in range(12):
        at = (3, 20 + 26 * row)
        cv2.putText(page, "31415926535897932384", at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 0)
    return page


def sum_metric(address: str, name: str) -> float:
    """The value of a metric of a server, over all its labels."""
    lines = httpx.get(f"{address}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if re.match(rf"{name}[ {{]", line))


def send_raw(port: int, data: bytes, *, seconds: float = 30) -> bytes:
    """Send bytes, and receive until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(data)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


def find_code(answer: bytes) -> str:
    """The `code` of the problem details at the end of a raw response."""
    details: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return str(details["code"])
