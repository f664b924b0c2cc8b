"""The classic recipe's parts that PyTorch contestants share, and those of other recipes' too."""

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from measure import report_result
from tenfold.data.mnist import LabelledImages, load_part
from tenfold.runs.config import DEFAULT_THREADS

BATCH_SIZE = 100
LEARNING_RATE = 0.001
# Of MNIST's training pixels, as recipes for it have them.
MEAN, DEVIATION = 0.1307, 0.3081
TEST_BATCH_SIZE = 1000


def start(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the flags, and set the number of threads and the seed."""
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads or DEFAULT_THREADS)
    torch.manual_seed(arguments.seed)
    return arguments


def build_model() -> nn.Sequential:
    """The 784-500-125-10 perceptron for images [N, 1, 28, 28]."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 500),
        nn.ReLU(),
        nn.Linear(500, 125),
        nn.ReLU(),
        nn.Linear(125, 10),
    )


def load_tensors(
    part: LabelledImages, *, mean: float = 0.0, deviation: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Images as float32 [N, 1, 28, 28], and labels as int64 [N].

    Pixels from 0 to 1 become (pixel - mean) / deviation.
    """
    images = torch.tensor(part.images_NHW).unsqueeze(1).float().div_(255)
    if (mean, deviation) != (0.0, 1.0):
        images.sub_(mean).div_(deviation)
    return images, torch.tensor(part.labels_N).long()


@torch.no_grad()
def measure_accuracy(model: nn.Module, *, mean: float = 0.0, deviation: float = 1.0) -> float:
    """The share of the test images that `model` classifies as labelled."""
    images, labels = load_tensors(load_part(None, "test"), mean=mean, deviation=deviation)
    model.eval()
    predicted = torch.cat([model(batch).argmax(1) for batch in images.split(TEST_BATCH_SIZE)])
    return float((predicted == labels).double().mean())


def count_parameters(model: nn.Module) -> int:
    """The number of trained values of a model."""
    return sum(parameter.numel() for parameter in model.parameters())


def report_training(
    train: Callable[[], None], model: nn.Module, *, mean: float = 0.0, deviation: float = 1.0
) -> None:
    """Train, and print the seconds and how good `model` is then, for `measure.run_script`."""
    started = time.perf_counter()
    train()
    seconds = time.perf_counter() - started
    report_result(
        seconds=seconds,
        accuracy=measure_accuracy(model, mean=mean, deviation=deviation),
        threads=torch.get_num_threads(),
        num_parameters=count_parameters(model),
    )
