"""Describes the wheel's parts in a CycloneDX bill of materials in `.dist-info/sboms` (PEP 770).

It follows from the files and from pyproject.toml alone, without a time or a random number, so that
building again gives the same wheel.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.core import CoreMetadata, ProjectMetadata
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

FILE_NAME = "tenfold.cdx.json"
DEVELOPMENT = ("test", "docs", "dev")  # extras that users do not install
MIT = [{"license": {"id": "MIT"}}]
APACHE = [{"license": {"id": "Apache-2.0"}}]
# What NOTICE says of each network, in short. A network that is missing here fails the build.
PP_OCR = {
    "type": "machine-learning-model",
    "bom-ref": "PP-OCRv6_rec_small.onnx",
    "name": "PP-OCRv6_rec_small.onnx",
    "description": "The small text recogniser of PaddleOCR's PP-OCRv6, from rapidocr 3.10.0",
    "hashes": [
        {
            "alg": "SHA-256",
            "content": "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
        }
    ],
    "licenses": APACHE,
    "copyright": "Copyright (c) PaddlePaddle Authors and Baidu",
    "externalReferences": [{"type": "vcs", "url": "https://github.com/PaddlePaddle/PaddleOCR"}],
}
NETWORKS: dict[str, dict[str, Any]] = {
    "reader.onnx": {"description": "Classifies digit images", "licenses": MIT},
    "page.onnx": {"description": "Finds writing on a page", "licenses": MIT},
    "lines.onnx": {
        "description": "Reads lines of digits and signs",
        "licenses": APACHE,
        "pedigree": {
            "ancestors": [PP_OCR],
            "notes": "Training started from its weights; NOTICE says what was changed.",
        },
    },
}


class BillOfMaterialsHook(BuildHookInterface[Any]):
    """Adds the bill to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the bill to a temporary folder, from which Hatchling takes it into the wheel."""
        if self.target_name != "wheel":
            return
        files = [
            (file.distribution_path, Path(file.path))
            for file in self.build_config.builder.recurse_included_files()
        ]
        self._folder = TemporaryDirectory()
        path = Path(self._folder.name, FILE_NAME)
        text = json.dumps(describe(self.metadata, files), indent=2) + "\n"
        path.write_bytes(text.encode())
        build_data["sbom_files"].append(str(path))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary folder."""
        if self.target_name == "wheel":
            self._folder.cleanup()


def describe(metadata: ProjectMetadata[Any], files: list[tuple[str, Path]]) -> dict[str, Any]:
    """The bill of a wheel with these files (path in the wheel, path on disk)."""
    name, version = metadata.core.name, metadata.version
    components = [_describe_file(*file) for file in sorted(files) if file[1].suffix != ".py"]
    components += _describe_dependencies(metadata.core)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": name,
                "name": name,
                "version": version,
                "description": metadata.core.description,
                "licenses": [{"expression": metadata.core.license_expression}],
                "purl": f"pkg:pypi/{name}@{version}",
            }
        },
        "components": components,
        "dependencies": [
            {"ref": name, "dependsOn": [component["bom-ref"] for component in components]}
        ],
        # What the dependencies need in turn is decided when they are installed.
        "compositions": [{"aggregate": "incomplete", "dependencies": [name]}],
    }


def _describe_file(name: str, path: Path) -> dict[str, Any]:
    """A file of the wheel that is not Python."""
    name = Path(name).as_posix()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file = {"bom-ref": name, "name": name, "hashes": [{"alg": "SHA-256", "content": digest}]}
    if path.suffix == ".onnx":
        return {"type": "machine-learning-model", **file, **NETWORKS[path.name]}
    return {"type": "file", **file, "licenses": MIT}


def _describe_dependencies(core: CoreMetadata) -> Iterator[dict[str, Any]]:
    """The packages that pyproject.toml asks for, of the core and then of each extra."""
    yield from _describe_requirements(core.dependencies, None)
    for extra, requirements in core.optional_dependencies.items():
        if extra not in DEVELOPMENT:
            yield from _describe_requirements(requirements, extra)


def _describe_requirements(requirements: list[str], extra: str | None) -> Iterator[dict[str, Any]]:
    for requirement in map(Requirement, requirements):
        name = canonicalize_name(requirement.name)
        limits = sorted(requirement.specifier, key=lambda limit: Version(limit.version))
        yield {
            "type": "library",
            "bom-ref": name if extra is None else f"{extra}: {name}",
            "name": name,
            "isExternal": True,
            "versionRange": "vers:pypi/" + ("|".join(map(str, limits)) or "*"),
            "scope": "required" if extra is None else "optional",
            "purl": f"pkg:pypi/{name}",
            "properties": [{"name": "tenfold:requirement", "value": str(requirement)}]
            + ([{"name": "tenfold:extra", "value": extra}] if extra else []),
        }
