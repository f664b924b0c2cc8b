"""The classic recipe by Tenfold and its peers, compared with each other and with the limit.

Every contestant runs in a fresh process, one after the other, in several rounds of rotating order.
A ratio is the median of the ratios of the rounds, so that changes of the machine's speed affect
both sides. The machine should be idle.

Prints a table and the targets; progress goes to standard error, raw numbers to the --json file.
"""

import argparse
import json
import os
import statistics
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from contestants import (
    BESIDE,
    BESIDE_OTHER,
    FASTEST,
    IMPORT,
    LIMIT,
    RESIDENT,
    SCIKIT,
    TENFOLD,
    TUTORIAL,
    build_contestants,
)
from measure import IDLE_LOAD, Result, build_parser, list_instruction_sets, note
from tenfold.system.machine import describe_machine, list_versions

ROWS = (TENFOLD, RESIDENT, TUTORIAL, SCIKIT, LIMIT, FASTEST, BESIDE, BESIDE_OTHER, IMPORT)

Round = dict[str, Result]


class Target(NamedTuple):
    """A target: the median of `values`, one per round, must be within `bound`."""

    text: str
    values: list[float]
    bound: float
    at_least: bool = False

    @property
    def median(self) -> float:
        """The measured value."""
        return statistics.median(self.values)

    @property
    def reached(self) -> bool:
        """Whether it is within the bound."""
        return self.median >= self.bound if self.at_least else self.median <= self.bound

    def describe(self) -> str:
        """The measured value, the target, and whether it is reached, in one line."""
        return (
            f"{self.text}: {self.median:.2f} ({min(self.values):.2f} - {max(self.values):.2f}), "
            f"{'at least' if self.at_least else 'at most'} {self.bound:g}: "
            f"{'reached' if self.reached else 'NOT REACHED'}"
        )


def run_rounds(arguments: argparse.Namespace) -> list[Round]:
    """Run every contestant once a round, each round with another seed and another order."""
    contestants = build_contestants(with_sklearn=arguments.with_sklearn)
    rounds: list[Round] = []
    for number in range(arguments.rounds):
        first = number * len(contestants) // arguments.rounds
        order = [*contestants][first:] + [*contestants][:first]
        flags = ["--seed", str(arguments.seed + number), "--epochs", str(arguments.epochs)]
        if arguments.threads:
            flags += ["--threads", str(arguments.threads)]
        results: Round = {}
        for name in order:
            results[name] = contestants[name](*flags)
            seconds = results[name].seconds or results[name].whole_seconds
            note(f"round {number + 1} of {arguments.rounds}: {name}: {seconds:.2f} s")
        rounds.append(results)
    return rounds


def compare(rounds: list[Round], name: str, other: str) -> list[float]:
    """The ratio of the seconds of `name` to those of `other`, in each round."""
    return [(each[name].seconds or 0.0) / (each[other].seconds or 1.0) for each in rounds]


def list_targets(rounds: list[Round]) -> list[Target]:
    """The targets of the project for the classic recipe."""
    cold = [each[TENFOLD].whole_seconds - (each[TENFOLD].seconds or 0.0) for each in rounds]
    tutorial, resident = compare(rounds, TUTORIAL, TENFOLD), compare(rounds, RESIDENT, TENFOLD)
    limit = compare(rounds, TENFOLD, LIMIT)
    beside, other = compare(rounds, BESIDE, TENFOLD), compare(rounds, BESIDE_OTHER, TENFOLD)
    return [
        Target("times as fast as the tutorial script", tutorial, 4, at_least=True),
        Target("times as fast as resident tensors", resident, 1.6, at_least=True),
        Target("times as long as the limit by torch.mm", limit, 1.4),
        Target("seconds of the whole command beyond training", cold, 5),
        Target("times as long beside a busy loop as alone", beside, 5),
        Target("times as long, the loop in another session", other, 5),
    ]


def build_table(rounds: list[Round], title: str) -> Table:
    """The measurements, one contestant a row."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, collapse_padding=True)
    table.add_column("contestant", no_wrap=True)
    for header in ("training", "min - max", "process", "accuracy", "ratio"):
        table.add_column(header, justify="right", no_wrap=True)
    for name in [name for name in ROWS if name in rounds[0]]:
        results = [each[name] for each in rounds]
        whole = f"{statistics.median(result.whole_seconds for result in results):.2f}"
        seconds = [result.seconds for result in results if result.seconds is not None]
        if not seconds:
            table.add_row(name, "", "", whole)
            continue
        shares = [result.accuracy for result in results if result.accuracy is not None]
        table.add_row(
            name,
            f"{statistics.median(seconds):.2f}",
            f"{min(seconds):.2f} - {max(seconds):.2f}",
            "" if name in (LIMIT, FASTEST) else whole,
            f"{100 * statistics.mean(shares):.2f} %" if shares else "",
            f"{statistics.median(compare(rounds, name, TENFOLD)):.2f}",
        )
    return table


def print_report(rounds: list[Round], targets: list[Target], epochs: int) -> None:
    """Print the table, the meaning of its columns, and the targets."""
    machine, threads = describe_machine(), rounds[0][TENFOLD].threads
    title = (
        f"Classic recipe, {epochs} epochs, {threads} threads, {len(rounds)} rounds\n"
        f"{machine['cpu']}, {machine['cores']} cores: {', '.join(list_instruction_sets())}"
    )
    Console().print(build_table(rounds, title))
    limit = rounds[0][LIMIT].details
    print(
        f"PyTorch uses {limit['capability']} and "
        f"{'can' if limit['can_flush'] else 'cannot'} flush denormal numbers, as Tenfold does"
    )
    print("training: seconds, warm, without start and imports; process: cold, from start to end")
    print("ratio: seconds of training to tenfold's; accuracy: mean over the rounds' seeds")
    for target in targets:
        print(target.describe())


def main() -> None:
    """Measure, print, and write the JSON file."""
    parser = build_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--with-sklearn", action="store_true", help="another peer; 20 s a round")
    parser.add_argument("--json", type=Path, help="write all raw numbers to this file")
    arguments = parser.parse_args()

    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > IDLE_LOAD:
        note(f"note: the machine is not idle (load {load:.1f}); seconds will be too long")
    rounds = run_rounds(arguments)

    targets = list_targets(rounds)
    print_report(rounds, targets, arguments.epochs)
    if arguments.json:
        values = {
            "machine": describe_machine(),
            "instruction_sets": list_instruction_sets(),
            "versions": list_versions(),
            "threads": rounds[0][TENFOLD].threads,
            "epochs": arguments.epochs,
            "load_before": load,
            "rounds": [
                {name: result.to_json() for name, result in each.items()} for each in rounds
            ],
            "targets": [
                {**target._asdict(), "median": target.median, "reached": target.reached}
                for target in targets
            ],
        }
        arguments.json.write_text(json.dumps(values, indent=1) + "\n")


if __name__ == "__main__":
    main()
