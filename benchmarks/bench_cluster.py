"""Speed and memory of `tenfold read --on ray` with one worker and with two.

    python benchmarks/bench_cluster.py [--counts 1000 10000] [--repeats 3] [--side-px 112]

Reads MNIST's test images, enlarged to the size of photos, each time in a new Ray cluster, compared
with processes without Ray. Seconds are those of the whole command; images a second are those from
the first written block to the last. Memory is the peak of the process and all its descendants: the
sum of their proportional set sizes (PSS), in which shared pages count once. The machine should be
idle.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from PIL import Image

from tenfold.data.mnist import load_part
from tenfold.system.machine import describe_machine

SECONDS_BETWEEN_LOOKS = 0.2
# Prints the time at which each Parquet file was written and the number of images by then.
READ_ON_RAY = """
import json, sys
from pathlib import Path
import pyarrow.parquet as pq
from tenfold.cluster.connecting import connecting
from tenfold.cluster.reading import read_folder
if __name__ == "__main__":
    images, out, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    with connecting(num_cores=workers):
        read_folder(images, out)
    done, num_done = [], 0
    for path in sorted(out.iterdir(), key=lambda path: path.stat().st_mtime):
        num_done += pq.read_metadata(path).num_rows
        done.append((path.stat().st_mtime, num_done))
    print(json.dumps(done))
"""
READ_HERE = """
import json, sys, time
from pathlib import Path
from tenfold.reading.bulk import list_files, read_files
if __name__ == "__main__":
    files = list_files([Path(sys.argv[1])])
    done = []
    for number, _ in enumerate(read_files(files, processes=int(sys.argv[3])), 1):
        if number % 100 == 0:
            done.append((time.monotonic(), number))
    print(json.dumps(done))
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One call: total seconds, images a second while reading, and peak memory in MiB."""

    seconds: float
    images_per_second: float
    peak_mib: float


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--counts", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--side-px", type=int, default=112)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", action="store_true", help="print all numbers as JSON")
    arguments = parser.parse_args()
    results: dict[str, list[Measured]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for count in arguments.counts:
            images = write_images(Path(temporary, str(count)), count, arguments.side_px)
            ways = [(how, workers) for how in ("no Ray", "Ray") for workers in arguments.workers]
            for repeat in range(arguments.repeats):
                for how, workers in ways:  # interleaved
                    name = f"{count:,} images, {how}, {workers} workers"
                    script = READ_ON_RAY if how == "Ray" else READ_HERE
                    out = Path(temporary, f"out-{count}-{workers}-{repeat}")
                    results.setdefault(name, []).append(measure(script, images, out, workers))
                    print(f"{name}: {results[name][-1]}", file=sys.stderr)
    if arguments.json:
        print(
            json.dumps(
                {
                    "machine": describe_machine(),
                    "results": {
                        name: [vars(one) for one in all_] for name, all_ in results.items()
                    },
                },
                indent=1,
            )
        )
        return 0
    print(json.dumps(describe_machine()))
    print(
        f"{'':<34} {'seconds':>9} {'images/s':>9} {'peak MiB':>9}   medians of {arguments.repeats}"
    )
    for name, several in results.items():
        seconds, speed, peak = (
            statistics.median(getattr(one, field) for one in several)
            for field in ("seconds", "images_per_second", "peak_mib")
        )
        print(f"{name:<34} {seconds:>9.1f} {speed:>9.0f} {peak:>9.0f}")
    return 0


def write_images(folder: Path, count: int, side_px: int) -> Path:
    """MNIST's test images as PNG files, black on white, a thousand in a folder.

    What comes after the first 10,000 are further names of the same files.
    """
    digits = load_part(None, "test").images_NHW
    paths = [folder / f"{number // 1000:03}" / f"{number:06}.png" for number in range(count)]
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < len(digits):
            image = Image.fromarray(255 - digits[number])
            image.resize((side_px, side_px)).save(path)
        else:
            path.hardlink_to(paths[number % len(digits)])
    return folder


def measure(script: str, images: Path, out: Path, workers: int) -> Measured:
    """Run a script in a process of its own, watching the memory of it and of all below it."""
    start = time.monotonic()
    command = [sys.executable, "-c", script, str(images), str(out), str(workers)]
    with tempfile.TemporaryFile("w+") as printed:
        process = psutil.Popen(command, stdout=printed)
        peak_bytes = 0
        while process.poll() is None:
            peak_bytes = max(peak_bytes, sum(list_memory(process)))
            time.sleep(SECONDS_BETWEEN_LOOKS)
        seconds = time.monotonic() - start
        if process.returncode:
            raise SystemExit(f"the call failed with exit code {process.returncode}")
        printed.seek(0)
        done = json.loads(printed.read().splitlines()[-1])
    (first, num_first), (last, num_last) = done[0], done[-1]
    return Measured(
        seconds=round(seconds, 2),
        images_per_second=round((num_last - num_first) / (last - first), 1),
        peak_mib=round(peak_bytes / 1024**2, 1),
    )


def list_memory(process: psutil.Process) -> Iterator[int]:
    """The memory in bytes of a process and of each below it."""
    for one in (process, *process.children(recursive=True)):
        try:
            memory = one.memory_full_info()
        except psutil.Error:
            continue  # it has just ended
        yield getattr(memory, "pss", memory.rss)


if __name__ == "__main__":
    sys.exit(main())
