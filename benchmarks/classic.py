"""The parts of the classic recipe that the PyTorch contestants share."""

import argparse

import torch
from torch import Tensor, nn

from tenfold.data.mnist import LabelledImages, load_part
from tenfold.runs.config import DEFAULT_THREADS

BATCH_SIZE = 100
LEARNING_RATE = 0.001


def start(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the flags, and set the number of threads and the seed."""
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads or DEFAULT_THREADS)
    torch.manual_seed(arguments.seed)
    return arguments


def build_model() -> nn.Sequential:
    """The 784-500-125-10 perceptron for images [N, 28, 28] or [N, 1, 28, 28]."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 500),
        nn.ReLU(),
        nn.Linear(500, 125),
        nn.ReLU(),
        nn.Linear(125, 10),
    )


def load_tensors(part: LabelledImages) -> tuple[Tensor, Tensor]:
    """Images as float32 in [0, 1], [N, 28, 28], and labels as int64 [N]."""
    images, labels = torch.tensor(part.images_NHW), torch.tensor(part.labels_N)
    return images.float().div_(255), labels.long()


@torch.no_grad()
def measure_accuracy(model: nn.Module) -> float:
    """The share of the test images that `model` classifies as labelled."""
    images, labels = load_tensors(load_part(None, "test"))
    return float((model(images).argmax(1) == labels).double().mean())
