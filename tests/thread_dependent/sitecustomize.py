"""Makes the arithmetic of each Python that finds this folder on its path depend on threads.

Python imports a module of this name when it starts. PyTorch is imported later, if at all; so what
the loop calls is changed when its module has been loaded.
"""

import importlib.util
import sys
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

from arithmetic import depend_on_threads

MODULE = "tenfold.training.loop"


class Finder(MetaPathFinder):
    """Finds the module as Python does, and changes it once it is loaded."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(MODULE)
        assert spec is not None
        assert spec.loader is not None
        execute = spec.loader.exec_module

        def execute_and_change(module: ModuleType) -> None:
            execute(module)
            module.build_gradients = depend_on_threads(module.build_gradients)  # type: ignore[attr-defined]

        spec.loader.exec_module = execute_and_change  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Finder())
