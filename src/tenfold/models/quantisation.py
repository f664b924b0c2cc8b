"""A trained network as one of integers.

Weights are scaled by output channel, symmetrically, activations by tensor, with the smallest and
the largest value that they have on some images of training. Batch normalisation is part of the
rescaling and of the biases, not of the weights: so it may follow max pooling, whatever the signs of
its scales, and weights that are used more than once stay the same integers.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenfold.digits import WHITE
from tenfold.models.convolutional import Block, ConvolutionalNetwork
from tenfold.models.integer_network import (
    MAX_ACTIVATION,
    MAX_SUM,
    MAX_WEIGHT,
    Convolution,
    IntegerNetwork,
    Rescaling,
    Summary,
)
from tenfold.models.perceptron import Perceptron
from tenfold.models.separable import SeparableNetwork

Floats = npt.NDArray[np.float64]
MAX_SHIFT = 54


@dataclass(frozen=True, kw_only=True)
class WeightedLayer:
    """A fully connected layer or a convolution; then, in this order, pooling and normalisation.

    ReLU follows if `has_relu`. Pooling takes the maximum of 2x2 outputs. The same module may be in
    several layers.
    """

    weights: nn.Linear | nn.Conv2d
    normalisation: nn.BatchNorm2d | None = None
    is_pooled: bool = False
    has_relu: bool = True

    def compute(self, activations: Tensor) -> Tensor:
        """The outputs, [N, channels, rows, columns]."""
        if isinstance(self.weights, nn.Linear):
            outputs: Tensor = self.weights(activations.flatten(1))[:, :, None, None]
        else:
            outputs = self.weights(activations)
        if self.is_pooled:
            outputs = F.max_pool2d(outputs, 2)
        if self.normalisation is not None:
            outputs = self.normalisation(outputs)
        return outputs.relu() if self.has_relu else outputs


@dataclass(frozen=True)
class SummaryLayer:
    """The mean over all positions of each channel, then, if asked for, their maxima."""

    has_maximum: bool


def list_layers(model: nn.Module) -> list[WeightedLayer | SummaryLayer]:
    """The layers of one of Tenfold's networks, in order."""
    if isinstance(model, Perceptron):
        *hidden, last = model.linear_layers()
        return [*(WeightedLayer(weights=layer) for layer in hidden), _list_last(last)]
    if isinstance(model, ConvolutionalNetwork) and model.evenness is None:
        blocks = [block for block in model.blocks if isinstance(block, Block)]
        convolutions = [
            WeightedLayer(
                weights=block.convolution,
                normalisation=block.normalisation,
                is_pooled=block.is_pooled,
            )
            for block in blocks
        ]
        return [*convolutions, SummaryLayer(has_maximum=True), _list_last(model.last)]
    if isinstance(model, SeparableNetwork):
        first = WeightedLayer(weights=model.first, normalisation=model.first_normalisation)
        total = WeightedLayer(weights=model.sum, has_relu=False)
        return [first, *_list_separable(model), total, _list_last(model.last)]
    raise TypeError(f"the layers of {type(model).__name__} are not listed")


def _list_separable(model: SeparableNetwork) -> Iterator[WeightedLayer]:
    """The layers of the blocks, two for each."""
    for (number, is_pooled), normalisation in zip(model.blocks, model.normalisations, strict=True):
        depthwise, pointwise = model.depthwise[str(number)], model.pointwise[str(number)]
        assert isinstance(depthwise, nn.Conv2d)
        assert isinstance(pointwise, nn.Conv2d)
        assert isinstance(normalisation, nn.BatchNorm2d)
        yield WeightedLayer(weights=depthwise, has_relu=False)
        yield WeightedLayer(weights=pointwise, normalisation=normalisation, is_pooled=is_pooled)


def _list_last(weights: nn.Linear) -> WeightedLayer:
    return WeightedLayer(weights=weights, has_relu=False)


