"""Makes gradients depend on the number of threads in every Python that has this folder on its path.

Python imports a module of this name at startup. PyTorch is imported later, if at all, so the
training loop is changed once it has been loaded.
"""

import importlib.util
import sys
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

from arithmetic import depend_on_threads

MODULE = "tenfold.training.loop"


class Finder(MetaPathFinder):
    """Finds the module the usual way, and patches it after it is loaded."""

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
