"""Contestant: the network and the recipe of train_mnist_fast, 99 % in one epoch.

As https://github.com/tuomaso/train_mnist_fast describes them (notebook 8): two convolutions and two
linear layers, Adam with short memories, one cycle of the learning rate, batches of 256 in an order
that is drawn once. The training seconds start at images in memory as bytes, where that repository's
own start at normalised floats on the GPU. Prints them and the test accuracy as one line of JSON.
"""

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from classic import DEVIATION, MEAN, load_tensors, report_training, start
from measure import build_parser
from tenfold.data.mnist import LabelledImages, load_part

EPOCHS = 1
BATCH_SIZE = 256
LEARNING_RATE = 0.01
BETAS = (0.7, 0.9)


def build_model() -> nn.Sequential:
    """The network for images [N, 1, 28, 28]."""
    return nn.Sequential(
        nn.Conv2d(1, 24, kernel_size=5),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Conv2d(24, 32, kernel_size=3),
        nn.MaxPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 5 * 5, 256),
        nn.ReLU(),
        nn.Linear(256, 10),
    )


def train(
    model: nn.Module, optimizer: torch.optim.Optimizer, part: LabelledImages, epochs: int
) -> None:
    """Train `model` in place."""
    images, labels = load_tensors(part, mean=MEAN, deviation=DEVIATION)
    order = torch.randperm(len(labels))
    batches = [*zip(images[order].split(BATCH_SIZE), labels[order].split(BATCH_SIZE), strict=True)]
    num_steps = epochs * len(batches)
    schedule = OneCycleLR(optimizer, LEARNING_RATE, total_steps=num_steps, cycle_momentum=False)
    for _ in range(epochs):
        for batch, of_batch in batches:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(batch), of_batch)
            loss.backward()
            optimizer.step()
            schedule.step()


def main() -> None:
    """Train once and report."""
    arguments = start(build_parser(__doc__, EPOCHS))
    part = load_part(None, "train")
    model = build_model()
    # The first optimizer makes PyTorch import its compiler, so it is built before timing.
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, betas=BETAS)
    report_training(
        lambda: train(model, optimizer, part, arguments.epochs),
        model,
        mean=MEAN,
        deviation=DEVIATION,
    )


if __name__ == "__main__":
    main()
