"""A network of integers against the network that it was made of."""

import numpy as np
import pytest
import torch
from torch import nn

from tenfold.data.mnist import LabelledImages
from tenfold.models.build import build_model
from tenfold.models.integer_network import Convolution, Rescaling
from tenfold.models.predict import compute_logits
from tenfold.models.quantisation import SummaryLayer, WeightedLayer, quantise, quantise_layers
from tenfold.models.seeding import seeding
from tenfold.models.separable import SeparableNetwork
from tenfold.recipes.configs import (
    ConvolutionalConfig,
    ModelConfig,
    PerceptronConfig,
    SeparableConfig,
)


@torch.no_grad()
def draw_model(config: ModelConfig, images: torch.Tensor) -> nn.Module:
    """A network whose batch normalisations have scales of both signs, and statistics of images."""
    model = build_model(config, 0).train()
    with seeding(1):
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
                module.weight.normal_()
                module.bias.normal_()
        if isinstance(model, SeparableNetwork):
            model.sum.weight.normal_()  # sums of both signs
    model(images / 255)
    return model.eval()


@pytest.mark.parametrize(
    "config",
    [
        PerceptronConfig(hidden_sizes=(100, 50)),
        ConvolutionalConfig(channels=(8, 16), depths=(2, 2)),
        ConvolutionalConfig(channels=(8,), depths=(1,), first_kernel_px=7, rejects=True),
        ConvolutionalConfig(channels=(8, 8), depths=(2, 1), first_stride_px=2),
        SeparableConfig(width=16, blocks=(1, 2, 0, 1, 0)),
    ],
)
def test_scores_are_the_logits_in_their_unit(
    config: ModelConfig, test_images: LabelledImages
) -> None:
    images_NHW = test_images.images_NHW[:300]
    model = draw_model(config, torch.tensor(images_NHW))
    network = quantise(model, images_NHW[:100])
    logits_NK = compute_logits(model, images_NHW)
    difference_NK = network.unit * network.compute_scores(images_NHW) - logits_NK
    assert difference_NK.std() < 0.2 * (logits_NK - logits_NK.mean(0)).std()
    assert network.num_answers == logits_NK.shape[1]


def test_a_fully_connected_layer_may_follow_a_convolution(test_images: LabelledImages) -> None:
    images_NHW = test_images.images_NHW[:300]
    with seeding(0):
        layers = [
            WeightedLayer(weights=nn.Conv2d(1, 6, 3, stride=2, padding=1), is_pooled=True),
            WeightedLayer(weights=nn.Linear(6 * 7 * 7, 10), has_relu=False),
        ]
    with torch.inference_mode():
        hidden = layers[0].compute(torch.tensor(images_NHW)[:, None] / 255)
        logits_NK = layers[1].compute(hidden)[:, :, 0, 0].numpy()
    network = quantise_layers([*layers], images_NHW)
    difference_NK = network.unit * network.compute_scores(images_NHW) - logits_NK
    assert difference_NK.std() < 0.2 * (logits_NK - logits_NK.mean(0)).std()


def test_a_mean_has_a_scale_of_its_own(test_images: LabelledImages) -> None:
    """A mean over a whole image is small beside its pixels."""
    images_NHW = test_images.images_NHW[:300]
    with seeding(0):
        last = nn.Linear(1, 10)
    network = quantise_layers(
        [SummaryLayer(has_maximum=False), WeightedLayer(weights=last, has_relu=False)], images_NHW
    )
    with torch.inference_mode():
        logits_NK = last(torch.tensor(images_NHW.mean((1, 2))[:, None] / 255).float()).numpy()
    difference_NK = network.unit * network.compute_scores(images_NHW) - logits_NK
    assert np.abs(difference_NK).max() < 0.01 * np.ptp(logits_NK, axis=0).max()


def test_means_and_maxima_of_different_scales_are_joined(test_images: LabelledImages) -> None:
    images_NHW = test_images.images_NHW[:300]
    with seeding(0):
        first, hidden, last = nn.Conv2d(1, 6, 5), nn.Linear(12, 30), nn.Linear(30, 10)
        hidden.weight.data[:, :6] *= 10  # means, which are smaller
    network = quantise_layers(
        [
            WeightedLayer(weights=first),
            SummaryLayer(has_maximum=True),
            WeightedLayer(weights=hidden),
            WeightedLayer(weights=last, has_relu=False),
        ],
        images_NHW,
    )
    with torch.inference_mode():
        outputs = first(torch.tensor(images_NHW)[:, None] / 255).relu()
        summary = torch.cat([outputs.mean((2, 3)), outputs.amax((2, 3))], 1)
        logits_NK = last(hidden(summary).relu()).numpy()
    difference_NK = network.unit * network.compute_scores(images_NHW) - logits_NK
    assert difference_NK.std() < 0.2 * (logits_NK - logits_NK.mean(0)).std()


def test_sums_are_rounded_to_the_nearest_and_limited() -> None:
    """Halves are rounded upwards."""
    rescaling = Rescaling(multipliers_O=np.array([3, -3], np.int32), shift=1)
    sums = torch.tensor([-(2**31), -1, 0, 1, 2, 3, 169, 170, 171, 2**31 - 1]).double()
    activations = rescaling.apply(sums.expand(1, 2, -1)[..., None])[0, :, :, 0]
    assert activations.tolist() == [
        [0, 0, 0, 2, 3, 5, 254, 255, 255, 255],
        [255, 2, 0, 0, 0, 0, 0, 0, 0, 0],
    ]


def test_a_channel_that_is_nearly_constant_stays_so(test_images: LabelledImages) -> None:
    """Its bias would not fit into int32 in the unit of its sums."""
    images_NHW = test_images.images_NHW[:100]
    with seeding(0):
        convolution, normalisation = nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4).eval()
    normalisation.weight.data = torch.tensor([0.0, 1e-12, -1e-12, 1.0])
    normalisation.bias.data = torch.tensor([0.5, 1.0, -1.0, 0.0])
    layers: list[WeightedLayer | SummaryLayer] = [
        WeightedLayer(weights=convolution, normalisation=normalisation),
        SummaryLayer(has_maximum=True),
        WeightedLayer(weights=nn.Linear(8, 10)),
    ]
    [first, *_] = quantise_layers(layers, images_NHW).layers
    assert isinstance(first, Convolution)
    images = torch.tensor(images_NHW)[:, None]
    activations = first.compute(images.double())
    expected = normalisation(convolution(images / 255)).relu().detach()
    step = float(expected.max()) / 255
    assert float((activations * step - expected).abs().max()) < 2 * step
