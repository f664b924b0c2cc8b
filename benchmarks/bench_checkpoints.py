"""The cost of checkpoints: classic with one after every epoch and without, interleaved.

Prints the training seconds of each pair, their ratio, and the time of one checkpoint. The machine
should be idle.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import tenfold
from tenfold.models.build import build_model
from tenfold.system.files import write_file
from tenfold.training.checkpoint import Checkpoint, dump_checkpoint

MAX_PERCENT = 3.0


def train(folder: Path, seed: int, every: int) -> float:
    """The training seconds of a run with a checkpoint after each `every` epochs."""
    run = tenfold.train(
        seed=seed, out=folder / f"{seed}-{every}", checkpoint_every=every, report=False
    )
    return run.training.seconds


def time_one(folder: Path, seconds_of_run: float) -> float:
    """Print the time of one checkpoint; return that of five as a percentage of training."""
    config = tenfold.load_run(folder / "0-1").config
    model = build_model(config.recipe.model, 0)
    moments = {name: next(model.parameters()).new_zeros(456_385) for name in ("mean", "square")}
    checkpoint = Checkpoint(model=model.state_dict(), optimizer=moments, losses=[0.1] * 3000)
    building, writing = [], []
    for _ in range(20):
        start = time.perf_counter()
        data = dump_checkpoint(checkpoint, "0" * 64)
        built = time.perf_counter()
        write_file(folder / "one", data)
        building.append(1000 * (built - start))
        writing.append(1000 * (time.perf_counter() - built))
    one = statistics.median(building) + statistics.median(writing)
    share = 100 * 5 * one / 1000 / seconds_of_run
    print(
        f"one checkpoint, {len(data):,} bytes: {statistics.median(building):.1f} ms to build, "
        f"{statistics.median(writing):.1f} ms to write; five are {share:.2f} % of training "
        f"(at most {MAX_PERCENT:g})"
    )
    return share


def main() -> bool:
    """Measure and print; return whether the cost is within MAX_PERCENT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        train(folder, pairs, 1)  # the first one warms up
        ratios = []
        for seed in range(pairs):
            order = (1, 0) if seed % 2 else (0, 1)
            seconds = {every: train(folder, seed, every) for every in order}
            ratios.append(100 * (seconds[1] / seconds[0] - 1))
            print(f"seed {seed}: with {seconds[1]:.2f} s, without {seconds[0]:.2f} s")
        print(f"with checkpoints longer by {statistics.median(ratios):.1f} % (median of pairs)")
        return time_one(folder, seconds[0]) <= MAX_PERCENT


if __name__ == "__main__":
    sys.exit(not main())
