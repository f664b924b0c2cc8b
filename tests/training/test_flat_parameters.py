import torch
from torch import nn

from tenfold.models.build import build_model
from tenfold.recipes.configs import ConvolutionalConfig, PerceptronConfig
from tenfold.training.flat_parameters import flatten_parameters

CONFIG = PerceptronConfig(hidden_sizes=(7, 5))


def test_parameters_and_gradients_are_views_of_the_buffers_in_order() -> None:
    model, same = (build_model(CONFIG, seed=0) for _ in range(2))
    flat = flatten_parameters(model)
    assert not flat.gradients.any()
    assert all(map(torch.equal, model.parameters(), same.parameters()))
    assert all(parameter.requires_grad for parameter in model.parameters())
    num_parameters = sum(parameter.numel() for parameter in model.parameters())
    assert flat.values.shape == flat.gradients.shape == (num_parameters,)
    flat.values.copy_(torch.arange(num_parameters))
    flat.gradients.copy_(-torch.arange(num_parameters))
    first = 0
    for parameter in model.parameters():
        expected = torch.arange(first, first + parameter.numel()).float().view(parameter.shape)
        assert torch.equal(parameter, expected)
        assert parameter.grad is not None
        assert torch.equal(parameter.grad, -expected)
        first += parameter.numel()


def test_channels_last_parameters_keep_their_layout() -> None:
    config = ConvolutionalConfig(channels=(4, 6), depths=(1, 1), first_kernel_px=3)
    model, same = (build_model(config, seed=0) for _ in range(2))
    layouts = {name: parameter.stride() for name, parameter in model.named_parameters()}
    flat = flatten_parameters(model)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        assert parameter.stride() == parameter.grad.stride() == layouts[name]
        assert torch.equal(parameter, same.get_parameter(name))
    # Each number has its own place in the buffers.
    flat.values.copy_(torch.arange(len(flat.values)))
    flat.gradients.copy_(torch.arange(len(flat.values)))
    for which in ("data", "grad"):
        numbers = [getattr(parameter, which).flatten() for parameter in model.parameters()]
        assert torch.cat(numbers).sort().values.tolist() == list(range(len(flat.values)))


def test_autograd_accumulates_into_the_buffer() -> None:
    model = nn.Linear(3, 2)
    flat = flatten_parameters(model)
    inputs = torch.tensor([[1.0, 2.0, 3.0]])
    model(inputs).sum().backward()
    assert flat.gradients.tolist() == [1, 2, 3, 1, 2, 3, 1, 1]
