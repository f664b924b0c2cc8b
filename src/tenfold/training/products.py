"""The three matrix products of a fully connected layer, by the faster of two libraries.

PyTorch's builds for x86 contain MKL, which torch.mm calls, and oneDNN. MKL uses AVX-512 on Intel's
processors only, oneDNN on AMD's too. So large products on an AMD processor with AVX-512 use oneDNN,
at about twice the speed; with AVX2 alone, MKL is faster (measured in docs/benchmarks.md). The two
differ in the last bits of a sum. The choice depends on the machine and the shapes alone, never on a
timing, so that runs are reproducible.

Array names carry their axes: N images of a batch, I inputs of a layer, O outputs.
"""

import torch
from torch import Tensor

from tenfold.system.machine import find_cpu_name

# For fewer multiply-adds, oneDNN's set-up takes longer than the product.
MIN_LARGE_MULTIPLY_ADDS = 1_000_000


class Products:
    """The products; results are written to `out` by MKL, and are new with oneDNN."""

    def __init__(self, device: torch.device | None = None) -> None:
        on_cpu = device is None or device.type == "cpu"
        self.prefers_onednn = (
            on_cpu
            and is_onednn_faster(find_cpu_name(), torch.backends.cpu.get_cpu_capability())
            and has_onednn()
        )

    def forward(self, inputs_NI: Tensor, weight_OI: Tensor, bias_O: Tensor, out: Tensor) -> Tensor:
        """Outputs [N, O]: inputs times weight transposed, plus bias."""
        if self.prefers_onednn and _is_large(len(inputs_NI), weight_OI):
            return _linear(inputs_NI, weight_OI, bias_O)
        return torch.addmm(bias_O, inputs_NI, weight_OI.t(), out=out)

    def input_gradient(self, gradient_NO: Tensor, weight_OI: Tensor, out: Tensor) -> Tensor:
        """Gradient of the inputs [N, I]: gradient of the outputs times weight."""
        if self.prefers_onednn and _is_large(len(gradient_NO), weight_OI):
            return _linear(gradient_NO, weight_OI.t(), None)
        return torch.mm(gradient_NO, weight_OI, out=out)

    def weight_gradient(self, gradient_NO: Tensor, inputs_NI: Tensor, out: Tensor) -> None:
        """Write the weight's gradient [O, I]: that of the outputs, transposed, times inputs."""
        if self.prefers_onednn and _is_large(len(gradient_NO), out):
            # With two transposed operands, oneDNN would use a kernel that is half as fast.
            gradient_ON = gradient_NO.t().contiguous()
            out.copy_(_linear(gradient_ON, inputs_NI.t(), None))
        else:
            torch.mm(gradient_NO.t(), inputs_NI, out=out)


def has_onednn() -> bool:
    """Whether this PyTorch has oneDNN's product, which is a private function."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def is_onednn_faster(cpu_name: str, capability: str) -> bool:
    """Whether oneDNN is faster than MKL on a processor.

    `capability` is PyTorch's name of the widest vectors it uses, such as "AVX2" or "AVX512".
    """
    return "AMD" in cpu_name and capability.startswith("AVX512")


def _is_large(num_images: int, weight_OI: Tensor) -> bool:
    return num_images * weight_OI.numel() >= MIN_LARGE_MULTIPLY_ADDS


def _linear(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    # What PyTorch's compiler emits for a linear layer on a CPU; it has no `out=`.
    outputs: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
    return outputs
