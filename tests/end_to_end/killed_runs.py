"""Kills runs at random moments, resumes them, and compares them with one that was not killed.

The script imports PyTorch once and forks a process for each attempt, so that kills hit training and
not imports. It must not compute anything itself before it forks.

    python killed_runs.py DATA FOLDER NUM_KILLS SEED [--whole]      prints one JSON object

With --whole, runs are also calibrated and get figures and a report.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import tenfold
import tenfold.training.trainer
import tenfold.workflow.calibrate
from tenfold.runs.folder import CHECKPOINT, CONFIG, EVALUATION, REPORT, STATE, is_unfinished

RECIPE = tenfold.RECIPES["classic"].replace(hidden_sizes=(40,), epochs=4, batch_size=10)
IS_WHOLE = "--whole" in sys.argv
if IS_WHOLE:
    import matplotlib.figure  # noqa: F401 - imported once, before forking

    RECIPE = RECIPE.replace(calibrates=True)
    tenfold.workflow.calibrate.MOST_READ = 20


def start(data: str, out: Path) -> int:
    """Fork a process that trains or resumes a run, and return its number."""
    child = os.fork()
    if child:
        return child
    try:
        if (out / CONFIG).exists():
            tenfold.resume(out)
        else:
            tenfold.train(RECIPE, data=data, out=out, threads=1, report=IS_WHOLE)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def finish(data: str, out: Path) -> None:
    """Train or resume a run to its end."""
    _, status = os.waitpid(start(data, out), 0)
    assert status == 0, status


def kill_many(data: str, folder: Path, num_kills: int, seed: int) -> dict[str, int]:
    """Kill runs `num_kills` times and resume them; count what happened."""
    begun = time.perf_counter()
    finish(data, folder / "whole")
    seconds = time.perf_counter() - begun
    expected = describe(folder / "whole")
    moments = random.Random(seed)
    found = dict.fromkeys(("kills", "runs", "resumed", "from_checkpoint", "different"), 0)
    while found["kills"] < num_kills or is_unfinished(folder / str(found["runs"])):
        out = folder / str(found["runs"])
        found["resumed"] += (out / CONFIG).exists()
        found["from_checkpoint"] += (out / CHECKPOINT).exists()
        if found["kills"] == num_kills:
            finish(data, out)
        else:
            child = start(data, out)
            time.sleep(moments.uniform(0, seconds))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            assert status in (0, signal.SIGKILL), status
            found["kills"] += status == signal.SIGKILL
        if out.exists() and not is_unfinished(out):
            found["different"] += describe(out) != expected
            found["runs"] += 1
    return found


def describe(out: Path) -> tuple[str, dict[str, bytes]]:
    """The hash of a complete run's weights, and its files except those that hold times or paths."""
    run = tenfold.load_run(out)
    tenfold.resume(out)  # removes the checkpoint if the run was killed before that
    assert not [*out.glob(".*"), *out.glob(CHECKPOINT)], list(out.iterdir())
    if IS_WHOLE:
        assert all((out / name).exists() for name in ("calibration.json", "report.html", "figures"))
    files = {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and path.name not in (CONFIG, STATE, EVALUATION, REPORT)
    }
    return run.training.weights_sha256, files


if __name__ == "__main__":
    data_folder, out_folder, number, random_seed = sys.argv[1:5]
    print(json.dumps(kill_many(data_folder, Path(out_folder), int(number), int(random_seed))))
