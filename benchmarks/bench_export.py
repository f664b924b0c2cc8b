"""The size, accuracy and speed of runs that are exported as C and as quantised ONNX files.

`python benchmarks/bench_export.py RUN...` exports each run into a temporary folder. Bytes of code,
constants, memory and stack are those of Debian's arm-none-eabi-gcc for a Cortex-M0+. Speeds are of
one thread of this machine, on test images in batches of 64 for ONNX Runtime, one by one in C (gcc
-O2). The three are measured in turn, and the median of their ratios counts.
"""

import argparse
import ctypes
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

import tenfold
from tenfold.data.mnist import load_part
from tenfold.reading.digit_classifier import load_classifier
from tenfold.system.machine import describe_machine

ROUNDS = 15
NUM_IMAGES = 1000
FLAGS = (
    *("-std=c99", "-Os", "-mcpu=cortex-m0plus", "-mthumb"),
    *("-ffreestanding", "-fstack-usage", "-c"),
)


def measure_bytes(code: Path) -> dict[str, int]:
    """Bytes of code, constants, memory and stack. The stack is the sum of all functions'."""
    subprocess.run(
        ["arm-none-eabi-gcc", *FLAGS, code, "-o", code.with_suffix(".o")],
        cwd=code.parent,
        check=True,
    )
    listed = subprocess.run(
        ["arm-none-eabi-size", "-A", code.with_suffix(".o")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    sections = {name: int(size) for name, size in re.findall(r"^\.(\w+) +(\d+)", listed, re.M)}
    usage = code.with_suffix(".su").read_text()
    return {
        "code": sections["text"],
        "constants": sections["rodata"],
        "memory": sections["bss"],
        "stack": sum(int(line.split("\t")[1]) for line in usage.splitlines()),
    }


def load_c(code: Path, images_NHW: npt.NDArray[np.uint8]) -> Callable[[], object]:
    """A call that classifies all images in C."""
    library = code.with_suffix(".so")
    subprocess.run(["gcc", "-std=c99", "-O2", "-shared", "-fPIC", code, "-o", library], check=True)
    function = ctypes.CDLL(str(library)).digit_classify
    scores = (ctypes.c_int32 * 11)()
    pointers = [ctypes.c_void_p(image_HW.ctypes.data) for image_HW in images_NHW]
    return lambda: [function(pointer, scores) for pointer in pointers]


def measure_speeds(calls: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Seconds of each call in each round."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def report(run: tenfold.Run, folder: Path) -> None:
    """Export a run, measure, and print."""
    images_NHW = np.ascontiguousarray(load_part(None, "test").images_NHW[:NUM_IMAGES])
    code = tenfold.export_c(run, folder / "model.c")
    exported = tenfold.export_run(run, folder / "model.onnx")
    quantised = tenfold.export_int8(run, folder / "model-int8.onnx")
    classifiers = {"float": load_classifier(exported.path), "int8": load_classifier(quantised.path)}
    seconds = measure_speeds(
        {
            "float": lambda: classifiers["float"].classify(images_NHW),
            "int8": lambda: classifiers["int8"].classify(images_NHW),
            "c": load_c(code.path, images_NHW),
        }
    )
    print(f"\n{run.path}: {run.training.num_parameters:,} parameters")
    print(f"  C          {code.compared.describe()}")
    print(f"  int8 ONNX  {quantised.compared.describe()}")
    sizes = ", ".join(f"{name} {size:,}" for name, size in measure_bytes(code.path).items())
    print(f"  Cortex-M0+ bytes: {sizes}")
    print(f"  ONNX bytes: float {exported.num_bytes:,}, int8 {quantised.num_bytes:,}")
    for name, values in seconds.items():
        ratio = statistics.median(
            base / own for base, own in zip(seconds["float"], values, strict=True)
        )
        speed = NUM_IMAGES / statistics.median(values)
        print(f"  {name:<5}  {speed:,.0f} images/s, {ratio:.2f} times float ONNX")


def main() -> None:
    """Measure all runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    runs = parser.parse_args().runs
    print(describe_machine())
    for path in runs:
        with tempfile.TemporaryDirectory() as folder:
            report(tenfold.load_run(path), Path(folder))


if __name__ == "__main__":
    main()
