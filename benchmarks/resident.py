"""Contestant: the classic recipe in PyTorch by an expert.

All images are one resident tensor, batches are slices of a permutation, Adam is fused, and no loss
is read while training; still eager PyTorch with autograd. Prints the training seconds, from images
in memory as bytes to final weights, and the test accuracy, as one line of JSON.
"""

import torch
from torch import nn

from classic import BATCH_SIZE, LEARNING_RATE, build_model, load_tensors, report_training, start
from measure import build_parser
from tenfold.data.mnist import LabelledImages, load_part


def train(
    model: nn.Module, optimizer: torch.optim.Optimizer, part: LabelledImages, epochs: int
) -> None:
    """Train `model` in place."""
    images, labels = load_tensors(part)
    for _ in range(epochs):
        order = torch.randperm(len(labels))
        for first in range(0, len(labels), BATCH_SIZE):
            samples = order[first : first + BATCH_SIZE]
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images[samples]), labels[samples])
            loss.backward()
            optimizer.step()


def main() -> None:
    """Train once and report."""
    arguments = start(build_parser(__doc__))
    part = load_part(None, "train")
    model = build_model()
    # The first optimizer makes PyTorch import its compiler, so it is built before timing.
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    report_training(lambda: train(model, optimizer, part, arguments.epochs), model)


if __name__ == "__main__":
    main()
