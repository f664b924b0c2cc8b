"""Contestant: the network and the recipe of PyTorch's own MNIST example.

As https://github.com/pytorch/examples/blob/main/mnist/main.py has them on a CPU: two convolutions
and two linear layers with dropout, Adadelta, a learning rate that falls by 30 % an epoch, 14 epochs
of batches of 64 from a DataLoader, in the order of the file. Its evaluation after each epoch is
left out. Prints the training seconds, from images in memory as bytes to final weights, and the test
accuracy, as one line of JSON.
"""

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader

from classic import DEVIATION, MEAN, report_training, start
from measure import build_parser
from tenfold.data.mnist import LabelledImages, load_part
from tutorial import DigitImages

EPOCHS = 14
BATCH_SIZE = 64
LEARNING_RATE = 1.0
DECAY = 0.7
LOG_EVERY = 10  # steps


class NormalisedImages(DigitImages):
    """Digit images, each converted through a PIL image and normalised."""

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """One image as float32 [1, 28, 28], and its label."""
        image, label = super().__getitem__(index)
        return image.sub_(MEAN).div_(DEVIATION), label


def build_model() -> nn.Sequential:
    """The network for images [N, 1, 28, 28]."""
    return nn.Sequential(
        nn.Conv2d(1, 32, kernel_size=3),
        nn.ReLU(),
        nn.Conv2d(32, 64, kernel_size=3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(64 * 12 * 12, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )


def train(
    model: nn.Module, optimizer: torch.optim.Optimizer, part: LabelledImages, epochs: int
) -> None:
    """Train `model` in place."""
    loader = DataLoader(NormalisedImages(part), batch_size=BATCH_SIZE)
    schedule = StepLR(optimizer, step_size=1, gamma=DECAY)
    losses = []
    for _ in range(epochs):
        for number, (images, labels) in enumerate(loader):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            if number % LOG_EVERY == 0:
                losses.append(loss.item())
        schedule.step()


def main() -> None:
    """Train once and report."""
    arguments = start(build_parser(__doc__, EPOCHS))
    part = load_part(None, "train")
    model = build_model()
    # The first optimizer makes PyTorch import its compiler, so it is built before timing.
    optimizer = torch.optim.Adadelta(model.parameters(), lr=LEARNING_RATE)
    report_training(
        lambda: train(model, optimizer, part, arguments.epochs),
        model,
        mean=MEAN,
        deviation=DEVIATION,
    )


if __name__ == "__main__":
    main()
