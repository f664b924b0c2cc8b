"""Contestant: the classic recipe in Keras, as its guides write it, on JAX.

A step on two batches before the time starts makes Keras compile; then weights and moments are set
back. Prints the training seconds, from images in memory as bytes to final weights, and the test
accuracy, as one line of JSON. XLA starts a thread on each core that the process may use.
"""

import importlib
import os
import time

import numpy as np
import numpy.typing as npt

from measure import build_parser, keep_to_cores, report_result
from tenfold.data.mnist import LabelledImages, load_part
from tenfold.runs.config import DEFAULT_THREADS

BATCH_SIZE = 100
LEARNING_RATE = 0.001


def scale(part: LabelledImages) -> npt.NDArray[np.float32]:
    """Images as float32 in [0, 1], [N, 784]."""
    return part.images_NHW.reshape(len(part), -1).astype(np.float32) / np.float32(255)


def main() -> None:
    """Train once and report."""
    arguments = build_parser(__doc__).parse_args()
    threads = keep_to_cores(arguments.threads or DEFAULT_THREADS)
    os.environ["KERAS_BACKEND"] = "jax"  # read when Keras is imported
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(arguments.seed)
    part, test = load_part(None, "train"), load_part(None, "test")
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(500, activation="relu"),
            keras.layers.Dense(125, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE), loss=loss)

    started = time.perf_counter()
    model.optimizer.build(model.trainable_variables)
    variables = [*model.variables, *model.optimizer.variables]
    values = [variable.numpy() for variable in variables]
    few = part.select(np.arange(2 * BATCH_SIZE))
    model.fit(scale(few), few.labels_N, batch_size=BATCH_SIZE, verbose=0)
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    compile_seconds = time.perf_counter() - started

    started = time.perf_counter()
    images_NP = scale(part)
    model.fit(images_NP, part.labels_N, batch_size=BATCH_SIZE, epochs=arguments.epochs, verbose=0)
    seconds = time.perf_counter() - started

    logits_NK = model.predict(scale(test), batch_size=1000, verbose=0)
    report_result(
        seconds=seconds,
        accuracy=float((logits_NK.argmax(1) == test.labels_N).mean()),
        threads=threads,
        num_parameters=model.count_params(),
        compile_seconds=compile_seconds,
        versions={"keras": keras.__version__},
    )


if __name__ == "__main__":
    main()
