"""Who may import whom, read from the source, so that new files are held to it."""

import ast
import importlib.resources
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import tenfold

SOURCE = Path(tenfold.__file__).parent

# Each package and what it may import of the others: only those above it, so there is no circle.
MAY_IMPORT = {
    "errors": "",
    "digits": "",
    "system": "errors",
    "reading": "errors digits system",
    "forms": "errors digits system reading",
    "recipes": "errors digits system",
    "data": "errors digits system recipes",
    "synthetic": "errors digits system reading recipes data",
    "models": "errors digits system reading recipes",
    "runs": "errors digits system recipes data models",
    "training": "errors digits system recipes data runs models",
    "evaluation": "errors digits system reading recipes data runs models",
    "studies": "errors digits system recipes data runs evaluation",
    "auditing": ("errors digits system reading recipes data synthetic runs evaluation studies"),
    "reports": "errors digits system recipes data runs evaluation studies auditing",
    "cluster": "errors digits system reading",
    "workflow": (
        "errors digits system reading recipes data synthetic runs models training evaluation "
        "studies auditing reports cluster"
    ),
    "sklearn": "errors digits system recipes data runs workflow",
    "serving": "errors system reading forms",
    "cli": (
        "errors digits system reading forms recipes data runs training evaluation auditing reports "
        "cluster workflow serving"
    ),
}
# Heavy libraries, and the packages that may import them.
LIBRARIES = {
    "torch": "models training workflow cli",
    "safetensors": "training workflow models",
    "matplotlib": "reports",
    "jinja2": "models reports",
    "onnx": "workflow models",
    "ray": "cluster",
    "pyarrow": "cluster data",
    "openpyxl": "forms",
    "mlflow": "training",
    "sklearn": "sklearn",
}
# Importing any module of these does not import torch: they start fast, or run where it is missing.
WITHOUT_TORCH = (
    "errors digits system reading forms recipes data synthetic runs studies auditing serving "
    "cluster cli"
)


def name_module(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


MODULES = {name_module(path): path for path in sorted(SOURCE.rglob("*.py"))}
INSIDE = [module for module in MODULES if module not in ("tenfold", "tenfold.__main__")]


def find_package(module: str) -> str:
    """The package below tenfold, or the module of the root, that a module belongs to."""
    return module.split(".")[1]


@cache
def list_imports(module: str, *, at_import: bool) -> frozenset[str]:
    """The modules that a module imports: all, or those that importing it imports at once."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    return frozenset(_walk(tree, package, at_import)) - {module}


def _walk(node: ast.AST, package: str, at_import: bool) -> Iterator[str]:
    if at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return
    if at_import and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        # `from tenfold.data import mnist` imports a module, `import Part` from that a name.
        for alias in node.names:
            full = f"{base}.{alias.name}"
            yield full if full in MODULES else base
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


def test_the_import_reader_sees_direct_and_indirect_imports() -> None:
    assert "tenfold.models.perceptron" in close_over_imports("tenfold.training.loop")
    assert "torch" in close_over_imports("tenfold.models.perceptron")


def test_the_table_has_every_package_and_points_upwards_only() -> None:
    assert set(MAY_IMPORT) == {find_package(module) for module in INSIDE} - {"_version"}
    above: set[str] = set()
    for package, allowed in MAY_IMPORT.items():
        assert set(allowed.split()) <= above, package
        above.add(package)


@pytest.mark.parametrize("module", INSIDE)
def test_a_module_imports_only_what_the_table_allows(module: str) -> None:
    package = find_package(module)
    for name in list_imports(module, at_import=False):
        library = name.split(".")[0]
        if library != "tenfold":
            assert package in LIBRARIES.get(library, package).split(), name
        elif name != "tenfold" and find_package(name) not in (package, "_version"):
            assert find_package(name) in MAY_IMPORT[package].split(), name


def test_no_modules_import_one_another_in_a_circle() -> None:
    graph = {
        module: {name for name in list_imports(module, at_import=False) if name in MODULES}
        for module in INSIDE
    }
    # A package's own file imports its modules when a name is asked for.
    packages = {module for module in INSIDE if MODULES[module].name == "__init__.py"}
    list(TopologicalSorter({m: graph[m] - packages for m in graph}).static_order())


@pytest.mark.parametrize(
    "module", [one for one in INSIDE if find_package(one) in WITHOUT_TORCH.split()]
)
def test_importing_it_does_not_import_torch_or_ray(module: str) -> None:
    assert not close_over_imports(module) & {"torch", "ray", "pyarrow", "matplotlib"}


def test_python_agrees_that_torch_is_not_imported() -> None:
    slow = ("torch", "matplotlib", "safetensors", "jinja2", "ray")
    light = [one for one in INSIDE if find_package(one) in WITHOUT_TORCH.split()]
    script = f"import sys, {', '.join(light)}\nprint(*sorted(sys.modules.keys() & {set(slow)}))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == ""


def test_the_package_is_marked_as_typed() -> None:
    assert importlib.resources.files("tenfold").joinpath("py.typed").is_file()
