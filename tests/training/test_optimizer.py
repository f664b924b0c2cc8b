import pytest
import torch
from torch import Tensor

from tenfold.models.perceptron import build_perceptron
from tenfold.recipes import PerceptronConfig
from tenfold.training.optimizer import Adam
from tenfold.training.parameters import FlatParameters, flatten_parameters

CONFIG = PerceptronConfig(hidden_sizes=(50, 20))


def set_gradients(gradients: Tensor, step: int) -> None:
    """Gradients of every size, as training has them; some are zero."""
    generator = torch.Generator().manual_seed(step)
    scale = 10.0 ** -torch.randint(0, 7, gradients.shape, generator=generator)
    noise = torch.randn(gradients.shape, generator=generator)
    gradients.copy_(noise * scale * (torch.arange(len(noise)) % 7 != step % 7))


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("learning_rate", [0.001, 0.1])
def test_twenty_steps_are_those_of_pytorch(learning_rate: float, fused: bool) -> None:
    model, other = (build_perceptron(CONFIG, seed=0) for _ in range(2))
    flat = flatten_parameters(model)
    mine = Adam(flat, learning_rate)
    theirs = torch.optim.Adam(other.parameters(), lr=learning_rate, fused=fused)
    for step in range(20):
        set_gradients(flat.gradients, step)
        for parameter, same in zip(other.parameters(), model.parameters(), strict=True):
            assert same.grad is not None
            parameter.grad = same.grad.clone()
        mine.step()
        theirs.step()
    for parameter, same in zip(other.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(same, parameter, rtol=1e-6, atol=learning_rate * 1e-5)


def test_on_one_tensor_it_is_pytorchs_fused_kernel_to_the_last_bit() -> None:
    flat = flatten_parameters(build_perceptron(CONFIG, seed=0))
    mine = Adam(flat, 0.001)
    other = torch.nn.Parameter(flat.values.clone())
    theirs = torch.optim.Adam([other], lr=0.001, fused=True)
    for step in range(20):
        set_gradients(flat.gradients, step)
        other.grad = flat.gradients.clone()
        mine.step()
        theirs.step()
    assert torch.equal(flat.values, other)


def test_the_first_step_is_as_long_as_the_learning_rate() -> None:
    flat = FlatParameters(torch.zeros(4), torch.tensor([5.0, -0.01, 1e-4, 0.0]))
    Adam(flat, 0.25).step()
    expected = torch.tensor([-0.25, 0.25, -0.25, 0.0])
    torch.testing.assert_close(flat.values, expected, rtol=2e-4, atol=0)


def test_a_step_leaves_the_gradients_alone() -> None:
    flat = FlatParameters(torch.zeros(3), torch.tensor([1.0, 2.0, 3.0]))
    Adam(flat, 0.1).step()
    assert flat.gradients.tolist() == [1, 2, 3]
