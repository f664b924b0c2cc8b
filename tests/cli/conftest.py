"""Calls of commands that several test files share."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from tenfold.cli import main
from tenfold.data.mnist import LabelledImages


class Printed(NamedTuple):
    """What a command wrote to stdout and stderr."""

    out: str
    err: str


Fail = Callable[[str | list[str]], str]
Read = Callable[..., Printed]
RunInShell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fail(here: Path, capsys: pytest.CaptureFixture[str]) -> Fail:
    """Call a command that is refused: one line, which is returned, and nothing is written here."""

    def call(command: str | list[str]) -> str:
        before = sorted(here.rglob("*"))
        assert main(command.split() if isinstance(command, str) else command) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("tenfold: ")
        assert printed.err.count("\n") == 1
        assert printed.err.removesuffix("\n").isprintable()
        assert sorted(here.rglob("*")) == before
        return printed.err.removeprefix("tenfold: ").removesuffix("\n")

    return call


@pytest.fixture
def blank(here: Path) -> Path:
    """Here: one.png, which is blank."""
    Image.new("L", (60, 60), 230).save("one.png")
    return here


@pytest.fixture
def run_in_shell(here: Path) -> RunInShell:
    """Run a command line in a shell and a process of its own, where `tenfold` is this Tenfold."""

    def run(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
        search = [variables.pop("PYTHONPATH", ""), *sys.path]
        python_path = os.pathsep.join(filter(None, search))
        return subprocess.run(
            ["sh", "-c", line.replace("tenfold", shlex.join([sys.executable, "-m", "tenfold"]), 1)],
            env={**os.environ, **variables, "PYTHONPATH": python_path},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def folder(test_images: LabelledImages, here: Path) -> Path:
    """Here: scans/ with a 7, a 2 in a folder below, and a blank page; lines.png of two lines."""
    (here / "scans/more").mkdir(parents=True)
    images_NHW = 255 - test_images.images_NHW
    Image.fromarray(images_NHW[0]).save("scans/a.png")
    Image.fromarray(images_NHW[1]).save("scans/more/a.png")
    Image.new("L", (60, 60), 230).save("scans/z.png")
    page_HW = np.full((150, 220), 240, np.uint8)
    for number, (top, left) in enumerate([(10, 20), (10, 120), (85, 20), (85, 120)]):
        page_HW[top : top + 56, left : left + 56] = np.minimum(
            240, images_NHW[number].repeat(2, axis=0).repeat(2, axis=1)
        )
    Image.fromarray(page_HW).save("lines.png")
    Path("notes.txt").write_text("no image at all\n")
    return here


@pytest.fixture
def read(folder: Path, capsys: pytest.CaptureFixture[str]) -> Read:
    """Call `tenfold read` in the folder, check its exit code, and return what it printed."""

    def call(*arguments: str, code: int = 0) -> Printed:
        assert main(["read", *arguments]) == code
        return Printed(*capsys.readouterr())

    return call


@pytest.fixture
def pages(read: Read) -> list[str]:
    """scan.tif with a 7, a 2 and a blank page."""
    images = [Image.open(f"scans/{name}") for name in ("a.png", "more/a.png", "z.png")]
    images[0].save("scan.tif", save_all=True, append_images=images[1:])
    for image in images:
        image.close()
    return ["7", "2", ""]
