"""The README's commands and Python, run as they stand there.

Its lines that train a run make the one that tests/workflow/test_workflow.py looks at.
"""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from readme import BLOCKS, README, ROOT
from servers import serving
from tenfold.cli import main
from tenfold.data.mnist import load_part

COMMANDS = re.findall(r"^    (tenfold [^#\n]+)", README, re.MULTILINE)


def test_the_readme_has_commands() -> None:
    assert len(COMMANDS) >= 5
    verbs = {command.split()[1] for command in COMMANDS}
    assert verbs >= {"read", "train", "study", "evaluate", "export", "recipes", "data", "serve"}


def test_the_readme_commands_run_in_a_row(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    few_readings: None,
    in_this_process: None,
    few_of_mnist: None,
) -> None:
    """In this process: starting one, which tests/cli/test_cli.py shows, takes seconds for each.

    So do the seeds of a study, whose processes tests/end_to_end/test_stopped_studies.py shows. Runs
    train on a tenth of MNIST's images; on all of them tests/workflow/test_workflow.py trains.
    """
    _draw_images(tmp_path)
    (tmp_path / "studies").symlink_to(ROOT / "studies")  # commands may read the repository's own
    monkeypatch.chdir(tmp_path)
    for command in COMMANDS:
        _, *words = shlex.split(command)
        if words[0] == "serve":
            continue  # it does not end; see below
        # A shell's pattern in the README stands for the run that was just made.
        words = [str(next(Path().glob(word), word)) if "*" in word else word for word in words]
        assert main(words) == 0, f"{command}: {capsys.readouterr().err}"


def test_the_server_of_the_readme_answers(tmp_path: Path) -> None:
    _draw_images(tmp_path)
    [command] = [one for one in COMMANDS if one.split()[1] == "serve"]
    [call] = re.findall(r"^    (curl .+)$", README, re.MULTILINE)
    with serving(*command.split()[2:]) as one:
        words = shlex.split(call.replace("http://127.0.0.1:8000", one.address))
        answer = subprocess.run(words, cwd=tmp_path, capture_output=True, check=True).stdout
    assert json.loads(answer)["text"] == "7"


def _draw_images(folder: Path) -> None:
    """The files that the README's reader has."""
    digits = load_part(None, "test").images_NHW
    (folder / "scans").mkdir()
    for path, i in (("photo.jpg", 0), ("digit.png", 1), ("scans/a.png", 2), ("scans/b.png", 3)):
        Image.fromarray(255 - digits[i]).resize((280, 280)).save(folder / path)


def test_the_readme_python_runs(tmp_path: Path) -> None:
    blocks = [block for block in BLOCKS if "tenfold.train(" not in block]
    assert len(blocks) == len(BLOCKS) - 1 > 0
    for block in blocks:
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/recipes.md",
    "docs/reading.md",
    "docs/scale.md",
    "docs/serving.md",
]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for link in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        if not link.startswith("http"):
            assert (path.parent / link).exists(), f"{page}: {link}"


def test_every_make_target_in_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^    make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
