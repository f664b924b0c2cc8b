"""Throughput of `tenfold serve`, beside an older version, and its behaviour when much is asked.

The load comes from loadtest (npm) over loopback, which uses part of the measured cores. Throughput
is compared with an older version's from a worktree, with that of reading in bulk without a server,
and of an empty endpoint, interleaved. Then: latencies below and above capacity, with photos between
small images, memory over many requests, and what a killed worker and a stop cost.
"""

import argparse
import base64
import io
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from tenfold.data.mnist import load_part
from tenfold.reading.bulk import read_files
from tenfold.reading.reader import Reader

SOURCE = Path(__file__).parents[1] / "src"
CONNECTIONS = 6  # fewer than the server queues
MANY_CONNECTIONS = 128
PHOTO_SIDES = (3000, 4000)  # 12 megapixels
NUM_STOPS = 10
START_SECONDS = 60


class Server:
    """`tenfold serve` of a source folder on a free port; a context manager."""

    def __init__(self, source: Path = SOURCE) -> None:
        command = [sys.executable, "-m", "tenfold", "serve", "--port", "0"]
        environment = {**os.environ, "PYTHONPATH": str(source)}
        self.log = tempfile.NamedTemporaryFile("w+")  # noqa: SIM115 - it lives as long as the server
        self.process = subprocess.Popen(command, stderr=self.log, env=environment, cwd=source)
        end = time.monotonic() + START_SECONDS
        while not (found := re.search(r"is at (http://\S+)", Path(self.log.name).read_text())):
            if time.monotonic() > end:
                raise SystemExit(f"no server from {source}:\n{Path(self.log.name).read_text()}")
            time.sleep(0.05)
        self.url = found.group(1).rstrip("/")
        time.sleep(2)  # for workers that start later than the first

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def list_workers(self) -> list[psutil.Process]:
        """The worker processes."""
        children = psutil.Process(self.process.pid).children()
        return [one for one in children if "spawn_main" in str(one.cmdline())]

    def measure_memory(self) -> float:
        """Resident memory of the server and its workers, in megabytes."""
        every = [psutil.Process(self.process.pid), *self.list_workers()]
        return sum(one.memory_info().rss for one in every) / 1e6


def start_load(node_modules: Path, server: Server, images: Any, **options: Any) -> Any:  # noqa: ANN401 - JSON
    """Start the load generator."""
    settings: dict[str, Any] = {"connections": CONNECTIONS, "rate": 0, "seconds": 8, "amount": 0}
    settings |= {"url": server.url, "path": "/v1/read", "images": images, "photo": None, **options}
    script = Path(__file__).with_name("load.mjs")
    command = ["node", str(script), str(node_modules)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(settings))
    process.stdin.close()
    process.stdin = None
    return process


def load(node_modules: Path, server: Server, images: Any, **options: Any) -> Any:  # noqa: ANN401 - JSON
    """Run the load generator; return its measurements."""
    process = start_load(node_modules, server, images, **options)
    found, errors = process.communicate()
    if process.returncode:
        raise SystemExit(f"the load generator failed:\n{errors}")
    return json.loads(found)


def measure_bulk(files: list[Path]) -> float:
    """Images a second of `tenfold read` after its processes have started."""
    readings = read_files(files)
    for _ in range(len(files) // 4):
        next(readings)
    started = time.perf_counter()
    rest = sum(1 for _ in readings)
    return rest / (time.perf_counter() - started)


def pack(data: bytes, kind: str, reader: Reader) -> dict[str, Any]:
    """An image for the load generator, with its right answer."""
    text = reader.read(data).text
    return {"body": base64.b64encode(data).decode(), "type": kind, "text": text}


def draw_photo(images_NHW: np.ndarray) -> bytes:
    """A photo of 12 megapixels: some rows of digits in uneven light, with a camera's noise."""
    rng = np.random.default_rng(0)
    rows = [np.concatenate(list(images_NHW[8 * i : 8 * i + 8]), axis=1) for i in range(5)]
    ink = Image.fromarray(np.concatenate(rows)).resize(PHOTO_SIDES[::-1], Image.Resampling.BICUBIC)
    light_W = np.linspace(235, 175, PHOTO_SIDES[1])
    noise_HW = rng.normal(0, 3, PHOTO_SIDES)
    photo_HW = light_W * (1 - np.asarray(ink) / 255 * 0.8) + noise_HW
    file = io.BytesIO()
    Image.fromarray(photo_HW.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=88)
    return file.getvalue()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--node", type=Path, required=True, help="a folder with node_modules")
    parser.add_argument("--old", type=Path, help="a worktree of the version to compare with")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8, help="of each measurement of a rate")
    parser.add_argument("--requests", type=int, default=100_000, help="for the memory")
    options = parser.parse_args()
    reader = Reader()
    images_NHW = load_part(None, "test").images_NHW[: options.images]
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        images, files = [], []
        for number, image_HW in enumerate(images_NHW):
            file = folder / f"{number:05}.png"
            Image.fromarray(image_HW).save(file)
            files.append(file)
            images.append(pack(file.read_bytes(), "image/png", reader))
        photo = pack(draw_photo(images_NHW), "image/jpeg", reader)
        server = opened.enter_context(Server())
        old = opened.enter_context(Server(options.old / "src")) if options.old else None
        capacity = measure_rates(options, server, old, images, files)
        measure_latencies(options, server, images, capacity)
        for name, one in (("", server), ("old version, ", old)):
            if one is not None:
                measure_photos(options, one, images, photo, name)
        measure_memory(options, server, images)
        measure_kill(options, server, images)
    measure_stops(options, images)


