"""The accuracy of reading, compared with other OCR programs, and its speed.

Images are drawn from MNIST's test digits, which are not used in training. Run `make bench-reading`.

The other programs are Tesseract (Debian's tesseract-ocr), and in an environment of their own
RapidOCR (PP-OCR networks on ONNX Runtime), ddddocr and EasyOCR; a missing one is skipped. They read
each set twice, the images as they are and prepared, small ones enlarged and all with a margin, and
the better share counts. Their texts count as they are, and with letters that look like digits
replaced and everything else left out.
"""

import argparse
import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from reading_images import LabelledPixels, Pixels, build_sets
from reading_peers import LOADERS, NOT_INSTALLED
from tenfold import Reader
from tenfold.data.mnist import load_part
from tenfold.reading.bulk import list_files, read_files
from tenfold.reading.decoding import decode_array
from tenfold.reading.digit_image import normalise_digit
from tenfold.synthetic.canvas import Images

PEERS = Path(__file__).with_name("reading_peers.py")
SMALL_PX = 100
LOOK_ALIKES = str.maketrans("OoDQlIi|!ZzSsbGBgq", "000011111225566899")

# Prints the reading of a file, then its own peak memory in KiB. (The resource usage of a child also
# counts the memory of the process that it was forked from.)
READ_ONE = """
import re, sys
from pathlib import Path
from tenfold.cli import main
main(["read", "--json", sys.argv[1]])
print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text()).group(1))
"""


def prepare(pixels: Pixels) -> Pixels:
    """Prepare an image for the other packages: not too small, and with a margin."""
    if max(pixels.shape[:2]) < SMALL_PX:
        pixels = cv2.resize(pixels, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    paper = tuple(int(value) for value in np.median(pixels.reshape(-1, 3), axis=0))
    bordered = cv2.copyMakeBorder(pixels, 20, 20, 20, 20, cv2.BORDER_CONSTANT, value=paper)
    return np.asarray(bordered)


def ask_peer(python: Path, name: str, paths: list[Path], single: bool) -> list[str] | None:
    """The texts that another program reads in files, None if it is not installed."""
    done = subprocess.run(
        [python, PEERS, name, *["--single"] * single],
        input="".join(f"{path}\n" for path in paths),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == NOT_INSTALLED:
        return None
    if done.returncode:
        raise RuntimeError(f"{name} failed: {done.stderr}")
    return [str(text) for text in json.loads(done.stdout)]


def map_look_alikes(text: str) -> str:
    """Replace letters that look like digits, and leave out all else."""
    return re.sub("[^0-9]", "", text.translate(LOOK_ALIKES))


def best_share(answers: list[str], texts: list[str]) -> str:
    """The share of right answers to the images as they are or prepared, whichever is larger."""
    right = np.equal(np.reshape(answers, (2, len(texts))), texts)
    return _percent(right.sum(axis=1).max(), len(texts))


def compare(sets: dict[str, list[LabelledPixels]], python: Path) -> None:
    """Print the accuracy of each reader; `python` has the other programs."""
    reader = Reader()
    peers = [name for name in LOADERS if ask_peer(python, name, [], False) is not None]
    print(f"{'':24}{'n':>6}{'tenfold':>10}{'read':>8}{'right':>8}", end="")
    print("".join(f"{name:>16}" for name in peers))
    for title, named in sets.items():
        texts = [text for text, _ in named]
        single = all(len(text) == 1 for text in texts)
        readings = [reader.read_decoded(decode_array(pixels), single=single) for _, pixels in named]
        answers = [map_look_alikes(one.text) for one in readings]
        right = [answer == text for answer, text in zip(answers, texts, strict=True)]
        is_read = [one.status == "read" for one in readings]
        both = sum(a and b for a, b in zip(right, is_read, strict=True))
        cells = f"{_percent(sum(right), len(named)):>10}{_percent(sum(is_read), len(named)):>8}"
        cells += f"{_percent(both, sum(is_read)):>8}"
        with tempfile.TemporaryDirectory() as folder:
            paths: list[Path] = []
            for change in (np.asarray, prepare):
                for _, pixels in named:
                    paths.append(Path(folder) / f"{len(paths):05}.png")
                    Image.fromarray(change(pixels)).save(paths[-1])
            for name in peers:
                answers = ask_peer(python, name, paths, single) or []
                shares = [
                    best_share(list(map(f, answers)), texts) for f in (str.strip, map_look_alikes)
                ]
                cells += f"{' '.join(shares):>16}"
        print(f"{title:24}{len(named):>6}{cells}", flush=True)
    print("tenfold: text right whatever the status; read: status read; right: right among those")
    print("others: text right as it is, and with letters that look like digits replaced")
    left_out = [name for name in LOADERS if name not in peers]
    if left_out:
        print(f"left out, not installed: {', '.join(left_out)}")


def time_reading(num_files: int) -> None:
    """Print the time of process start, one glyph, one photo and many files, and the memory."""
    test = load_part(None, "test")
    with tempfile.TemporaryDirectory() as folder:
        one = Path(folder) / "one.png"
        Image.fromarray(test.images_NHW[0]).save(one)
        starts = []
        # With compiled modules, as pip installs them; the first call compiles.
        environment = {**os.environ}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "tenfold", "read", str(one)]
        for _ in range(6):
            begin = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, env=environment)
            starts.append(time.perf_counter() - begin)
        del starts[0]
        print(f"one file, from process start   {min(starts):.3f} to {max(starts):.3f} s (5 times)")

        reader = Reader()
        decoded = [decode_array(image) for image in test.images_NHW[:500]]
        begin = time.perf_counter()
        for image in decoded:
            reader.read_decoded(image, single=True)
        milliseconds = (time.perf_counter() - begin) / len(decoded) * 1e3
        print(f"28x28 pixels to answer         {milliseconds:.2f} ms")
        begin = time.perf_counter()
        for i in range(500):
            reader.classifier.classify(
                normalise_digit(test.images_NHW[i] * np.float32(1 / 255))[None]
            )
        milliseconds = (time.perf_counter() - begin) / 500 * 1e3
        print(f"framing and network, one glyph {milliseconds:.2f} ms")

        photo = _draw_photo(test.images_NHW)
        buffer = io.BytesIO()
        Image.fromarray(photo).save(buffer, "JPEG", quality=92)
        reader.read(buffer.getvalue())
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            reading = reader.read(buffer.getvalue())
            times.append(time.perf_counter() - begin)
        print(f"12-megapixel photo, warm       {min(times):.3f} s (best of 5): {reading.status}")

        many = Path(folder) / "many"
        many.mkdir()
        for i in range(num_files):
            Image.fromarray(test.images_NHW[i % 10_000]).save(many / f"{i:06}.png")
        right, begin = 0, time.perf_counter()
        for i, (_, reading) in enumerate(read_files(list_files([many]))):
            right += reading.text == str(test.labels_N[i % 10_000])
        seconds = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(
            f"{num_files:,} PNG files of 28x28       {num_files / seconds:,.0f} a second on "
            f"{len(os.sched_getaffinity(0))} cores, {_percent(right, num_files)} right, "
            f"peak {peak:.0f} MB and {children:.0f} MB a worker"
        )
        time_costly(Path(folder))


