"""What giving way to other programs costs a run that is alone.

The classic recipe is trained in one process by turns with Tenfold's thread balance and without it
(no trial steps at the start, no change of threads), after an epoch to warm up. The machine has to
be idle.

In: the flags below. Out: one line of JSON with the seconds of each pair, and whether on this
machine the number of threads may vary at all.
"""

import time
from unittest.mock import patch

import torch

from classic import start
from measure import build_parser, report_result
from tenfold.data.mnist import LabelledImages, load_part
from tenfold.models.build import build_model
from tenfold.recipes import Recipe, find_recipe
from tenfold.training import loop
from tenfold.training.threads import ThreadBalance


def time_training(recipe: Recipe, part: LabelledImages, seed: int) -> float:
    """Seconds from images in memory as bytes to final weights."""
    model = build_model(recipe.model, seed)
    started = time.perf_counter()
    for _ in loop.train_model(model, recipe, part.images_NHW, part.labels_N, seed):
        pass
    return time.perf_counter() - started


def main() -> None:
    """Train by turns and report."""
    parser = build_parser(__doc__)
    parser.add_argument("--pairs", type=int, default=2)
    arguments = start(parser)
    recipe = find_recipe("classic").replace(epochs=arguments.epochs)
    part = load_part(None, "train")

    with patch.object(loop, "ThreadBalance", wraps=ThreadBalance) as balance:
        time_training(recipe.replace(epochs=1), part, arguments.seed)
    pairs = []
    for pair in range(arguments.pairs):
        seconds = {}
        for gives_way in (True, False) if pair % 2 == 0 else (False, True):
            if gives_way:
                seconds["with"] = time_training(recipe, part, arguments.seed)
            else:
                with patch.object(loop, "gives_same_bits", return_value=False):
                    seconds["without"] = time_training(recipe, part, arguments.seed)
        pairs.append(seconds)
    report_result(
        pairs=pairs,
        may_vary=balance.call_args.kwargs["may_vary"],
        threads=torch.get_num_threads(),
    )


if __name__ == "__main__":
    main()
