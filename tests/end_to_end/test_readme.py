"""The commands and the Python code of the README and of the pages for users, run as written.

The block that trains a run is executed by tests/workflow/test_train.py.
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from readme import BLOCKS, PAGES, ROOT, find_commands, find_outputs
from servers import serving
from tenfold.cli import main
from tenfold.data.mnist import load_part

DOCUMENTS = [
    str(path.relative_to(ROOT)) for path in (*ROOT.glob("*.md"), *sorted(ROOT.glob("docs/*.md")))
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the commands name."""
    digits = load_part(None, "test").images_NHW
    (tmp_path / "scans").mkdir()
    names = ("photo.jpg", "digit.png", "scans/a.png", "scans/b.png", "receipt.jpg")
    for path, digit_HW in zip(names, digits, strict=False):
        Image.fromarray(255 - digit_HW).resize((280, 280)).save(tmp_path / path)
    for name in ("examples", "studies", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def find_run(path: str) -> str:
    """The run that an earlier command made, for a path with DATE in place of its date."""
    [run] = Path().glob(path.replace("DATE", "*"))
    return str(run)


def test_commands_run_in_a_row_and_print_what_is_shown(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    few_readings: None,
    in_this_process: None,
    few_of_mnist: None,
) -> None:
    """In this process, on a tenth of MNIST: starting one for each command would take seconds."""
    monkeypatch.chdir(folder)
    outputs, verbs = find_outputs(), set()
    for command in find_commands("tenfold", *PAGES[:3]):
        _, verb, *words = shlex.split(command)
        if verb == "serve" or "ray" in words:
            continue  # tested below, and in tests/cluster
        words = [find_run(word) if "DATE" in word else word for word in words]
        assert main([verb, *words]) == 0, f"{command}: {capsys.readouterr().err}"
        verbs.add(verb)
        printed, shown = capsys.readouterr().out, outputs.pop(command, None)
        if shown is not None and verb == "read":
            assert printed == shown
        elif shown is not None:  # its numbers are those of all images, and of one machine
            assert re.findall(r"^\w+", printed, re.M) == re.findall(r"^\w+", shown, re.M)
    assert not outputs
    assert verbs >= {"read", "train", "runs", "study", "compare", "evaluate", "export", "data"}


def test_the_served_address_answers_the_curl_commands(folder: Path) -> None:
    assert "tenfold serve" in find_commands("tenfold", "docs/serving.md")
    found = []
    with serving() as one:
        for call in find_commands("curl"):
            line = call.replace("http://127.0.0.1:8000", one.address)
            done = subprocess.run(["sh", "-c", line], cwd=folder, capture_output=True, check=True)
            answers = json.loads(done.stdout)
            found += answers if isinstance(answers, list) else [answers]
    assert [answer["text"] for answer in found] == ["7", "2", "7", "2", "2", "7"]


@pytest.mark.parametrize("block", [block for block in BLOCKS if "tenfold.train(" not in block])
def test_python_runs_and_prints_what_its_comment_says(block: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for comment in re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE):
        assert done.stdout == comment + "\n"


@pytest.mark.parametrize("page", DOCUMENTS)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for link in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        if not link.startswith("http"):
            assert (path.parent / link).exists(), f"{page}: {link}"


@pytest.mark.parametrize("page", DOCUMENTS)
def test_make_targets_exist(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = re.findall(r"`make ([\w-]+)", (ROOT / page).read_text())
    for target in [*named, *(one.split()[1] for one in find_commands("make", page))]:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
