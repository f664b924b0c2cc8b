"""Help, version and completion, and what commands import."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

import tenfold
from cli.conftest import Fail, RunInShell
from tenfold.cli import main
from tenfold.cli.app import VERBS, app

Capture = pytest.CaptureFixture[str]


def test_the_help_lists_the_commands_in_groups(capsys: Capture) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    for verb, (_, summary, _, _) in VERBS.items():
        assert re.search(rf"^│ {verb} +{re.escape(summary)}", printed, re.MULTILINE)
    groups = [printed.index(f"─ {one} ─") for one in ("Read", "Train and measure", "Serve")]
    assert groups == sorted(groups)


@pytest.mark.parametrize("verb", [*VERBS])
def test_the_help_has_an_example_and_explains_every_flag(verb: str, capsys: Capture) -> None:
    assert main([verb, "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"Usage: tenfold {verb} ")
    assert f"Example: tenfold {verb}" in printed
    for argument in app[verb].assemble_argument_collection(parse_docstring=True):
        if argument.show:
            assert argument.parameter.help, argument.name
            assert argument.name in printed
    assert "[default:" not in printed  # the texts name the defaults


def test_paragraphs_are_as_wide_as_the_terminal(capsys: Capture) -> None:
    """Not as wide as in the source."""
    assert main(["read", "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Usage: tenfold read FILES... ")
    assert "if a file could not be read as an image," in " ".join(printed.split())
    assert all(len(line.strip()) > 10 for line in printed.split("╭")[0].splitlines() if line)


@pytest.mark.parametrize("columns", ["0", "1", "2", "²", "1000000000"])
def test_extreme_values_of_columns_are_limited(columns: str, run_in_shell: RunInShell) -> None:
    """In new processes, as the parser looks at the terminal once."""
    for command in ("read --help", "recipes"):
        done = run_in_shell(f"tenfold {command}", COLUMNS=columns)
        assert (done.returncode, done.stderr) == (0, "")
        assert 10 < max(map(len, done.stdout.splitlines())) <= 1000


def test_a_terminal_of_two_columns_is_laid_out_as_wider() -> None:
    """Standard input is the terminal."""
    ours, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 2, 0, 0))
    done = subprocess.run(
        [sys.executable, "-m", "tenfold", "read", "--help"],
        stdin=terminal,
        env={name: value for name, value in os.environ.items() if name != "COLUMNS"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    os.close(ours)
    os.close(terminal)
    assert max(map(len, done.stdout.splitlines())) == 20


def test_completion_is_installed_for_a_shell(
    here: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(here))
    assert main(["--install-completion", "--shell", "bash"]) == 0
    assert str(here) in capsys.readouterr().out
    script = Path(".local/share/bash-completion/completions/tenfold").read_text()
    assert "--checkpoint-every" in script
    assert "tenfold" in Path(".bashrc").read_text()


def test_a_home_that_cannot_be_written_is_one_line(
    here: Path, fail: Fail, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "file").touch()
    monkeypatch.setenv("HOME", str(here / "file"))
    message = fail("--install-completion --shell bash")
    assert message.startswith("cannot install the completion: cannot write ")
    assert str(here / "file") in message


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_printed(flag: str, capsys: Capture) -> None:
    assert main([flag]) == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_commands_that_list_import_little() -> None:
    """The entry point imports little before it handles Ctrl-C, and no listing imports torch."""
    script = (
        "import sys; before = {*sys.modules}; import tenfold.cli\n"
        "print(*{*sys.modules} - before, file=sys.stderr)\n"
        "for command in sys.argv[1:]:\n"
        "    assert tenfold.cli.main(command.split()) == 0\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    commands = ["--help", "train --help", "recipes", "data"]
    done = subprocess.run(
        [sys.executable, "-c", script, *commands], capture_output=True, text=True, check=True
    )
    before, after = (set(line.split()) for line in done.stderr.splitlines())
    assert before <= {
        *("errno", "importlib", "importlib._bootstrap", "importlib._bootstrap_external"),
        *("warnings", "_warnings", "tenfold", "tenfold._version", "tenfold.cli"),
        *("tenfold.cli.tokens", "tenfold.errors"),
    }
    assert not {"torch", "matplotlib"} & after


def test_only_these_modules_print() -> None:
    """They escape what they print. `tenfold read` writes by itself; see test_read_command."""
    printing = {
        path.name
        for path in Path(tenfold.__file__).parent.rglob("*.py")
        if re.search(r"(?<![\w.])print\(", path.read_text())
    }
    assert printing == {"__init__.py", "escaping.py", "output.py"}
