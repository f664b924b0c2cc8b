"""The wheel: built again it is the same file, and its bill of materials lists what is in it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tenfold import __version__
from tenfold.reading.model_file import BUNDLED_SHA256

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def build(source: Path, folder: Path, *targets: str, umask: int = 0o022) -> None:
    options = [option for target in targets for option in ("--target", target)]
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder), *options]
    environment = {key: value for key, value in os.environ.items() if key != "SOURCE_DATE_EPOCH"}
    subprocess.run(
        command, cwd=source, env=environment, umask=umask, capture_output=True, check=True
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, with the source distribution beside it, built from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    build(ROOT, folder, "wheel", "sdist")
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def bill(wheel: Path) -> dict[str, Any]:
    with zipfile.ZipFile(wheel) as archive:
        name = f"tenfold-{__version__}.dist-info/sboms/tenfold.cdx.json"
        content: dict[str, Any] = json.loads(archive.read(name))
    return content


def test_the_source_distribution_gives_the_same_wheel_in_another_folder_at_another_time(
    wheel: Path, tmp_path: Path
) -> None:
    with tarfile.open(next(wheel.parent.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    source = next(tmp_path.glob("tenfold-*"))
    for path in source.rglob("*"):
        os.utime(path, (10**9, 10**9))
        path.chmod(0o700 if path.is_dir() else 0o600)
    build(source, tmp_path / "again", "wheel", umask=0o077)
    assert (tmp_path / "again" / wheel.name).read_bytes() == wheel.read_bytes()


def test_the_bill_of_materials_is_valid(bill: dict[str, Any]) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    assert JsonStrictValidator(SchemaVersion.V1_7).validate_str(json.dumps(bill)) is None


def test_the_bill_has_each_file_that_is_not_python(wheel: Path, bill: dict[str, Any]) -> None:
    listed = {
        component["name"]: component["hashes"][0]["content"]
        for component in bill["components"]
        if not component.get("isExternal")
    }
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith("tenfold/")]
        found = {
            name: hashlib.sha256(archive.read(name)).hexdigest()
            for name in names
            if not name.endswith(".py")
        }
    assert listed == found
    assert {name.split("/")[-1]: listed[name] for name in listed if "/model/" in name} == (
        BUNDLED_SHA256
    )


def test_the_bill_says_what_notice_says_of_the_line_network(bill: dict[str, Any]) -> None:
    networks = {
        component["name"].split("/")[-1]: component
        for component in bill["components"]
        if component["type"] == "machine-learning-model"
    }
    licenses = {name: part["licenses"][0]["license"]["id"] for name, part in networks.items()}
    assert licenses == {"reader.onnx": "MIT", "page.onnx": "MIT", "lines.onnx": "Apache-2.0"}
    (origin,) = networks["lines.onnx"]["pedigree"]["ancestors"]
    notice = (ROOT / "NOTICE").read_text()
    for fact in (origin["name"], origin["hashes"][0]["content"], origin["copyright"]):
        assert fact in notice


def test_the_bill_has_each_dependency_with_its_versions(bill: dict[str, Any]) -> None:
    wanted = {str(Requirement(line)): "required" for line in PROJECT["dependencies"]}
    for extra, lines in PROJECT["optional-dependencies"].items():
        if extra not in ("test", "docs", "dev"):
            wanted |= {str(Requirement(line)): "optional" for line in lines}
    external = [component for component in bill["components"] if component.get("isExternal")]
    assert {part["properties"][0]["value"]: part["scope"] for part in external} == wanted
    ranges = {component["name"]: component["versionRange"] for component in external}
    assert ranges["granian"] == "vers:pypi/>=2.8|<3"