def quantise(model: nn.Module, images_NHW: npt.NDArray[np.uint8]) -> IntegerNetwork:
    """A model as a network of integers; images, uint8 [N, 28, 28], give the activations' ranges."""
    return quantise_layers(list_layers(model.eval()), images_NHW)


@torch.inference_mode()
def quantise_layers(
    layers: list[WeightedLayer | SummaryLayer], images_NHW: npt.NDArray[np.uint8]
) -> IntegerNetwork:
    """The layers of a model in evaluation mode as a network of integers, like `quantise`."""
    *hidden, last = layers
    assert isinstance(last, WeightedLayer)
    integer_layers: list[Convolution | Summary] = []
    activations, scale = torch.tensor(images_NHW)[:, None] / WHITE, _Scale(np.array([1 / WHITE]))
    for layer in hidden:
        if isinstance(layer, SummaryLayer):
            summary, activations, scale = _summarise(layer, activations, scale)
            integer_layers.append(summary)
            continue
        outputs = layer.compute(activations)
        output_scale = _choose_scale(outputs)
        integer_layers.append(_quantise_layer(layer, activations, scale, output_scale))
        activations, scale = outputs, output_scale
    quantised, unit = _quantise_last(last, activations, scale)
    return IntegerNetwork(layers=tuple(integer_layers), last=quantised, unit=unit)


@dataclass(frozen=True)
class _Scale:
    """What the integers of a tensor stand for: (integer - zero) times the step of its channel.

    `steps_I` is [I], or [1] for all channels.
    """

    steps_I: Floats
    zero: int = 0


def _choose_scale(activations: Tensor) -> _Scale:
    """The scale of a tensor, whose integers 0 and 255 are its smallest and its largest value."""
    low, high = min(float(activations.min()), 0.0), max(float(activations.max()), 0.0)
    step = (high - low or 1.0) / MAX_ACTIVATION
    return _Scale(np.array([step]), round(-low / step))


def _summarise(
    layer: SummaryLayer, activations: Tensor, scale: _Scale
) -> tuple[Summary, Tensor, _Scale]:
    """A summary of activations that are not negative, its outputs, and their scale."""
    assert scale.zero == 0
    means = activations.mean((2, 3), keepdim=True)
    mean_scale = _choose_scale(means)
    num_channels, size_px = activations.shape[1:3]
    summary = Summary(
        rescaling=_build_rescaling(scale.steps_I / (size_px**2 * mean_scale.steps_I)),
        num_inputs=num_channels,
        size_px=size_px,
        has_maximum=layer.has_maximum,
    )
    if not layer.has_maximum:
        return summary, means, mean_scale
    outputs = torch.cat([means, activations.amax((2, 3), keepdim=True)], 1)
    steps_I = np.concatenate([mean_scale.steps_I, scale.steps_I]).repeat(num_channels)
    return summary, outputs, _Scale(steps_I)


def _quantise_layer(
    layer: WeightedLayer, activations: Tensor, scale: _Scale, output_scale: _Scale
) -> Convolution:
    """A layer whose inputs and outputs have these scales."""
    weights_OIHW = _arrange_weights(layer.weights, activations)
    factors_O, offsets_O = _find_affine(layer)
    # Relative to the largest, which leaves weights as they are if all inputs have one step.
    largest_step = scale.steps_I.max()
    weights_OIHW = weights_OIHW * (scale.steps_I / largest_step)[:, None, None]
    largest_O = np.abs(weights_OIHW).max((1, 2, 3))
    steps_O = np.where(largest_O, largest_O, 1) / MAX_WEIGHT
    integers_OIHW = np.rint(weights_OIHW / steps_O[:, None, None, None])
    # What sums of integers exceed those of the values by that the integers stand for.
    excess_O = scale.zero * integers_OIHW.sum((1, 2, 3))
    # The value of a sum of 1, after batch normalisation. Where it is so small that the bias would
    # not fit, the outputs hardly depend on the inputs, and a larger one is taken.
    units_O = factors_O * steps_O * largest_step
    limits_O = MAX_SUM - MAX_ACTIVATION * np.abs(integers_OIHW).sum((1, 2, 3)) - np.abs(excess_O)
    units_O = np.where(
        np.abs(offsets_O) > limits_O * np.abs(units_O), np.abs(offsets_O) / limits_O, units_O
    )
    biases_O = np.rint(offsets_O / np.where(units_O, units_O, 1)) - excess_O
    geometry = _describe_geometry(layer.weights, activations)
    assert scale.zero == 0 or not geometry.get("padding_px"), "padding must be 0"
    return Convolution(
        weights_OIHW=integers_OIHW.astype(np.int8),
        biases_O=biases_O.astype(np.int32),
        rescaling=_build_rescaling(units_O / output_scale.steps_I, output_scale.zero),
        pool_px=2 if layer.is_pooled else 1,
        **geometry,
    )


