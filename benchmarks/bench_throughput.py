"""Images a second and core of runs' models through ONNX Runtime, in bulk.

Each run is exported to ONNX, and its file classifies the 10,000 test images with one thread, in
several rounds, batch size by batch size and model by model in turns. A rate is the median of the
rounds at the best batch size. The machine should be idle.

Prints a table; --json writes the numbers for draw_records.py.
"""

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import onnxruntime as ort
from rich import box
from rich.console import Console
from rich.table import Table

import tenfold
from measure import describe_processor
from tenfold.data.mnist import LabelledImages, load_part
from tenfold.reading.digit_classifier import INPUT, OUTPUT
from tenfold.recipes.catalogue import build_display_name
from tenfold.system.machine import list_versions

BATCH_SIZES = (16, 64, 256, 1000)


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """How fast and how well the exported model of a recipe classifies the test images."""

    recipe: str
    images_per_second: float
    batch_size: int
    accuracy: float
    num_parameters: int
    num_bytes: int


@dataclass(frozen=True, kw_only=True)
class Model:
    """An exported model."""

    recipe: str
    num_parameters: int
    num_bytes: int
    session: ort.InferenceSession


def load_model(path: Path) -> Model:
    """Export a run, and load the file for one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    run = tenfold.load_run(path)
    with tempfile.TemporaryDirectory() as folder:
        exported = tenfold.export_run(run, Path(folder) / "model.onnx")
        session = ort.InferenceSession(exported.path.read_bytes(), options)
    return Model(
        recipe=build_display_name(run.config.recipe),
        num_parameters=run.evaluation.training.num_parameters,
        num_bytes=exported.num_bytes,
        session=session,
    )


def classify(model: Model, images: LabelledImages, batch_size: int) -> tuple[float, float]:
    """The seconds that it takes, and the accuracy."""
    firsts = range(0, len(images), batch_size)
    batches = [images.images_NHW[first : first + batch_size] for first in firsts]
    started = time.perf_counter()
    logits = [model.session.run([OUTPUT], {INPUT: batch})[0] for batch in batches]
    seconds = time.perf_counter() - started
    # Ten digits; a reject class, if there is one, comes after them.
    predicted_N = np.concatenate(logits)[:, :10].argmax(axis=1)
    return seconds, float((predicted_N == images.labels_N).mean())


def measure(models: list[Model], images: LabelledImages, num_rounds: int) -> list[Throughput]:
    """Time every model at every batch size, once a round, after one round to warm up."""
    keys = [(number, size) for size in BATCH_SIZES for number in range(len(models))]
    seconds: dict[tuple[int, int], list[float]] = {key: [] for key in keys}
    accuracies = [0.0] * len(models)
    for round_number in range(1 + num_rounds):
        for size in BATCH_SIZES:
            for number, model in enumerate(models):
                taken, accuracies[number] = classify(model, images, size)
                if round_number:
                    seconds[number, size].append(taken)
    found = []
    for number, model in enumerate(models):
        medians = {size: statistics.median(seconds[number, size]) for size in BATCH_SIZES}
        best = min(medians, key=lambda size: medians[size])
        found.append(
            Throughput(
                recipe=model.recipe,
                images_per_second=len(images) / medians[best],
                batch_size=best,
                accuracy=accuracies[number],
                num_parameters=model.num_parameters,
                num_bytes=model.num_bytes,
            )
        )
    return found


def build_table(found: list[Throughput], title: str) -> Table:
    """The measurements, one recipe a row."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, collapse_padding=True)
    table.add_column("recipe", no_wrap=True)
    for header in ("images/s", "batch", "accuracy", "parameters", "bytes"):
        table.add_column(header, justify="right", no_wrap=True)
    for one in found:
        table.add_row(
            one.recipe,
            f"{one.images_per_second:,.0f}",
            f"{one.batch_size}",
            f"{100 * one.accuracy:.2f} %",
            f"{one.num_parameters:,}",
            f"{one.num_bytes:,}",
        )
    return table


def main() -> None:
    """Measure, print, and write the JSON file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    models = [load_model(path) for path in arguments.runs]
    found = measure(models, load_part(None, "test"), arguments.rounds)
    Console().print(build_table(found, f"one thread, {describe_processor()}"))
    if arguments.json:
        values = {
            "date": date.today().isoformat(),
            "machine": describe_processor(),
            "versions": {**list_versions(), "onnxruntime": ort.__version__},
            "models": [asdict(one) for one in found],
        }
        arguments.json.write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()
