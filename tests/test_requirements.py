"""The locked requirements: each package that pyproject.toml asks for, in the versions tested."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
CORE = PROJECT["project"]["dependencies"]
WANTED = {
    "reader": CORE,
    "serve": [*CORE, *EXTRAS["serve"]],
    "train": [*CORE, *EXTRAS["train"]],
    "build": PROJECT["dependency-groups"]["build"] + PROJECT["build-system"]["requires"],
}
LEFT_OUT = {"torch"}  # as docs/security.md says


def read_lock(name: str) -> dict[str, list[str]]:
    """The versions of each package in a lock: more than one where they depend on the Python."""
    versions: dict[str, list[str]] = {}
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", "")
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            requirement, *hashes = line.split("--hash=")
            assert hashes, f"{requirement} has no hash"
            assert all(re.fullmatch("sha256:[0-9a-f]{64}", value.strip()) for value in hashes)
            package, version = requirement.partition(";")[0].strip().split("==")
            versions.setdefault(package, []).append(version)
    return versions


@pytest.mark.parametrize("name", WANTED)
def test_a_lock_has_each_requirement_in_a_version_that_satisfies_it(name: str) -> None:
    locked = read_lock(name)
    for requirement in map(Requirement, WANTED[name]):
        package = canonicalize_name(requirement.name)
        if package not in LEFT_OUT:
            assert package in locked, f"{package}: run make lock"
            for version in locked[package]:
                assert requirement.specifier.contains(Version(version)), f"{package}: run make lock"
    assert not LEFT_OUT & locked.keys()


@pytest.mark.parametrize("name", WANTED)
def test_a_lock_has_the_versions_that_the_tests_run_with(name: str) -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    tested = {str(canonicalize_name(package)): version for package, version in pins}
    for package, versions in read_lock(name).items():
        if package in tested:
            assert versions == [tested[package]], f"{package}: run make lock"


def test_the_locks_agree_and_name_no_index() -> None:
    together = read_lock("reader")
    for name in ("serve", "train"):
        lock = read_lock(name)
        assert {package: lock[package] for package in together} == together, name
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "make lock" in text.splitlines()[1]
        assert not re.search(r"://|--(extra-)?index-url|--find-links| @ ", text), path
