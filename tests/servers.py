"""Starts `tenfold serve` for tests, and talks to it."""

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import cv2
import httpx
import numpy as np
import numpy.typing as npt
import psutil

START_SECONDS = 120

# `tenfold` with longer deadlines, as the machine that runs the tests may be busy.
PATIENT = """
import functools, sys
from tenfold.serving import settings
settings.ServingConfig = functools.partial(
    settings.ServingConfig, small_seconds=60, worker_seconds=60, waiting_seconds=120
)
from tenfold.cli import main
sys.exit(main())
"""


@dataclass
class Served:
    """A running server: its process, its port, and the lines that it wrote to stderr."""

    process: subprocess.Popen[str]
    port: int
    said: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(*arguments: str, num_files: int | None = None) -> Iterator[Served]:
    """Run `tenfold serve` on a free port until the block ends; it is ready when the block starts.

    `num_files` limits how many files it may open.
    """
    command = [sys.executable, "-c", PATIENT, "serve", "--port", "0", *arguments]
    if num_files is not None:
        command = ["sh", "-c", f'ulimit -n {num_files}; exec "$@"', "sh", *command]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said: list[str] = []
    listener = None
    try:
        port = 0
        while not port:
            line = process.stderr.readline()
            assert line, said
            said.append(line)
            found = re.search(r"is at http://[^:]+:(\d+) ", line)
            port = int(found.group(1)) if found else 0
        # Keep reading, or the server would block once the pipe is full.
        listener = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
        listener.start()
        served = Served(process, port, said)
        wait_until_ready(served)
        yield served
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if listener is not None:
            listener.join()
        process.stderr.close()


def wait_until_ready(served: Served) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            if httpx.get(f"{served.address}/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("".join(served.said))


def draw_dense_page() -> npt.NDArray[np.uint8]:
    """Two hundred digits on a small image."""
    page = np.full((320, 320), 255, np.uint8)
    for row in range(12):
        at = (3, 20 + 26 * row)
        cv2.putText(page, "31415926535897932384", at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 0)
    return page


def freeze_workers(one: Served) -> list[psutil.Process]:
    """Suspend the worker processes of a server, as if they were overloaded."""
    found = [
        child
        for child in psutil.Process(one.process.pid).children()
        if "spawn_main" in str(child.cmdline())
    ]
    for child in found:
        child.suspend()
    return found


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
