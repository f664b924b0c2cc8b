"""A tiny recipe on 1,200 images, whose studies train in the process of the test."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

TINY: dict[str, Any] = {"hidden_sizes": [16], "epochs": 2}
Calls = list[tuple[list[int], int]]


def run_here(calls: Calls) -> Callable[..., Iterator[Any]]:
    """What takes the place of `run_seeds`: it trains in this process, and notes seeds and jobs."""

    def run_seeds(
        train_seed: Callable[[int], Any], seeds: Sequence[int], num_jobs: int
    ) -> Iterator[Any]:
        if seeds:
            calls.append((list(seeds), num_jobs))
        for seed in seeds:
            yield None
            yield train_seed(seed)

    return run_seeds


def list_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
