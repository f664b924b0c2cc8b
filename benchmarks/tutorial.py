"""Contestant: the classic recipe as in tutorials.

Prints the training seconds, from images in memory as bytes to final weights, and the test accuracy,
as one line of JSON.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from classic import BATCH_SIZE, LEARNING_RATE, build_model, report_training, start
from measure import build_parser
from tenfold.data.mnist import LabelledImages, load_part


class DigitImages(Dataset[tuple[Tensor, int]]):
    """Digit images, each converted through a PIL image like torchvision's MNIST and ToTensor."""

    def __init__(self, part: LabelledImages) -> None:
        self.part = part

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """One image as float32 [1, 28, 28] in [0, 1], and its label."""
        picture = Image.fromarray(self.part.images_NHW[index])
        return to_tensor(picture), int(self.part.labels_N[index])


def to_tensor(picture: Image.Image) -> Tensor:
    """What torchvision.transforms.ToTensor does with an 8-bit grey image."""
    pixels = torch.from_numpy(np.array(picture, dtype=np.uint8, copy=True))
    pixels = pixels.view(picture.height, picture.width, 1).permute((2, 0, 1)).contiguous()
    return pixels.to(torch.float32).div(255)


def train(
    model: nn.Module, optimizer: torch.optim.Optimizer, part: LabelledImages, epochs: int
) -> None:
    """Train `model` in place."""
    loader = DataLoader(DigitImages(part), batch_size=BATCH_SIZE, shuffle=True)
    criterion = nn.CrossEntropyLoss()
    losses = []
    for _ in range(epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())


def main() -> None:
    """Train once and report."""
    arguments = start(build_parser(__doc__))
    part = load_part(None, "train")
    model = build_model()
    # The first optimizer makes PyTorch import its compiler, so it is built before timing.
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    report_training(lambda: train(model, optimizer, part, arguments.epochs), model)


if __name__ == "__main__":
    main()
