"""The rules of who may import whom, read from the source, so that new files are held to them."""

import ast
import importlib.resources
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import tenfold

SOURCE = Path(tenfold.__file__).parent


def name_module(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = {name_module(path): path for path in sorted(SOURCE.rglob("*.py"))}


def is_within(module: str, *packages: str) -> bool:
    """Whether a module is one of these or lies below one of them."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@cache
def list_imports(module: str, *, at_import: bool) -> frozenset[str]:
    """The modules that a module imports: all, or those that importing it imports at once."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    return frozenset(_walk(tree, package, at_import))


def _walk(node: ast.AST, package: str, at_import: bool) -> Iterator[str]:
    if at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return
    if at_import and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        yield base
        # `from tenfold.data import mnist` imports a module, `from tenfold.run import Run` none.
        yield from (f"{base}.{alias.name}" for alias in node.names)
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
        yield from (arg.value for arg in node.args if _is_text(arg))  # type: ignore[attr-defined]
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, package, at_import)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def close_over_imports(module: str) -> set[str]:
    """Every module that is imported when this one is, its packages included."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        if name in MODULES:
            waiting += list_imports(name, at_import=True)
        if "." in name:
            waiting.append(name.rpartition(".")[0])
    return found


def find_modules(is_meant: Callable[[str], bool]) -> list[str]:
    return [module for module in MODULES if is_meant(module)]


INSTRUMENT_AND_PLAIN_DATA = (
    "tenfold.data",
    "tenfold.errors",
    "tenfold.fields",
    "tenfold.listing",
    "tenfold.machine",
    "tenfold.pools",
    "tenfold.reading",
    "tenfold.recipes",
    "tenfold.run",
    "tenfold.scenes",
    "tenfold.serving",
)
WITHOUT_TORCH = find_modules(
    lambda module: module == "tenfold" or is_within(module, *INSTRUMENT_AND_PLAIN_DATA)
)


def test_the_rules_meet_the_modules_they_are_about() -> None:
    assert {
        "tenfold",
        "tenfold.data.batches",
        "tenfold.data.idx",
        "tenfold.data.mnist",
        "tenfold.errors",
        "tenfold.fields",
        "tenfold.machine",
        "tenfold.recipes",
        "tenfold.run",
    } <= set(WITHOUT_TORCH)
    # The reader of imports sees what is there, also through several modules.
    assert "tenfold.models.perceptron" in close_over_imports("tenfold.training.loop")
    assert "torch" in close_over_imports("tenfold.models.perceptron")


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_importing_it_does_not_import_torch(module: str) -> None:
    assert "torch" not in close_over_imports(module)


def test_python_agrees_that_torch_is_not_imported() -> None:
    slow = ("torch", "matplotlib", "safetensors", "jinja2")
    script = (
        f"import sys, {', '.join(WITHOUT_TORCH)}\nprint(*sorted(sys.modules.keys() & {set(slow)}))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == ""


def test_type_checkers_are_told_that_the_package_has_types() -> None:
    assert importlib.resources.files("tenfold").joinpath("py.typed").is_file()


def test_errors_imports_nothing() -> None:
    assert list_imports("tenfold.errors", at_import=False) == set()


@pytest.mark.parametrize(
    ("package", "other"), [("tenfold.data", "tenfold.models"), ("tenfold.models", "tenfold.data")]
)
def test_data_and_models_do_not_know_each_other(package: str, other: str) -> None:
    for module in find_modules(lambda module: is_within(module, package)):
        imported = list_imports(module, at_import=False)
        assert not [name for name in imported if is_within(name, other)], module


def test_cli_and_workflow_are_known_by_nobody_else() -> None:
    top = ("tenfold.cli", "tenfold.studying", "tenfold.workflow")
    # The package resolves its names lazily, and `python -m tenfold` is the command.
    for module in find_modules(
        lambda module: not is_within(module, *top, "tenfold.__main__") and module != "tenfold"
    ):
        imported = list_imports(module, at_import=False)
        assert not [name for name in imported if is_within(name, *top)], module
    assert not [name for name in close_over_imports("tenfold") if is_within(name, *top)]


def test_only_figures_imports_matplotlib() -> None:
    for module in find_modules(lambda module: not is_within(module, "tenfold.figures")):
        imported = list_imports(module, at_import=False)
        assert not [name for name in imported if is_within(name, "matplotlib")], module


def test_only_cluster_imports_ray_and_none_but_the_top_knows_cluster() -> None:
    top = ("tenfold.cli", "tenfold.studying")
    for module in find_modules(lambda module: not is_within(module, "tenfold.cluster")):
        imported = list_imports(module, at_import=False)
        assert not [name for name in imported if is_within(name, "ray", "pyarrow")], module
        if not is_within(module, *top):
            assert not [name for name in imported if is_within(name, "tenfold.cluster")], module


def test_cluster_knows_neither_training_nor_ray_until_it_is_called() -> None:
    known = ("errors", "disk", "machine", "reading", "run", "cluster")
    for module in find_modules(lambda module: is_within(module, "tenfold.cluster")):
        for name in list_imports(module, at_import=False):
            if is_within(name, "tenfold") and name != "tenfold":
                assert is_within(name, *(f"tenfold.{one}" for one in known)), f"{module}: {name}"
        # Ray looks at the environment when it is imported, and that takes a second.
        assert not close_over_imports(module) & {"ray", "pyarrow", "torch"}, module


def test_the_instrument_knows_nothing_of_the_workshop() -> None:
    # Its own two packages, errors, cores and processes, and what tells of runs.
    names = ("reading", "serving", "errors", "machine", "pools", "run", "listing")
    known = tuple(f"tenfold.{name}" for name in names)
    for module in find_modules(lambda module: is_within(module, *known[:2])):
        for name in list_imports(module, at_import=False):
            if is_within(name, "tenfold") and name != "tenfold":
                assert is_within(name, *known), f"{module} imports {name}"


def test_scenes_are_made_with_reading_alone() -> None:
    for module in find_modules(lambda module: is_within(module, "tenfold.scenes")):
        for name in list_imports(module, at_import=False):
            if is_within(name, "tenfold") and name != "tenfold":
                known = ("scenes", "reading", "configs", "errors", "machine", "pools")
                assert is_within(name, *(f"tenfold.{one}" for one in known)), f"{module}: {name}"
