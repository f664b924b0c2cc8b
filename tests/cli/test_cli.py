import errno
import fcntl
import json
import os
import pty
import re
import shlex
import signal
import struct
import subprocess
import sys
import sysconfig
import termios
import time
from pathlib import Path

import pytest
from PIL import Image

import tenfold
from tenfold.cli import main
from tenfold.cli.app import VERBS, app

TENFOLD = [sys.executable, "-m", "tenfold"]


def test_train_prints_the_headline_the_report_and_what_to_do_next(
    small_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    assert main(["train", "classic", "--data", str(small_data), "--out", out, "--epochs", "2"]) == 0
    printed = capsys.readouterr()
    assert re.search(r"accuracy +\d\d\.\d\d % of 500 test images, trained in", printed.out)
    assert f"report    {out}/report.html" in printed.out
    assert "next      tenfold train classic --seed 1 --epochs 2 --data" in printed.out
    assert re.search(r"classic: epoch 2/2, loss \d\.\d+, [\d,]+ images/s, 0 s left", printed.err)


def test_every_flag_reaches_the_run(
    small_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    few_readings: None,
    no_report: None,
) -> None:
    out = str(tmp_path / "run")
    flags = "--seed 7 --epochs 1 --batch-size 64 --learning-rate 3e-4 --hidden-sizes 40 20"
    flags += " --holdout --threads 1 --json"
    assert main(["train", "--data", str(small_data), "--out", out, *flags.split()]) == 0
    captured = capsys.readouterr()
    lines, printed = captured.err.splitlines(), json.loads(captured.out)
    assert printed["part"] == "validation"
    assert lines[-2:] == ["classic: evaluating", "classic: calibrating"]
    config = json.loads(Path(out, "config.json").read_text())
    recipe = config["recipe"]
    assert (recipe["epochs"], recipe["batch_size"]) == (1, 64)
    assert recipe["optimizer"]["learning_rate"] == 3e-4
    assert recipe["model"] == {"kind": "perceptron", "hidden_sizes": [40, 20]}
    assert (config["seed"], config["holdout"], config["threads"]) == (7, True, 1)


def test_one_run_or_several_are_evaluated(
    small_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_report: None
) -> None:
    runs = [str(tmp_path / name) for name in ("one", "two")]
    for seed, out in enumerate(runs):
        tenfold.train("classic", seed=seed, data=small_data, out=out, epochs=1, report=False)
    assert main(["evaluate", *runs]) == 0
    printed = capsys.readouterr().out
    assert [line.split()[1] for line in printed.splitlines() if line.startswith("run ")] == runs
    assert main(["evaluate", *runs, "--json"]) == 0
    evaluations = json.loads(capsys.readouterr().out)
    assert evaluations == [json.loads(Path(run, "evaluation.json").read_text()) for run in runs]
    assert main(["evaluate", runs[0]]) == 0
    assert "How accurate is it?" in capsys.readouterr().out
    assert main(["evaluate", runs[0], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == evaluations[0]


def test_resuming_a_complete_run_prints_a_note(
    small_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "run")
    tenfold.train("classic", data=small_data, out=out, epochs=1, report=False)
    assert main(["train", "--resume", out]) == 0
    assert f"{out} was already complete; nothing was trained\n" in capsys.readouterr().err


def test_a_diverged_run_prints_a_warning(
    small_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], no_report: None
) -> None:
    command = f"train --data {small_data} --out {tmp_path}/run --epochs 1 --learning-rate 10"
    assert main(command.split()) == 0
    printed = capsys.readouterr().err
    assert re.search(
        "^warning: The mean training loss of the last epoch is ", printed, re.MULTILINE
    )


@pytest.mark.parametrize("columns", [80, 160])
def test_recipes_lists_every_recipe(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["recipes"]) == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= columns
    assert re.search(r"^classic +784-500-125-10 +456,385 +the well", printed, re.MULTILINE)
    assert "\x1b" not in printed  # colours are for terminals
    for recipe in tenfold.RECIPES.values():
        assert re.search(rf"^{recipe.name} ", printed, re.MULTILINE)
        assert recipe.summary in " ".join(printed.split())  # on narrow terminals in several lines
    assert main(["recipes", "--json"]) == 0
    recipes = [tenfold.Recipe.from_json(one) for one in json.loads(capsys.readouterr().out)]
    assert recipes == list(tenfold.RECIPES.values())


def test_data_shows_counts_and_checksums(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "new" / "sheet.png"
    assert main(["data", "--sheet", str(sheet)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"train +60000 +5923 +6742 +5958 +6131 +5842 +5421 +5918 +6265", printed)
    assert "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db" in printed
    lines = [line for line in printed.splitlines() if str(sheet) not in line]
    assert max(map(len, lines)) <= 80
    with Image.open(sheet) as picture:
        assert picture.width > 1000


def test_data_as_json(small_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "--data", str(small_data), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["train"]["num_images"] == sum(printed["train"]["num_images_of_label"]) == 1200
    assert not printed["test"]["is_mnist"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("train clasic", "unknown recipe 'clasic'; there are: classic"),
        ("train --epochs 0", "--epochs must be a whole number from 1 to 10,000, not 0"),
        ("train --epochs many", "--epochs must be a whole number from 1 to 10,000, not many"),
        ("train --batch-size 1e9", "--batch-size must be a whole number from 1 to 60,000"),
        ("train --learning-rate nan", "--learning-rate must be from 1e-07 to 10, not nan"),
        ("train --hidden-sizes 5 0", "--hidden-sizes must be 1 to 8 whole numbers, each from"),
        ("train --seed -1", "--seed must be a whole number from 0 to 4,294,967,295, not -1"),
        ("train --seed one", "--seed must be a whole number, not one"),
        ("train --seed 1.5", "--seed must be a whole number, not 1.5"),
        ("train --epochs 1.5", "--epochs must be a whole number from 1 to 10,000, not 1.5"),
        ("train --batch-size 99.6", "--batch-size must be a whole number from 1 to 60,000"),
        ("train --hidden-sizes 30.7", "--hidden-sizes must be 1 to 8 whole numbers, each from"),
        ("train --threads 1.9", "--threads must be a whole number, not 1.9"),
        ("train --threads 0", "--threads must be a whole number from 1 to 1,024, not 0"),
        ("train --data nowhere", "nowhere: no such folder"),
        ("train --data .", "neither train-images-idx3-ubyte (or train-images-idx3-ubyte.gz) nor"),
        (f"train --epochs 1{400 * '0'}", "--epochs must be a whole number from 1 to 10,000"),
        (f"train --data {300 * 'x'}", ": File name too long"),
        (f"evaluate {300 * 'x'}", "not a run folder: it has no config.json"),
        ("train --epoch 3", "Unknown option: --epoch."),
        ("train classic 5", "too many arguments: 5; usage: tenfold train [RECIPE] [OPTIONS]"),
        ("export a b c", "too many arguments: c; usage: tenfold export RUN [OUT] [OPTIONS]"),
        ("export a .", ". is a folder, and the second argument is the file to write"),
        ("train --resume a b", "--resume takes one run, not 2: a, b"),
        ("evaluate", 'Command "evaluate" parameter RUNS requires an argument.'),
        ("evaluate nowhere", "nowhere: not a run folder: it has no config.json"),
        ("data --data nowhere", "nowhere: no such folder"),
        ("trian", 'Unknown command "trian"'),
    ],
)
def test_errors_are_one_line_and_exit_with_2(
    command: str,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.startswith("tenfold: ")
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "before"),
    [
        (["read", ""], "tenfold read"),
        (["read", "a.png", ""], "tenfold read a.png"),
        (["read", "a.png", "--json", "--out", ""], "tenfold read a.png --json --out"),
        (["read", "a.png", "--model="], "tenfold read a.png --model"),
        (["train", "--data", ""], "tenfold train --data"),
        (["evaluate", ""], "tenfold evaluate"),
        (["export", "a run", ""], "tenfold export 'a run'"),
        (["runs", ""], "tenfold runs"),
        (["serve", "--token-file="], "tenfold serve --token-file"),
    ],
)
def test_an_empty_argument_is_refused(
    command: list[str],
    before: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"tenfold: empty argument after `{before}`")
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def run_in_shell(line: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command line with `tenfold` in a shell, in a folder."""
    search = os.pathsep.join([variables.pop("PYTHONPATH", ""), *filter(None, sys.path)])
    return subprocess.run(
        ["sh", "-c", line.replace("tenfold", shlex.join(TENFOLD), 1)],
        cwd=folder,
        env={**os.environ, **variables, "PYTHONPATH": search.lstrip(os.pathsep)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def blank(tmp_path: Path) -> Path:
    """A folder with one.png, which is blank."""
    Image.new("L", (60, 60), 230).save(tmp_path / "one.png")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "tenfold read one.png >&-",
            "standard output is closed; redirect it to /dev/null instead",
        ),
        (
            "tenfold read one.png 1<one.png",
            "cannot write the output: bad file descriptor",
        ),
        ("tenfold read - <&-", "-: standard input is closed"),
        (
            "rmdir gone && tenfold read one.png",
            "the current folder cannot be used: No such file or directory; change to another "
            "folder",
        ),
    ],
)
def test_closed_streams_and_removed_folders_are_one_line(
    line: str, message: str, blank: Path
) -> None:
    (blank / "gone").mkdir()
    folder = blank / "gone" if "gone" in line else blank
    done = run_in_shell(line.replace("rmdir gone", f"rmdir {blank / 'gone'}"), folder)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"tenfold: {message}\n")


def test_a_closed_stderr_does_not_change_results(blank: Path) -> None:
    """No file that is opened later gets its descriptor."""
    done = run_in_shell("tenfold read one.png none.png --csv --out out.csv <&- 2>&-", blank)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    rows = (blank / "out.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["file", "one.png", "none.png"]
    done = run_in_shell("tenfold read --out 2>&-", blank)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("columns", ["0", "1", "2", "²", "1000000000"])
def test_extreme_values_of_columns_are_limited(columns: str, tmp_path: Path) -> None:
    """In new processes, as the parser looks at the terminal once."""
    for command in ("read --help", "recipes"):
        done = run_in_shell(f"tenfold {command}", tmp_path, COLUMNS=columns)
        assert (done.returncode, done.stderr) == (0, "")
        assert 10 < max(map(len, done.stdout.splitlines())) <= 1000


def test_a_terminal_of_two_columns_is_laid_out_as_wider(blank: Path) -> None:
    """Standard input is the terminal."""
    ours, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 2, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        [*TENFOLD, "read", "--help"],
        stdin=terminal,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    os.close(ours)
    os.close(terminal)
    assert max(map(len, done.stdout.splitlines())) == 20


def test_the_entry_point_imports_little_before_it_handles_ctrl_c() -> None:
    script = "import sys; before = {*sys.modules}; import tenfold.cli; print(*sys.modules - before)"
    script = script.replace("*sys.modules - before", "*({*sys.modules} - before)")
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) <= {
        *("errno", "importlib", "importlib._bootstrap", "importlib._bootstrap_external"),
        *("warnings", "_warnings", "tenfold", "tenfold._version", "tenfold.cli"),
        *("tenfold.cli.tokens", "tenfold.errors"),
    }


@pytest.mark.parametrize("module", ["cyclopts", "numpy", "onnxruntime"])
def test_ctrl_c_during_imports_exits_130(module: str, blank: Path) -> None:
    """ONNX Runtime raises an ImportError from it."""
    (blank / "modules").mkdir()
    (blank / "modules" / f"{module}.py").write_text(
        "import os, signal\n"
        "try:\n"
        "    signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "except KeyboardInterrupt as error:\n"
        "    if __name__ == 'onnxruntime':\n"
        "        raise ImportError('initialization failed') from error\n"
        "    raise\n"
    )
    done = run_in_shell("tenfold read one.png", blank, PYTHONPATH=str(blank / "modules"))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "tenfold: interrupted\n")


def test_the_help_lists_the_commands_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    for verb, (_, summary, _, _) in VERBS.items():
        assert re.search(rf"^│ {verb} +{re.escape(summary)}", printed, re.MULTILINE)
    groups = [printed.index(f"─ {one} ─") for one in ("Read", "Train and measure", "Serve")]
    assert groups == sorted(groups)


@pytest.mark.parametrize("verb", [*VERBS])
def test_the_help_has_an_example_and_explains_every_flag(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"Usage: tenfold {verb} ")
    assert f"Example: tenfold {verb}" in printed
    for argument in app[verb].assemble_argument_collection(parse_docstring=True):
        if argument.show:
            assert argument.parameter.help, argument.name
            assert argument.name in printed
    assert "[default:" not in printed  # the texts name the defaults


def test_completion_is_installed_for_a_shell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["--install-completion", "--shell", "bash"]) == 0
    assert str(tmp_path) in capsys.readouterr().out
    script = (tmp_path / ".local/share/bash-completion/completions/tenfold").read_text()
    assert "--checkpoint-every" in script
    assert "tenfold" in (tmp_path / ".bashrc").read_text()


def test_a_home_that_cannot_be_written_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert main(["--install-completion", "--shell", "bash"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("tenfold: cannot install the completion: cannot write ")
    assert str(tmp_path / "file") in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_printed(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([flag]) == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_listing_commands_do_not_import_torch() -> None:
    script = (
        "import sys; from tenfold.cli import main\n"
        "for command in sys.argv[1:]:\n"
        "    assert main(command.split()) == 0\n"
        "    assert not {'torch', 'matplotlib'} & sys.modules.keys(), command\n"
    )
    commands = ("--help", "train --help", "recipes", "data")
    subprocess.run([sys.executable, "-c", script, *commands], check=True, capture_output=True)


def test_a_closed_pipe_prints_no_traceback() -> None:
    command = subprocess.Popen(
        [*TENFOLD, "data", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert command.stdout is not None
    assert command.stderr is not None
    command.stdout.close()
    assert command.stderr.read() == b""
    command.stderr.close()
    command.wait()


def test_ctrl_c_exits_130_and_leaves_the_run_unfinished(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = subprocess.Popen(
        [*TENFOLD, "train", "--epochs", "500", "--out", str(out)],
        stderr=subprocess.PIPE,
        text=True,
    )
    losses = out / "losses.jsonl"
    deadline = time.monotonic() + 60
    try:
        while not (losses.exists() and losses.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.1)
        command.send_signal(signal.SIGINT)
        _, errors = command.communicate(timeout=60)
    finally:
        command.kill()
    assert command.returncode == 130
    assert errors.splitlines()[-1] == (
        f"tenfold: interrupted; the unfinished run stays in {out}: "
        f"`tenfold train --resume {out}` continues it"
    )
    assert "Traceback" not in errors
    assert json.loads((out / "state.json").read_text())["state"] == "running"


@pytest.mark.parametrize("command", ["train", "evaluate run", "data --sheet sheet.png"])
def test_a_missing_extra_is_named_with_its_install_command(command: str, tmp_path: Path) -> None:
    # -S leaves out the installed packages; those of the core are linked in again.
    installed = Path(sysconfig.get_paths()["purelib"])
    extra = ("torch", "safetensors", "matplotlib", "jinja2", "scipy")
    for path in installed.iterdir():
        if path.name not in extra and path.suffix not in (".pth", ".dist-info"):
            (tmp_path / path.name).symlink_to(path)
    if not (tmp_path / "tenfold").exists():
        (tmp_path / "tenfold").symlink_to(Path(tenfold.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-S", "-m", "tenfold", *command.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(
        "tenfold: the extra 'train' is not installed (torch, safetensors, matplotlib, jinja2, "
        "scipy missing): pip install 'tenfold[train]', or in a checkout pip install '.[train]'"
    )
    assert done.stderr.count("\n") == 1


def test_only_two_modules_print() -> None:
    """They escape what they print. `tenfold read` writes by itself; see test_read_command."""
    printing = {
        path.name
        for path in Path(tenfold.__file__).parent.rglob("*.py")
        if re.search(r"(?<![\w.])print\(", path.read_text())
    }
    assert printing == {"__init__.py", "output.py"}


def test_a_full_disk_is_one_clear_line(small_data: Path, tmp_path: Path) -> None:
    """A mounted disk of 300 kB, which is too small for the weights."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = (
        f"mount -t tmpfs -o size=300k tmpfs {disk} || exit {errno.EPERM + 100}\n"
        f'exec "$@" train --epochs 1 --data {small_data} --out {disk}/run\n'
    )
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", *TENFOLD],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    if done.returncode in (errno.EPERM + 100, 1):
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 2, done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("tenfold:")]
    assert line == (
        f"tenfold: {disk}/run/checkpoint.safetensors: no space left on the disk; free some, or use "
        f"another disk; the unfinished run stays in {disk}/run: "
        f"`tenfold train --resume {disk}/run` continues it"
    )
    assert "Traceback" not in done.stderr


def test_ctrl_c_before_a_server_has_started_is_one_line() -> None:
    program = """
import tenfold.cli.app
async def serve(): pass
def begin(tokens):
    coroutine = serve()  # never awaited, which Python warns about
    raise KeyboardInterrupt
tenfold.cli.app.call = begin
from tenfold.cli import main
raise SystemExit(main([]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "tenfold: interrupted\n")