def time_costly(folder: Path) -> None:
    """Print time and memory for images with as many components as possible."""
    for name, page in draw_costly():
        file = folder / f"{name}.png"
        Image.fromarray(page.astype(np.uint8)).save(file)
        begin = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", READ_ONE, file], check=True, capture_output=True, text=True
        )
        seconds = time.perf_counter() - begin
        reading, memory = done.stdout.splitlines()
        answer = json.loads(reading)
        print(
            f"12 megapixels of {name:14}{seconds:.2f} s from process start, "
            f"{int(memory) / 1024:.0f} MiB: {answer['status']}, {len(answer['digits'])} digits"
        )


def draw_costly() -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Specks, noise, blobs, checks and digits on 4000 x 3000 pixels."""
    random = np.random.default_rng(0)
    height, width = 3000, 4000
    yield "specks", np.where(random.random((height, width)) < 0.08, 0, 255)
    yield "noise", random.integers(0, 256, (height, width))
    for name, side in (("fine checks", 10), ("checks", 20), ("coarse checks", 40)):
        checks = 255 * random.integers(0, 2, (height // side, width // side))
        yield name, np.kron(checks, np.ones((side, side), np.int64))
    for name, blur in (("blobs", 12), ("large blobs", 24)):
        cloud = cv2.GaussianBlur(random.random((height, width)), (0, 0), blur)
        yield name, np.where(cloud > np.quantile(cloud, 0.4), 0, 255)
    digits = load_part(None, "test").images_NHW
    page = np.full((height, width), 255, np.uint8)
    for i in range(30 * 30):
        top, left = 20 + 98 * (i // 30), 20 + 130 * (i % 30)
        page[top : top + 90, left : left + 100] = cv2.resize(255 - digits[i], (100, 90))
    yield "900 digits", page


def _draw_photo(images_NHW: Images) -> Pixels:
    """Four rows of five digits on 4000 x 3000 pixels of unevenly lit paper."""
    page = np.full((3000, 4000), 225.0, np.float32)
    for i in range(20):
        digit = cv2.resize(images_NHW[i], (420, 420), interpolation=cv2.INTER_CUBIC)
        top, left = 250 + 650 * (i // 5), 350 + 680 * (i % 5)
        page[top : top + 420, left : left + 420] -= digit * 0.6
    page *= np.linspace(1, 0.7, 4000, dtype=np.float32)
    page += np.random.default_rng(0).normal(0, 4, page.shape).astype(np.float32)
    return np.asarray(cv2.merge([np.clip(page, 0, 255).astype(np.uint8)] * 3))


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "-"


def main() -> None:
    """Compare and time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200, help="images a set")
    parser.add_argument("--files", type=int, default=10_000, help="files to read in bulk")
    parser.add_argument(
        "--peers", type=Path, default=sys.executable, help="a Python that has the other programs"
    )
    options = parser.parse_args()
    compare(build_sets(options.images), options.peers)
    time_reading(options.files)


if __name__ == "__main__":
    main()
