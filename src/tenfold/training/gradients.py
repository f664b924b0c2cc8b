"""Loss and gradients of a batch: by autograd for any model, explicitly for perceptrons.

The loss is the mean cross-entropy, of several columns the mean of theirs. Gradients are left in the
parameters' `.grad`, which are views of one flat buffer (`flat_parameters.py`).

The explicit version does what autograd does, in the same order, without building a graph, and
reuses its buffers. Tests compare the two.

Array names carry their axes: N images of a batch, I inputs of a layer, O outputs, K classes.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenfold.models.convolutional import MultiColumnNetwork
from tenfold.models.perceptron import Perceptron
from tenfold.recipes.recipe import Recipe
from tenfold.training.products import Products

CPU = torch.device("cpu")
Gradients = Callable[[Tensor, Tensor], Tensor]


def build_gradients(model: nn.Module, recipe: Recipe) -> Gradients:
    """A function (images, labels) -> mean loss that also fills the gradients of `model`.

    Images are float32 [N, 28, 28] or [N, 784] with N up to the recipe's batch size, labels
    int64 [N].
    """
    if isinstance(model, Perceptron):
        return PerceptronGradients(model, recipe.batch_size)
    return AutogradGradients(model, recipe.precision)


def choose_precision(wanted: str, device: torch.device = CPU) -> str:
    """The wanted precision, or float32 if the device does not support bfloat16 natively.

    PyTorch would emulate bfloat16: with AVX2 alone, `robust` took twelve times as long. Support by
    a processor is known to a private function of PyTorch only; without it, float32 is used.
    """
    if wanted == "float32":
        return wanted
    if device.type == "cuda":
        is_supported = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        is_supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)()
    return wanted if is_supported else "float32"


class AutogradGradients:
    """Loss and gradients of any model, by autograd."""

    def __init__(self, model: nn.Module, precision: str = "float32") -> None:
        self.model = model
        self.device = next(model.parameters()).device
        self.num_columns = len(model.columns) if isinstance(model, MultiColumnNetwork) else 1
        self.is_bfloat16 = choose_precision(precision, self.device) == "bfloat16"

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """Fill the gradients for one batch and return its mean loss."""
        self.model.zero_grad(set_to_none=False)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.is_bfloat16):
            logits = self.model(images).float()
            if self.num_columns > 1:
                logits, labels = logits.flatten(0, 1), labels.repeat(self.num_columns)
            loss = F.cross_entropy(logits, labels)
        (loss * self.num_columns).backward()  # so that each column learns as if it were alone
        return loss.detach()


class PerceptronGradients:
    """Loss and gradients of a perceptron by explicit backpropagation."""

    def __init__(self, model: Perceptron, batch_size: int) -> None:
        self.layers: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        for layer in model.linear_layers():
            assert layer.weight.grad is not None
            assert layer.bias.grad is not None
            # Detached, so that autograd records nothing.
            values = layer.weight.detach(), layer.bias.detach()
            self.layers.append((*values, layer.weight.grad, layer.bias.grad))
        self.products = Products(self.layers[0][0].device)
        self._allocate(batch_size)

    def _allocate(self, num_images: int) -> None:
        biases = [bias for _, bias, _, _ in self.layers]
        self.outputs = [bias.new_empty(num_images, len(bias)) for bias in biases]
        self.hidden_gradients = [bias.new_empty(num_images, len(bias)) for bias in biases[:-1]]

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """Fill the gradients for one batch and return its mean loss."""
        num_images = len(labels)
        if num_images != len(self.outputs[0]):  # the last batch of an epoch may be smaller
            self._allocate(num_images)
        products, last = self.products, len(self.layers) - 1

        activations = [images.flatten(1)]
        for (weight, bias, _, _), output in zip(self.layers[:last], self.outputs, strict=False):
            activations.append(products.forward(activations[-1], weight, bias, output).relu_())
        weight, bias, _, _ = self.layers[last]
        logits_NK = products.forward(activations[-1], weight, bias, self.outputs[last])
        log_probabilities_NK = logits_NK.log_softmax(1)
        loss = F.nll_loss(log_probabilities_NK, labels)

        # d loss / d logits = (probabilities - one-hot labels) / N
        gradient = log_probabilities_NK.exp_()
        gradient.scatter_(1, labels[:, None], -1.0, reduce="add").mul_(1 / num_images)
        for i in range(last, -1, -1):
            weight, _, weight_gradient, bias_gradient = self.layers[i]
            products.weight_gradient(gradient, activations[i], weight_gradient)
            torch.sum(gradient, 0, out=bias_gradient)
            if i > 0:
                gradient = products.input_gradient(gradient, weight, self.hidden_gradients[i - 1])
                # ReLU passes a gradient where its output is above 0.
                torch.ops.aten.threshold_backward.grad_input(
                    gradient, activations[i], 0, grad_input=gradient
                )
        return loss
