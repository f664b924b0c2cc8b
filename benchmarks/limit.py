"""The limit: the time of the matrix products and the optimizer of the classic recipe alone.

One step needs 3 forward, 3 weight-gradient and 2 input-gradient products at batch 100 and one Adam
call over all 456,385 parameters. Each is timed alone, repeatedly on the same buffers, so that they
stay in the caches; no training can be faster with the same library.

Prints one line of JSON with the median seconds of a step's parts, and of all steps of the recipe.
"""

import itertools
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

from classic import BATCH_SIZE, LEARNING_RATE, start
from measure import build_parser, report_result
from tenfold.recipes.configs import OptimizerConfig
from tenfold.training.flat_parameters import FlatParameters
from tenfold.training.optimizer import Adam
from tenfold.training.products import Products

SIZES = (784, 500, 125, 10)
NUM_PARAMETERS = sum((i + 1) * o for i, o in itertools.pairwise(SIZES))
STEPS_PER_EPOCH = 600
BLOCK_SECONDS = 0.05

Calls = dict[str, Callable[[], object]]


def build_calls(*, fastest: bool) -> Calls:
    """The parts of a step by name, with products by torch.mm or Tenfold."""
    calls: Calls = {}
    products = Products()
    for num_inputs, num_outputs in itertools.pairwise(SIZES):
        inputs, outputs = torch.rand(BATCH_SIZE, num_inputs), torch.empty(BATCH_SIZE, num_outputs)
        weight, bias = torch.randn(num_outputs, num_inputs), torch.randn(num_outputs)
        gradient, of_inputs = torch.randn_like(outputs), torch.empty_like(inputs)
        of_weight = torch.empty_like(weight)

        layer = f"{num_inputs}-{num_outputs}"
        calls[f"forward {layer}"] = (
            partial(products.forward, inputs, weight, bias, out=outputs)
            if fastest
            else partial(torch.mm, inputs, weight.t(), out=outputs)
        )
        calls[f"weight gradient {layer}"] = (
            partial(products.weight_gradient, gradient, inputs, out=of_weight)
            if fastest
            else partial(torch.mm, gradient.t(), inputs, out=of_weight)
        )
        if num_inputs != SIZES[0]:  # the gradient of the images is not needed
            input_gradient = products.input_gradient if fastest else torch.mm
            calls[f"input gradient {layer}"] = partial(
                input_gradient, gradient, weight, out=of_inputs
            )
    values, gradients = torch.randn(NUM_PARAMETERS), torch.randn(NUM_PARAMETERS)
    config = OptimizerConfig(learning_rate=LEARNING_RATE)
    calls["Adam"] = Adam(FlatParameters(values, gradients), config).step
    return calls


def time_block(call: Callable[[], object], num_calls: int) -> float:
    """Seconds per call of `num_calls` successive calls."""
    started = time.perf_counter()
    for _ in range(num_calls):
        call()
    return (time.perf_counter() - started) / num_calls


def time_calls(calls: Calls, repetitions: int) -> dict[str, float]:
    """Seconds of each call: the median of `repetitions` interleaved blocks."""
    lengths = {}
    for name, call in calls.items():
        time_block(call, 20)
        lengths[name] = max(20, int(BLOCK_SECONDS / time_block(call, 20)))
    blocks: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repetitions):
        for name, call in calls.items():
            blocks[name].append(time_block(call, lengths[name]))
    return {name: statistics.median(seconds) for name, seconds in blocks.items()}


def main() -> None:
    """Time the parts of a step and report their sum over the recipe."""
    parser = build_parser(__doc__)
    parser.add_argument(
        "--fastest", action="store_true", help="products by Tenfold instead of torch.mm"
    )
    parser.add_argument("--repetitions", type=int, default=9)
    arguments = start(parser)
    parts = time_calls(build_calls(fastest=arguments.fastest), arguments.repetitions)
    report_result(
        seconds=sum(parts.values()) * STEPS_PER_EPOCH * arguments.epochs,
        threads=torch.get_num_threads(),
        capability=torch.backends.cpu.get_cpu_capability(),
        can_flush=torch.set_flush_denormal(True),
        step_parts_seconds=parts,
    )


if __name__ == "__main__":
    main()
