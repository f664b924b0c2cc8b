"""Imports, builds and checks a model of one's own (`ModuleConfig`).

What its code raises becomes a RecipeError of one line, whose cause has the traceback.
"""

import hashlib
import importlib
import operator
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tenfold.digits import IMAGE_SIZE_PX, NUM_CLASSES
from tenfold.errors import RecipeError
from tenfold.models.seeding import seeding
from tenfold.recipes.own_model import ModuleConfig

NUM_CHECKED = 2  # images
MAX_MESSAGE = 200  # characters of an error of the model's own


class OwnModel(nn.Module):
    """A module of one's own, for images without an axis of channels as other models have them.

    Its weights have the names that they have in that module.
    """

    def __init__(self, name: str, module: nn.Module) -> None:
        super().__init__()
        self.name, self.module = name, module

    def forward(self, images: Tensor) -> Tensor:
        """Map images, [N, 28, 28] in [0, 1], to logits [N, 10]."""
        logits: Tensor = self.module(images[:, None])
        return logits

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as of any module
        """The tensors of the module, by the names that they have there."""
        return self.module.state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Restore the tensors of the module."""
        return self.module.load_state_dict(*args, **kwargs)


def import_factory(name: str) -> Callable[..., Any]:
    """The class or function of a name, package.module:name. Raises RecipeError."""
    module, _, path = name.partition(":")
    try:
        imported = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise RecipeError(
            f"{name}: {error}; Python looks for it in the folders of sys.path, to which the "
            "environment variable PYTHONPATH adds others"
        ) from error
    except Exception as error:  # whatever its code raises
        raise RecipeError(f"{name}: importing {module} failed: {describe_error(error)}") from error
    try:
        factory: Callable[..., Any] = operator.attrgetter(path)(imported)
    except AttributeError as error:
        where = getattr(imported, "__file__", None) or module
        raise RecipeError(f"{name}: {where} has no {path}") from error
    return factory


def build_own_model(config: ModuleConfig) -> OwnModel:
    """The model of a config, after a trial on black images. Raises RecipeError if it is unfit."""
    name = config.name
    factory = import_factory(name)
    with _reporting(f"{name}: building the model failed"):
        module = factory(**config.arguments)
    if not isinstance(module, nn.Module):
        raise RecipeError(f"{name} must return a torch.nn.Module, not {type(module).__name__}")
    model = OwnModel(name, module)
    images = torch.zeros(NUM_CHECKED, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    with torch.no_grad(), _reporting(f"{name}: {describe_images(NUM_CHECKED)} failed"):
        logits = model.eval()(images)
    _check_logits(logits, name)
    wrong = {str(parameter.dtype) for parameter in model.parameters()} - {"torch.float32"}
    if wrong:
        raise RecipeError(f"{name}: parameters must be float32, not {', '.join(sorted(wrong))}")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise RecipeError(f"{name}: the model has no parameters to train")
    for key, value in model.state_dict().items():
        if not isinstance(value, Tensor):
            raise RecipeError(
                f"{name}: only tensors can be saved, but {key} of its state_dict is of the type "
                f"{type(value).__name__}; return a tensor from get_extra_state, or leave it out"
            )
    return model


def _check_logits(logits: object, name: str) -> None:
    wanted = [NUM_CHECKED, NUM_CLASSES]
    if not isinstance(logits, Tensor):
        raise RecipeError(f"{name} must return logits, a tensor, not {type(logits).__name__}")
    if list(logits.shape) != wanted or logits.dtype != torch.float32:
        raise RecipeError(
            f"{name} must map images {[NUM_CHECKED, 1, IMAGE_SIZE_PX, IMAGE_SIZE_PX]} to "
            f"float32 logits {wanted}, but returned {logits.dtype} {list(logits.shape)}"
        )
    if (logits >= 0).all() and torch.allclose(logits.sum(1), torch.ones(NUM_CHECKED)):
        raise RecipeError(
            f"{name} must return logits, but returned probabilities; leave out the softmax, which "
            "the loss has"
        )


def check_training(model: OwnModel, num_images: int, seed: int) -> None:
    """Try a step on as many black images, and spoil the model. Raises RecipeError if it fails."""
    images = torch.zeros(num_images, IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    labels = torch.zeros(num_images, dtype=torch.int64)
    hint = " (the last batch of an epoch; --batch-size changes it)" * (num_images == 1)
    failure = f"{model.name}: training on {describe_images(num_images)}{hint} failed"
    with seeding(seed), _reporting(failure):
        F.cross_entropy(model.train()(images), labels).backward()


def describe_images(count: int) -> str:
    """The shape of so many images."""
    return f"images [{count}, 1, {IMAGE_SIZE_PX}, {IMAGE_SIZE_PX}]"


def describe_source(config: ModuleConfig) -> dict[str, str]:
    """The module that builds a model, which is imported, and the SHA-256 of its file if any."""
    import_factory(config.name)
    module = config.name.partition(":")[0]
    file = getattr(sys.modules[module], "__file__", None)
    try:
        return {module: f"SHA-256 {hashlib.sha256(Path(file or '').read_bytes()).hexdigest()}"}
    except OSError:
        return {module: "unknown"}


@contextmanager
def _reporting(failure: str) -> Iterator[None]:
    """Turn any exception of a model's own code into a RecipeError."""
    try:
        yield
    except Exception as error:
        raise RecipeError(f"{failure}: {describe_error(error)}") from error


def describe_error(error: BaseException) -> str:
    """The class and the message of an error, in one line that is not too long."""
    message = " ".join(str(error).split())
    if len(message) > MAX_MESSAGE:
        message = message[:MAX_MESSAGE] + "…"
    return f"{type(error).__name__}: {message}".rstrip(": ")