def _quantise_last(
    layer: WeightedLayer, activations: Tensor, scale: _Scale
) -> tuple[Convolution, float]:
    """The last layer, and the value of a score of 1, which is the same for all classes."""
    factors_O, offsets_O = _find_affine(layer)
    weights_OIHW = _arrange_weights(layer.weights, activations) * scale.steps_I[:, None, None]
    weights_OIHW = weights_OIHW * factors_O[:, None, None, None]
    unit = max(np.abs(weights_OIHW).max() / MAX_WEIGHT, np.abs(offsets_O).max() / 2**30) or 1.0
    integers_OIHW = np.rint(weights_OIHW / unit)
    biases_O = np.rint(offsets_O / unit) - scale.zero * integers_OIHW.sum((1, 2, 3))
    quantised = Convolution(
        weights_OIHW=integers_OIHW.astype(np.int8),
        biases_O=biases_O.astype(np.int32),
        rescaling=None,
        size_px=1,
    )
    return quantised, float(unit)


def _arrange_weights(module: nn.Linear | nn.Conv2d, activations: Tensor) -> Floats:
    """Weights as [O, I, H, W], for a fully connected layer in the order of the C code's inputs."""
    weights = module.weight
    if isinstance(module, nn.Linear):
        _, *shape = activations.shape
        weights = weights.reshape(-1, *shape).permute(0, 2, 3, 1).flatten(1)[:, :, None, None]
    return weights.double().numpy()


def _find_affine(layer: WeightedLayer) -> tuple[Floats, Floats]:
    """What the products of weights and inputs are multiplied by, and what is then added, [O]."""
    bias, norm = layer.weights.bias, layer.normalisation
    offsets = torch.zeros(len(layer.weights.weight)) if bias is None else bias
    factors, offsets = torch.ones(len(offsets)).double(), offsets.double()
    if norm is not None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        factors = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        offsets = norm.bias.double() + (offsets - norm.running_mean.double()) * factors
    return factors.numpy(), offsets.numpy()


def _describe_geometry(module: nn.Linear | nn.Conv2d, activations: Tensor) -> dict[str, int]:
    """The fields of a Convolution that say which inputs are summed."""
    if isinstance(module, nn.Linear):
        return {"size_px": 1}
    # "same" is half the kernel, as kernels have odd sizes.
    padding = (module.kernel_size[0] - 1) // 2 if module.padding == "same" else module.padding[0]
    return {
        "size_px": activations.shape[2],
        "stride_px": module.stride[0],
        "padding_px": int(padding),
        "num_groups": module.groups,
    }


def _build_rescaling(factors_O: Floats, zero: int = 0) -> Rescaling:
    """The multipliers and the shift that are nearest to these factors; the largest gets 31 bits."""
    _, exponent = math.frexp(np.abs(factors_O).max())
    shift = min(max(31 - exponent, 1), MAX_SHIFT)
    multipliers_O = np.clip(np.rint(factors_O * 2.0**shift), -MAX_SUM, MAX_SUM)
    return Rescaling(multipliers_O=multipliers_O.astype(np.int32), shift=shift, zero=zero)
