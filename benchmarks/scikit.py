"""Contestant: the classic recipe by scikit-learn's MLPClassifier, with its Glorot initialisation.

Prints the training seconds and the test accuracy as one line of JSON.
"""

import time
import warnings

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from measure import build_parser, report_result
from tenfold.data.mnist import LabelledImages, load_part
from tenfold.system.machine import count_cores


def scale(part: LabelledImages) -> npt.NDArray[np.float32]:
    """Images as float32 in [0, 1], [N, 784]."""
    return part.images_NHW.reshape(len(part), -1).astype(np.float32) / np.float32(255)


def main() -> None:
    """Train once and report."""
    arguments = build_parser(__doc__).parse_args()
    threads = arguments.threads or count_cores()
    part, test = load_part(None, "train"), load_part(None, "test")
    classifier = MLPClassifier(
        hidden_layer_sizes=(500, 125),
        solver="adam",
        alpha=0.0,
        batch_size=100,
        learning_rate_init=0.001,
        max_iter=arguments.epochs,
        n_iter_no_change=arguments.epochs,
        random_state=arguments.seed,
    )
    # It warns that so few epochs do not converge.
    with warnings.catch_warnings(), threadpool_limits(limits=threads):
        warnings.simplefilter("ignore", ConvergenceWarning)
        started = time.perf_counter()
        classifier.fit(scale(part), part.labels_N)
        seconds = time.perf_counter() - started
    accuracy = float(classifier.score(scale(test), test.labels_N))
    num_parameters = sum(array.size for array in classifier.coefs_ + classifier.intercepts_)
    report_result(
        seconds=seconds, accuracy=accuracy, threads=threads, num_parameters=num_parameters
    )


if __name__ == "__main__":
    main()
