"""The three matrix products of a fully connected layer.

PyTorch's builds for x86 carry two libraries for them. Its ordinary product calls MKL, which uses
AVX-512 on Intel's processors alone; on AMD's it stays with AVX2. The other library, oneDNN, uses
AVX-512 wherever it is. So where an AMD processor has AVX-512, large products go to oneDNN, at
about twice the speed; where it has AVX2 alone, MKL is the faster one (docs/benchmarks.md has both
measurements). The two differ in the last bits of a sum. Which one runs depends on the machine and
the shapes alone, never on a timing, so that a run can be repeated.

Array names carry their axes: N images of a batch, I inputs of a layer, O outputs.
"""

import torch
from torch import Tensor

from tenfold.system.machine import find_cpu_name

# Below this many multiply-adds a product is over before oneDNN's set-up is.
MIN_LARGE_MULTIPLY_ADDS = 1_000_000


class Products:
    """The products, by the faster library of this machine.

    Results may be written to the buffer given as `out`, or be new.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        # What PyTorch's compiler emits for a linear layer on a CPU; it has no `out=`, the memory
        # that it allocates comes back from the allocator's cache.
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
            # Of two transposed operands oneDNN would take a kernel half as fast.
            gradient_ON = gradient_NO.t().contiguous()
            out.copy_(_linear(gradient_ON, inputs_NI.t(), None))
        else:
            torch.mm(gradient_NO.t(), inputs_NI, out=out)


def has_onednn() -> bool:
    """Whether this PyTorch has oneDNN's product, which is no public call: it may go."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def is_onednn_faster(cpu_name: str, capability: str) -> bool:
    """Whether oneDNN multiplies faster than MKL on a processor of this name.

    `capability` is what PyTorch calls the widest vectors that it uses, such as "AVX2" or "AVX512".
    """
    return "AMD" in cpu_name and capability.startswith("AVX512")


def _is_large(num_images: int, weight_OI: Tensor) -> bool:
    return num_images * weight_OI.numel() >= MIN_LARGE_MULTIPLY_ADDS


def _linear(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    outputs: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
    return outputs
