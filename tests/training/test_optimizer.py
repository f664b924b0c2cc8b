import re
from typing import Any

import pytest
import torch
from torch import Tensor

from tenfold.errors import MissingExtraError
from tenfold.models.build import build_model
from tenfold.recipes.configs import OptimizerConfig, PerceptronConfig
from tenfold.training.flat_parameters import FlatParameters, flatten_parameters
from tenfold.training.optimizer import build_optimizer

MODEL = PerceptronConfig(hidden_sizes=(50, 20))
SCALES = [0.1, 0.5, 1.0, 1.0, 0.7, 0.01]  # of a schedule

ADAM = OptimizerConfig(learning_rate=0.001)
ADAM_WITH_DECAY = OptimizerConfig(learning_rate=0.01, weight_decay=0.3)
SGD = OptimizerConfig(optimizer="sgd", learning_rate=0.1)
SGD_WITH_DECAY = OptimizerConfig(
    optimizer="sgd", learning_rate=0.05, momentum=0.6, weight_decay=0.01
)
SGD_WITHOUT_MOMENTUM = OptimizerConfig(optimizer="sgd", learning_rate=0.1, momentum=0.0)
CONFIGS = [ADAM, ADAM_WITH_DECAY, SGD, SGD_WITH_DECAY, SGD_WITHOUT_MOMENTUM]


def set_gradients(gradients: Tensor, step: int) -> None:
    """Gradients of very different sizes; some are zero."""
    generator = torch.Generator().manual_seed(step)
    scale = 10.0 ** -torch.randint(0, 7, gradients.shape, generator=generator)
    noise = torch.randn(gradients.shape, generator=generator)
    gradients.copy_(noise * scale * (torch.arange(len(noise)) % 7 != step % 7))


def build_pytorchs(
    config: OptimizerConfig, parameters: list[torch.nn.Parameter], *, fused: bool
) -> torch.optim.Optimizer:
    """PyTorch's optimizer for the config."""
    options: dict[str, Any] = {"lr": config.learning_rate, "fused": fused}
    if config.optimizer == "sgd":
        nesterov = config.momentum > 0
        options |= {"momentum": config.momentum, "nesterov": nesterov}
        return torch.optim.SGD(parameters, weight_decay=config.weight_decay, **options)
    if config.weight_decay == 0:
        return torch.optim.Adam(parameters, **options)
    return torch.optim.AdamW(parameters, weight_decay=config.weight_decay, **options)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("config", CONFIGS)
def test_steps_equal_those_of_pytorch(config: OptimizerConfig, fused: bool) -> None:
    model, other = (build_model(MODEL, seed=0) for _ in range(2))
    flat = flatten_parameters(model)
    mine = build_optimizer(flat, config)
    theirs = build_pytorchs(config, list(other.parameters()), fused=fused)
    for step, scale in enumerate(3 * SCALES):
        set_gradients(flat.gradients, step)
        for parameter, same in zip(other.parameters(), model.parameters(), strict=True):
            assert same.grad is not None
            parameter.grad = same.grad.clone()
        for group in theirs.param_groups:
            group["lr"] = scale * config.learning_rate
        mine.step(scale)
        theirs.step()
    for parameter, same in zip(other.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(same, parameter, rtol=1e-6, atol=config.learning_rate * 1e-5)


@pytest.mark.parametrize("config", CONFIGS)
def test_steps_on_one_tensor_equal_pytorchs_fused_kernel_bitwise(config: OptimizerConfig) -> None:
    flat = flatten_parameters(build_model(MODEL, seed=0))
    mine = build_optimizer(flat, config)
    other = torch.nn.Parameter(flat.values.clone())
    theirs = build_pytorchs(config, [other], fused=True)
    for step in range(20):
        set_gradients(flat.gradients, step)
        other.grad = flat.gradients.clone()
        mine.step()
        assert torch.equal(flat.gradients, other.grad)  # they are not changed
        theirs.step()
    assert torch.equal(flat.values, other)


def test_adams_first_step_has_the_length_of_the_learning_rate() -> None:
    flat = FlatParameters(torch.zeros(4), torch.tensor([5.0, -0.01, 1e-4, 0.0]))
    build_optimizer(flat, OptimizerConfig(learning_rate=0.5)).step(0.5)
    expected = torch.tensor([-0.25, 0.25, -0.25, 0.0])
    torch.testing.assert_close(flat.values, expected, rtol=2e-4, atol=0)


def test_weights_without_gradient_decay() -> None:
    # Adam's by learning rate x decay: 0.5 x 0.4 x 0.25 of 8.
    adam = FlatParameters(torch.tensor([8.0]), torch.zeros(1))
    build_optimizer(adam, OptimizerConfig(learning_rate=0.4, weight_decay=0.25)).step(0.5)
    assert adam.values.item() == pytest.approx(8 - 0.4)
    # SGD's by a gradient of 0.25 x 8, which Nesterov momentum multiplies by 1.9 in the first step.
    sgd = FlatParameters(torch.tensor([8.0]), torch.zeros(1))
    config = OptimizerConfig(optimizer="sgd", learning_rate=0.4, weight_decay=0.25)
    build_optimizer(sgd, config).step(0.5)
    assert sgd.values.item() == pytest.approx(8 - 0.2 * 1.9 * 2)


@pytest.mark.parametrize(("config", "kernel"), [(ADAM, "_fused_adamw_"), (SGD, "_fused_sgd_")])
def test_a_pytorch_without_the_kernel_is_refused(
    config: OptimizerConfig, kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = FlatParameters(torch.zeros(1), torch.zeros(1))
    monkeypatch.delattr(torch, kernel)
    with pytest.raises(
        MissingExtraError, match=f"{re.escape(torch.__version__)} has no torch.{kernel}"
    ):
        build_optimizer(parameters, config)
