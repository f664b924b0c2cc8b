"""Contestant: the classic recipe in JAX, compiled by XLA an epoch at a time.

Images stay bytes; a compiled epoch draws their order and scans over its batches. PyTorch's initial
weights and Adam are written out. The epoch is compiled before the time starts: `compile_seconds`.
Prints the training seconds, from images in memory as bytes to final weights, and the test accuracy,
as one line of JSON. XLA starts a thread on each core that the process may use.

Array names carry their axes: N images, P pixels, K classes, S steps, B images of a batch.
"""

import itertools
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from measure import build_parser, keep_to_cores, report_result
from tenfold.data.mnist import LabelledImages, load_part
from tenfold.runs.config import DEFAULT_THREADS

SIZES = (784, 500, 125, 10)
BATCH_SIZE = 100
LEARNING_RATE = 0.001
DECAY_MEAN, DECAY_SQUARE, EPSILON = 0.9, 0.999, 1e-8  # Adam's

Layers = list[tuple[Array, Array]]  # weight [inputs, outputs] and bias [outputs] of each


class State(NamedTuple):
    """What a step changes: the layers, Adam's moments of their gradients, the number of steps."""

    layers: Layers
    means: Layers
    squares: Layers
    num_steps: Array


def build_state(key: Array) -> State:
    """The state before the first step, with weights and biases as PyTorch draws them."""
    layers = []
    for num_inputs, num_outputs in itertools.pairwise(SIZES):
        key, of_weight, of_bias = jax.random.split(key, 3)
        bound = num_inputs**-0.5
        shape = (num_inputs, num_outputs)
        weight = jax.random.uniform(of_weight, shape, minval=-bound, maxval=bound)
        bias = jax.random.uniform(of_bias, (num_outputs,), minval=-bound, maxval=bound)
        layers.append((weight, bias))
    zeros, more_zeros = (jax.tree.map(jnp.zeros_like, layers) for _ in range(2))
    return State(layers, zeros, more_zeros, jnp.int32(0))


def compute_logits(layers: Layers, images_NP: Array) -> Array:
    """The logits [N, K] of images as bytes."""
    values = images_NP.astype(jnp.float32) / 255
    for weight, bias in layers[:-1]:
        values = jax.nn.relu(values @ weight + bias)
    weight, bias = layers[-1]
    return values @ weight + bias


def measure_loss(layers: Layers, images_NP: Array, labels_N: Array) -> Array:
    """The mean cross-entropy."""
    logarithms_NK = jax.nn.log_softmax(compute_logits(layers, images_NP))
    return -jnp.take_along_axis(logarithms_NK, labels_N[:, None], axis=1).mean()


def take_step(state: State, images_NP: Array, labels_N: Array) -> State:
    """The state after one step of Adam."""
    gradients = jax.grad(measure_loss)(state.layers, images_NP, labels_N)
    num_steps = state.num_steps + 1
    means = jax.tree.map(
        lambda mean, gradient: DECAY_MEAN * mean + (1 - DECAY_MEAN) * gradient,
        state.means,
        gradients,
    )
    squares = jax.tree.map(
        lambda square, gradient: DECAY_SQUARE * square + (1 - DECAY_SQUARE) * gradient**2,
        state.squares,
        gradients,
    )

    def move(value: Array, mean: Array, square: Array) -> Array:
        mean = mean / (1 - DECAY_MEAN**num_steps)
        square = square / (1 - DECAY_SQUARE**num_steps)
        return value - LEARNING_RATE * mean / (jnp.sqrt(square) + EPSILON)

    return State(jax.tree.map(move, state.layers, means, squares), means, squares, num_steps)


def train_epoch(state: State, key: Array, images_NP: Array, labels_N: Array) -> State:
    """The state after an epoch, in an order that follows from `key`."""
    order_SB = jax.random.permutation(key, len(labels_N)).reshape(-1, BATCH_SIZE)

    def train_batch(state: State, samples_B: Array) -> tuple[State, None]:
        return take_step(state, images_NP[samples_B], labels_N[samples_B]), None

    state, _ = jax.lax.scan(train_batch, state, order_SB)
    return state


def flatten(part: LabelledImages) -> tuple[Array, Array]:
    """Images as bytes [N, P] and labels as int32 [N], where XLA can use them."""
    images_NP = jnp.asarray(part.images_NHW.reshape(len(part), -1))
    return images_NP, jnp.asarray(part.labels_N, dtype=jnp.int32)


def main() -> None:
    """Train once and report."""
    arguments = build_parser(__doc__).parse_args()
    threads = keep_to_cores(arguments.threads or DEFAULT_THREADS)
    part, test = load_part(None, "train"), load_part(None, "test")
    key, of_weights = jax.random.split(jax.random.key(arguments.seed))
    state = build_state(of_weights)
    keys = jax.random.split(key, arguments.epochs)

    started = time.perf_counter()
    training = jax.jit(train_epoch, donate_argnums=0).lower(state, keys[0], *flatten(part))
    run_epoch = training.compile()
    compile_seconds = time.perf_counter() - started

    started = time.perf_counter()
    images_NP, labels_N = flatten(part)
    for of_epoch in keys:
        state = run_epoch(state, of_epoch, images_NP, labels_N)
    jax.block_until_ready(state)
    seconds = time.perf_counter() - started

    images_NP, labels_N = flatten(test)
    num_right = int((compute_logits(state.layers, images_NP).argmax(1) == labels_N).sum())
    report_result(
        seconds=seconds,
        accuracy=num_right / len(test),
        threads=threads,
        num_parameters=sum(array.size for array in jax.tree.leaves(state.layers)),
        compile_seconds=compile_seconds,
        versions={"jax": jax.__version__},
    )


if __name__ == "__main__":
    main()
