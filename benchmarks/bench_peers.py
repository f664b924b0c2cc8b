"""Tenfold's recipes and their peers: accuracy and training time of each, measured in turns.

Every contestant runs in a fresh process with the same number of threads and the epochs of its own
recipe, one after the other, in several rounds of rotating order, each round with another seed. One
whose first process took longer than a minute runs in the first --slow-rounds rounds only. The
machine should be idle.

Prints a table; progress goes to standard error, raw numbers after each round to the --json file.
"""

import argparse
import json
import os
import statistics
from datetime import date
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from contestants import Contestants, build_ladder, build_peers
from measure import IDLE_LOAD, Result, build_parser, describe_processor, note
from tenfold.runs.config import DEFAULT_THREADS
from tenfold.system.machine import list_versions

SLOW_SECONDS = 60

Round = dict[str, Result]


def choose_contestants(arguments: argparse.Namespace) -> Contestants:
    """Tenfold's recipes and their peers, or those of them that --only names."""
    known = {**build_ladder(arguments.runs), **build_peers(arguments.frameworks)}
    names = arguments.only or [*known]
    if missing := [name for name in names if name not in known]:
        raise SystemExit(f"unknown: {', '.join(missing)}; known are {', '.join(known)}")
    if not arguments.frameworks:
        note("note: JAX and Keras are left out; --frameworks is the Python that has them")
    return {name: known[name] for name in names}


def list_order(contestants: Contestants, rounds: list[Round], num_rounds: int) -> list[str]:
    """The contestants' names in the order of the next round."""
    first = len(rounds) * len(contestants) // num_rounds
    return [*contestants][first:] + [*contestants][:first]


def is_slow(name: str, rounds: list[Round]) -> bool:
    """Whether the first process of a contestant took more than a minute."""
    return bool(rounds) and rounds[0][name].whole_seconds > SLOW_SECONDS


def run_round(
    contestants: Contestants, rounds: list[Round], arguments: argparse.Namespace
) -> Round:
    """Run every contestant of the next round."""
    number = len(rounds)
    flags = ["--seed", str(arguments.seed + number), "--threads", str(arguments.threads)]
    if arguments.epochs:
        flags += ["--epochs", str(arguments.epochs)]
    results: Round = {}
    for name in list_order(contestants, rounds, arguments.rounds):
        if number >= arguments.slow_rounds and is_slow(name, rounds):
            continue
        results[name] = contestants[name](*flags)
        note(
            f"round {number + 1} of {arguments.rounds}: {name}: {results[name].seconds:.2f} s, "
            f"{100 * (results[name].accuracy or 0):.2f} %"
        )
    return results


def write_json(rounds: list[Round], arguments: argparse.Namespace, load: float) -> None:
    """Write all raw numbers so far, and what they were measured on."""
    values = {
        "date": date.today().isoformat(),
        "machine": describe_processor(),
        "versions": list_versions(),
        "threads": arguments.threads,
        "epochs": arguments.epochs,
        "load_before": load,
        "rounds": [{name: result.to_json() for name, result in each.items()} for each in rounds],
    }
    arguments.json.write_text(json.dumps(values, indent=1) + "\n")


def build_table(rounds: list[Round], title: str) -> Table:
    """The measurements, one contestant a row, in the order of the first round."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, collapse_padding=True)
    table.add_column("contestant", no_wrap=True)
    for header in ("training", "min - max", "process", "accuracy", "parameters", "rounds"):
        table.add_column(header, justify="right", no_wrap=True)
    for name in rounds[0]:
        results = [each[name] for each in rounds if name in each]
        seconds = [result.seconds or 0.0 for result in results]
        table.add_row(
            name,
            f"{statistics.median(seconds):.2f}",
            f"{min(seconds):.2f} - {max(seconds):.2f}",
            f"{statistics.median(result.whole_seconds for result in results):.2f}",
            f"{100 * statistics.mean(result.accuracy or 0.0 for result in results):.2f} %",
            f"{results[0].num_parameters or 0:,}",
            f"{len(results)}",
        )
    return table


def main() -> None:
    """Measure, print, and write the JSON file."""
    parser = build_parser(__doc__)
    parser.set_defaults(epochs=None, threads=DEFAULT_THREADS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slow-rounds", type=int, default=1)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these contestants")
    parser.add_argument("--frameworks", help="a Python that has JAX, Keras and Tenfold")
    parser.add_argument("--runs", type=Path, help="keep a run folder of each recipe in this folder")
    parser.add_argument("--json", type=Path, help="write all raw numbers to this file")
    arguments = parser.parse_args()

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > IDLE_LOAD:
        note(f"note: the machine is not idle (load {load:.1f}); seconds will be too long")
    contestants = choose_contestants(arguments)
    rounds: list[Round] = []
    for _ in range(arguments.rounds):
        rounds.append(run_round(contestants, rounds, arguments))
        if arguments.json:
            write_json(rounds, arguments, load)

    title = f"{arguments.threads} threads, {describe_processor()}"
    Console().print(build_table(rounds, title))
    print("training: seconds, warm, from images in memory as bytes to final weights, without")
    print("imports and, in JAX and Keras, compilation; process: cold, from start to end")
    print("accuracy: mean over the rounds' seeds, on the 10,000 test images")


if __name__ == "__main__":
    main()
