"""Teach a small neural network to read handwritten digits, in one file of plain PyTorch.

A perceptron of 784-500-125-10 neurons sees MNIST's 60,000 training images five times and then
classifies over 97 % of the 10,000 test images correctly. It takes less than half a minute on two
cores and writes three figures.

    python examples/classic.py
    python examples/classic.py --epochs 10 --out figures
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenfold import load_mnist

parser = argparse.ArgumentParser(description="Train a perceptron on MNIST and draw how it does.")
parser.add_argument("--epochs", type=int, default=5, help="how often it sees each training image")
parser.add_argument("--out", type=Path, default=Path(), help="folder for the figures")
options = parser.parse_args()
options.out.mkdir(parents=True, exist_ok=True)
torch.manual_seed(0)  # the same first weights and the same order of images in every run

# Data. Pixels are bytes, 0 for black to 255 for white; networks learn best from numbers around 1.
(train_pixels, train_digits), (test_pixels, test_digits) = load_mnist()
train_images, train_labels = torch.tensor(train_pixels) / 255, torch.tensor(train_digits).long()
test_images, test_labels = torch.tensor(test_pixels) / 255, torch.tensor(test_digits).long()

# Model. Without the ReLUs between them, three linear layers could do no more than one.
model = nn.Sequential(
    nn.Flatten(),  # 28 x 28 pixels become 784 numbers in a row
    nn.Linear(784, 500),
    nn.ReLU(),
    nn.Linear(500, 125),
    nn.ReLU(),
    nn.Linear(125, 10),  # one score (logit) per digit; the highest is the answer
)
optimizer = torch.optim.Adam(model.parameters(), lr=0.001)


def train_step(images: Tensor, labels: Tensor) -> float:
    """Change the parameters a little so that the loss of these images falls; return the loss."""
    loss = F.cross_entropy(model(images), labels)  # makes probabilities of the scores (softmax)
    optimizer.zero_grad()  # PyTorch adds gradients up, so clear those of the last step
    loss.backward()  # by the chain rule: how the loss changes with each of 456,385 parameters
    optimizer.step()
    return loss.item()


# Training. Each epoch shuffles the images anew, so that the batches differ every time.
losses = []  # a list per epoch, with the loss of each batch
for epoch in range(1, options.epochs + 1):
    batches = torch.randperm(len(train_images)).split(100)
    losses.append([train_step(train_images[batch], train_labels[batch]) for batch in batches])
    with torch.no_grad():  # measuring needs no gradients
        confidence, predicted = model(test_images).softmax(dim=1).max(dim=1)
    accuracy = (predicted == test_labels).double().mean().item()
    mean_loss = sum(losses[-1]) / len(batches)
    print(f"epoch {epoch}: training loss {mean_loss:.4f}, test accuracy {100 * accuracy:.2f} %")

# Figure 1: loss per batch. Single batches are noisy, so a bold line shows the mean of 31.
plt.rcParams.update({"axes.titlelocation": "left", "axes.titleweight": "bold"})
figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
colors = plt.colormaps["viridis_r"](torch.linspace(0.15, 0.95, len(losses)))
for epoch, (batch_losses, color) in enumerate(zip(losses, colors, strict=True), start=1):
    axes.plot(batch_losses, color=color, alpha=0.2, linewidth=0.6)
    means = torch.tensor(batch_losses).unfold(0, size=31, step=1).mean(dim=1)
    axes.plot(range(15, 15 + len(means)), means, color=color, linewidth=2, label=f"epoch {epoch}")
axes.set(title="Training loss per batch", xlabel="batch", ylabel="cross-entropy loss")
axes.set(yscale="log", ylim=(means.min().item() / 4, 3), xlim=(0, len(batches)))
axes.yaxis.set_major_formatter("{x:g}")
axes.legend(frameon=False, ncols=5)
figure.savefig(options.out / "loss_per_batch.png", dpi=150)

# Figure 2: confusion matrix. Only mistakes have a colour: next to the diagonal all would be pale.
confusions = torch.bincount(10 * test_labels + predicted, minlength=100).view(10, 10)
mistakes = (confusions - confusions.diag().diag()).double()
figure, axes = plt.subplots(figsize=(6.5, 6.5), layout="constrained")
highest = 1.5 * mistakes.max().item()  # keeps the colours light enough for black numbers
axes.imshow(mistakes.where(mistakes > 0, torch.nan), cmap="Oranges", vmin=0, vmax=highest)
for true, row in enumerate(confusions.tolist()):
    for guess, count in enumerate(row):
        weight = "bold" if true == guess else "normal"
        axes.text(guess, true, str(count or "·"), ha="center", va="center", weight=weight)
axes.set(title="Confusion matrix", xlabel="predicted digit", ylabel="true digit")
axes.set(xticks=range(10), yticks=range(10))
figure.savefig(options.out / "confusion_matrix.png", dpi=150)

# Figure 3: misclassified digits, the most confident mistakes first. Could you read them all?
wrong = (predicted != test_labels).nonzero().flatten()
wrong = wrong[confidence[wrong].argsort(descending=True)]
bare = {"xticks": [], "yticks": [], "frame_on": False}
figure, grid = plt.subplots(4, 8, figsize=(8, 5.2), layout="constrained", subplot_kw=bare)
title = f"Misclassified digits: the most confident of {len(wrong)}, true → predicted"
figure.suptitle(title, x=0.01, ha="left", weight="bold")
for axes, i in zip(grid.flat, wrong, strict=False):
    axes.imshow(test_images[i], cmap="gray")
    axes.set_title(f"{test_labels[i]} → {predicted[i]}", loc="center", weight="normal")
figure.savefig(options.out / "misclassified.png", dpi=150)
