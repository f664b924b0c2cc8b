"""A model of one's own in a recipe, by the name of what builds it. Nothing is imported here."""

import json
import operator
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tenfold.errors import RecipeError

DOTTED = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
HOW = "such as my_models.py, and name it: ModuleConfig('my_models:Net')"


@dataclass(frozen=True)
class ModuleConfig:
    """A model of your own: any `torch.nn.Module` that maps digit images to ten logits.

    `factory` is a class or function, or its name, "package.module:name"; called with `arguments`,
    it returns the module. Only the name is kept, and other processes and later calls import it, so
    it cannot be in the script or notebook itself. `arguments` are keyword arguments as
    JSON has them: numbers, text, lists and so on; tuples become lists.

    The module gets images as float32 [N, 1, 28, 28] from 0 (black) to 1 (white), and returns logits
    float32 [N, 10], without softmax. Its parameters are float32; those that do not require a
    gradient stay as they are. Its `state_dict` has only tensors. Initial weights, and random
    numbers of PyTorch in training such as dropout's, follow from the seed of a run.

    Raises RecipeError for anything else. Whatever uses a run of such a model, except `load_run`,
    imports the module of the factory, and so runs its code.
    """

    kind: ClassVar[str] = "module"
    rejects: ClassVar[bool] = False

    factory: str | Callable[..., Any]
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        name = self.factory if isinstance(self.factory, str) else _find_name(self.factory)
        if name.startswith("__main__:"):
            raise RecipeError(
                f"{name} is of the script or notebook itself, which other processes and later "
                f"calls cannot import; move it into a module of its own, {HOW}"
            )
        if not re.fullmatch(f"{DOTTED}:{DOTTED}", name):
            raise RecipeError(
                f"a model is named as package.module:name, such as my_models:Net, not {name!r}"
            )
        object.__setattr__(self, "factory", name)
        try:
            arguments = json.loads(json.dumps(dict(self.arguments), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise RecipeError(f"{name}: the arguments are not JSON values: {error}") from error
        object.__setattr__(self, "arguments", arguments)

    @property
    def name(self) -> str:
        """The factory as package.module:name."""
        return str(self.factory)

    def describe(self) -> str:
        """The call that builds the model, such as my_models:Net(width=32)."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.name}({arguments})"

    def count_parameters(self) -> None:
        """Unknown before the model is built."""

    def count_multiply_adds(self) -> None:
        """Unknown."""


def _find_name(factory: object) -> str:
    """The name by which a class or function can be imported; RecipeError if there is none."""
    module, name = getattr(factory, "__module__", None), getattr(factory, "__qualname__", None)
    if not callable(factory) or not isinstance(module, str) or not isinstance(name, str):
        raise RecipeError(
            f"a model is built by a class or function, not by an object of the class "
            f"{type(factory).__name__}; pass the class, with its arguments in `arguments`"
        )
    if module == "__main__":
        return f"{module}:{name}"  # which is refused, also as text
    try:
        is_found = operator.attrgetter(name)(sys.modules[module]) is factory
    except (AttributeError, KeyError):
        is_found = False
    if not is_found:
        raise RecipeError(
            f"{module}:{name} cannot be imported by this name; move it to the top level of a "
            f"module, {HOW}"
        )
    return f"{module}:{name}"