def measure_rates(
    options: argparse.Namespace,
    server: Server,
    old: Server | None,
    images: list[dict[str, Any]],
    files: list[Path],
) -> float:
    """Print interleaved rates; return the server's, in requests a second."""
    servers = {"HTTP, requests a second": server} | ({"old version": old} if old else {})
    rates: dict[str, list[float]] = {"bulk, images a second": [], **{name: [] for name in servers}}
    rates["empty endpoint"] = []
    for one in servers.values():
        load(options.node, one, images, seconds=3)
    for _ in range(options.rounds):
        rates["bulk, images a second"].append(measure_bulk(files))
        for name, one in servers.items():
            found = load(options.node, one, images, seconds=options.seconds)
            check(found)
            rates[name].append(found["accepted"] / found["seconds"])
        nothing = [{"body": None, "text": None}]
        found = load(options.node, server, nothing, path="/health/live", seconds=3)
        rates["empty endpoint"].append(found["accepted"] / found["seconds"])
    for name, values in rates.items():
        every = " ".join(f"{value:.0f}" for value in values)
        print(f"{name + ':':<32} {statistics.median(values):.0f}  ({every})", flush=True)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    capacity = medians["HTTP, requests a second"]
    print(f"HTTP of bulk:                    {capacity / medians['bulk, images a second']:.2f}")
    if old:
        print(
            f"HTTP of the old version's:       {capacity / medians['old version']:.2f}", flush=True
        )
    return capacity


def measure_latencies(
    options: argparse.Namespace, server: Server, images: list[dict[str, Any]], capacity: float
) -> None:
    """Print latencies below and above capacity."""
    seconds = 2 * options.seconds
    light = load(options.node, server, images, rate=round(0.8 * capacity), seconds=seconds)
    check(light)
    print(f"at 0.8 of capacity, ms:          p50 {light['p50']:.1f}, p99 {light['p99']:.1f}")
    heavy = load(
        options.node,
        server,
        images,
        rate=round(5 * capacity),
        connections=MANY_CONNECTIONS,
        seconds=seconds,
    )
    check(heavy)
    offered = (heavy["accepted"] + heavy["refused"]) / heavy["seconds"]
    print(
        f"at {offered / capacity:.1f} times capacity, ms:      p50 {heavy['p50']:.1f}, "
        f"p99 {heavy['p99']:.1f} ({heavy['p99'] / light['p99']:.1f} times), "
        f"{heavy['accepted'] / heavy['seconds']:.0f} a second accepted; "
        f"p99 of the refused {heavy['refused_p99']:.1f}",
        flush=True,
    )


def measure_photos(
    options: argparse.Namespace,
    server: Server,
    images: list[dict[str, Any]],
    photo: dict[str, Any],
    name: str,
) -> None:
    """Print the latencies of small images, alone and with a photo instead of one in 50."""
    alone = load(options.node, server, images, seconds=options.seconds)
    mixed = load(options.node, server, images, seconds=2 * options.seconds, photo=photo)
    check(mixed)
    print(
        f"{name}one photo of 12 megapixels in 50, ms: small p50 {mixed['p50']:.1f}, p99 "
        f"{mixed['p99']:.1f} ({mixed['p99'] - alone['p99']:+.1f}), photos p50 "
        f"{mixed['photos_p50']:.0f}; {mixed['accepted']} small, {mixed['photos']} photos, "
        f"{mixed['refused']} refused",
        flush=True,
    )


def measure_memory(
    options: argparse.Namespace, server: Server, images: list[dict[str, Any]]
) -> None:
    """Print the memory before and after many requests, each of whose answers is checked."""
    before = server.measure_memory()
    check(load(options.node, server, images, amount=options.requests))
    after = server.measure_memory()
    print(f"memory over {options.requests:,} requests, MB: {before:.0f} before, {after:.0f} after")


def measure_kill(options: argparse.Namespace, server: Server, images: list[dict[str, Any]]) -> None:
    """Print how long a killed worker is missing under load, and what it costs."""
    loading = start_load(options.node, server, images, seconds=10)
    time.sleep(2)
    before = {one.pid for one in server.list_workers()}
    log = Path(server.log.name)
    num_started = log.read_text().count("Started worker-")
    psutil.Process(min(before)).kill()
    killed = time.monotonic()
    while log.read_text().count("Started worker-") == num_started:
        time.sleep(0.02)
    seconds = time.monotonic() - killed
    found = json.loads(loading.communicate()[0])
    print(
        f"a killed worker is replaced after {seconds:.1f} s; {found['lost']} requests lost, "
        f"{found['wrong'] + found['other']} wrong, {found['accepted']} right",
        flush=True,
    )


def measure_stops(options: argparse.Namespace, images: list[dict[str, Any]]) -> None:
    """Print what SIGTERM under load costs."""
    lost = wrong = 0
    seconds = []
    for _ in range(NUM_STOPS):
        with Server() as server:
            loading = start_load(options.node, server, images, seconds=4)
            time.sleep(2)
            started = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            server.process.wait()
            seconds.append(time.monotonic() - started)
            found = json.loads(loading.communicate()[0])
            lost += found["cut"]
            wrong += found["wrong"] + found["other"]
    print(
        f"{NUM_STOPS} stops under load of {CONNECTIONS} connections: {lost} requests unanswered, "
        f"{wrong} wrong; at most {max(seconds):.2f} s",
    )


def check(found: dict[str, Any]) -> None:
    """Exit if answers are lost or wrong."""
    bad = {name: found[name] for name in ("wrong", "other", "lost") if found[name]}
    if bad:
        raise SystemExit(f"lost or wrong answers: {bad}")


if __name__ == "__main__":
    main()
