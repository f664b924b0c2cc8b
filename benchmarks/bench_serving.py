"""Throughput of `tenfold serve`, its behaviour under overload, and its memory.

The load comes from loadtest (npm) over loopback, which uses part of the measured cores. Throughput
is compared with that of reading in bulk without a server, interleaved, and of an empty endpoint.
"""

import argparse
import base64
import io
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from tenfold.data.mnist import load_part
from tenfold.reading.bulk import read_files
from tenfold.reading.reader import Reader

CONNECTIONS = 6  # fewer than the server queues
MANY_CONNECTIONS = 128
ROUNDS = 3


class Server:
    """`tenfold serve` on a free port."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tenfold", "serve", "--port", "0"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        found = re.search(r"http://\S+", self.process.stderr.readline())
        assert found is not None
        self.url = found.group(0)

    def measure_memory(self) -> float:
        """Resident memory of the server and its workers, in megabytes."""
        parent = psutil.Process(self.process.pid)
        every = [parent, *parent.children(recursive=True)]
        return sum(one.memory_info().rss for one in every) / 1e6


def load(node_modules: Path, server: Server, images: list[dict[str, Any]], **options: Any) -> Any:  # noqa: ANN401 - JSON
    """Run the load generator; return its measurements."""
    settings = {"connections": CONNECTIONS, "rate": 0, "seconds": 8, "amount": 0, **options}
    script = Path(__file__).with_name("load.mjs")
    done = subprocess.run(
        ["node", str(script), str(node_modules)],
        input=json.dumps({"url": server.url, "path": "/v1/read", "images": images, **settings}),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def measure_bulk(files: list[Path]) -> float:
    """Images a second of `tenfold read` after its processes have started."""
    readings = read_files(files)
    for _ in range(len(files) // 4):
        next(readings)
    started = time.perf_counter()
    rest = sum(1 for _ in readings)
    return rest / (time.perf_counter() - started)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--node", type=Path, required=True, help="a folder with node_modules")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--requests", type=int, default=100_000, help="for the memory")
    options = parser.parse_args()
    reader = Reader()
    images, nothing = [], [{"body": None, "text": None}]
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, image in enumerate(load_part(None, "test").images_NHW[: options.images]):
            file = io.BytesIO()
            Image.fromarray(image).save(file, "PNG")
            data = file.getvalue()
            files.append(Path(folder) / f"{number:05}.png")
            files[-1].write_bytes(data)
            text = reader.read(data).text
            images.append({"body": base64.b64encode(data).decode(), "text": text})
        server = Server()
        try:
            measure(options, server, images, nothing, files)
        finally:
            server.process.terminate()
            server.process.wait()


def measure(
    options: argparse.Namespace,
    server: Server,
    images: list[dict[str, Any]],
    nothing: list[dict[str, Any]],
    files: list[Path],
) -> None:
    """Measure a running server."""
    load(options.node, server, images, seconds=3)
    bulk, rates, empty = [], [], []
    for _ in range(ROUNDS):
        bulk.append(measure_bulk(files))
        found = load(options.node, server, images)
        check(found)
        rates.append(found["accepted"] / found["seconds"])
        found = load(options.node, server, nothing, path="/health/live", seconds=3)
        empty.append(found["accepted"] / found["seconds"])
    capacity = statistics.median(rates)
    print(f"bulk, images a second:           {describe(bulk)}")
    print(f"HTTP, requests a second:         {describe(rates)}")
    print(f"empty endpoint:                  {describe(empty)}")
    print(f"HTTP of bulk:                    {capacity / statistics.median(bulk):.2f}")
    light = load(options.node, server, images, rate=round(0.8 * capacity), seconds=15)
    check(light)
    print(f"at 0.8 of capacity, ms:          p50 {light['p50']:.1f}, p99 {light['p99']:.1f}")
    heavy = load(
        options.node,
        server,
        images,
        rate=round(5 * capacity),
        connections=MANY_CONNECTIONS,
        seconds=15,
    )
    check(heavy)
    offered = (heavy["accepted"] + heavy["refused"]) / heavy["seconds"]
    print(
        f"at {offered / capacity:.1f} times capacity, ms:      p50 {heavy['p50']:.1f}, "
        f"p99 {heavy['p99']:.1f} ({heavy['p99'] / light['p99']:.1f} times), "
        f"{heavy['accepted'] / heavy['seconds']:.0f} a second accepted; "
        f"p99 of the refused {heavy['refused_p99']:.1f}"
    )
    before = server.measure_memory()
    found = load(options.node, server, images, amount=options.requests)
    check(found)
    after = server.measure_memory()
    print(f"memory over {options.requests:,} requests, MB: {before:.0f} before, {after:.0f} after")


def check(found: dict[str, Any]) -> None:
    """Exit if answers are lost or wrong."""
    bad = {name: found[name] for name in ("wrong", "other", "lost") if found[name]}
    if bad:
        raise SystemExit(f"lost or wrong answers: {bad}")


def describe(values: list[float]) -> str:
    """A median and its values."""
    every = " ".join(f"{value:.0f}" for value in values)
    return f"{statistics.median(values):.0f}  ({every})"


if __name__ == "__main__":
    main()
