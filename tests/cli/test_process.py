"""Commands as processes: closed streams, full disks, Ctrl-C, and extras that are missing."""

import errno
import json
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import tenfold
from cli.conftest import RunInShell
from processes import wait_until

TENFOLD = [sys.executable, "-m", "tenfold"]
NO_SPACE = "cannot write the output: no space left on device"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("tenfold read one.png >&-", "standard output is closed; redirect it to /dev/null instead"),
        ("tenfold read one.png 1<one.png", "cannot write the output: bad file descriptor"),
        ("tenfold read one.png >/dev/full", NO_SPACE),
        ("tenfold read one.png --json >/dev/full", NO_SPACE),
        ("tenfold recipes --json >/dev/full", NO_SPACE),
        ("tenfold read - <&-", "-: standard input is closed"),
        (
            "mkdir gone; cd gone; rmdir ../gone; tenfold read one.png",
            "the current folder cannot be used: No such file or directory; change to another "
            "folder",
        ),
    ],
)
def test_unusable_streams_and_removed_folders_are_one_line(
    line: str, message: str, blank: Path, run_in_shell: RunInShell
) -> None:
    done = run_in_shell(line)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"tenfold: {message}\n")


def test_a_closed_stderr_does_not_change_results(blank: Path, run_in_shell: RunInShell) -> None:
    """No file that is opened later gets its descriptor."""
    done = run_in_shell("tenfold read one.png none.png --csv --out out.csv <&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    rows = Path("out.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["file", "one.png", "none.png"]
    done = run_in_shell("tenfold read --out 2>&-")
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("arguments", ["data --json", f"read {20 * 'one.png '} --json"])
def test_a_closed_pipe_prints_no_traceback(arguments: str, blank: Path) -> None:
    with subprocess.Popen(
        [*TENFOLD, *arguments.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        command.stdout.close()
        assert command.stderr.read() == b""
    assert command.returncode == 1


@pytest.mark.parametrize(
    ("size", "arguments", "message"),
    [
        (
            "300k",  # too small for the weights
            "train --epochs 1 --data DATA --out disk/run",
            "disk/run/checkpoint.safetensors: no space left on the disk; free some, or use "
            "another disk; the unfinished run stays in disk/run: "
            "`tenfold train --resume disk/run` continues it",
        ),
        (
            "8k",
            f"read {300 * 'one.png '} --json --out disk/out",
            "cannot write disk/out: no space left on device",
        ),
    ],
)
def test_a_full_disk_is_one_clear_line(
    size: str, arguments: str, message: str, small_data: Path, blank: Path
) -> None:
    Path("disk").mkdir()
    script = f'mount -t tmpfs -o size={size} tmpfs disk || exit {errno.EPERM + 100}\nexec "$@"\n'
    command = [*TENFOLD, *arguments.replace("DATA", str(small_data)).split()]
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", *command],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == errno.EPERM + 100 or done.stderr.startswith("unshare:"):
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 2, done.stderr
    [line] = [line for line in done.stderr.splitlines() if line.startswith("tenfold:")]
    assert line == f"tenfold: {message}"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["cyclopts", "numpy", "onnxruntime"])
def test_ctrl_c_during_imports_exits_130(
    module: str, blank: Path, run_in_shell: RunInShell
) -> None:
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
    done = run_in_shell("tenfold read one.png", PYTHONPATH=str(blank / "modules"))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "tenfold: interrupted\n")


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


def test_ctrl_c_exits_130_and_leaves_the_run_unfinished(small_data: Path, here: Path) -> None:
    command = f"train --epochs 5000 --data {small_data} --out run"
    with subprocess.Popen(
        [*TENFOLD, *command.split()], stderr=subprocess.PIPE, text=True
    ) as process:
        losses = Path("run/losses.jsonl")
        try:
            wait_until(lambda: losses.exists() and losses.stat().st_size > 0)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert errors.splitlines()[-1] == (
        "tenfold: interrupted; the unfinished run stays in run: "
        "`tenfold train --resume run` continues it"
    )
    assert "Traceback" not in errors
    assert json.loads(Path("run/state.json").read_text())["state"] == "running"


@pytest.mark.parametrize("command", ["train", "evaluate run", "data --sheet sheet.png"])
def test_a_missing_extra_is_named_with_its_install_command(command: str, here: Path) -> None:
    # -S leaves out the installed packages; those of the core are linked in again.
    extra = ("torch", "safetensors", "matplotlib", "jinja2", "scipy")
    for path in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if path.name not in extra and path.suffix not in (".pth", ".dist-info"):
            (here / path.name).symlink_to(path)
    if not (here / "tenfold").exists():
        (here / "tenfold").symlink_to(Path(tenfold.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-S", "-m", "tenfold", *command.split()],
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


def test_reading_does_not_import_training_libraries(pngs: list[bytes], here: Path) -> None:
    Path("seven.png").write_bytes(pngs[0])
    script = (
        "import sys; from tenfold.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "print(*sorted({'torch', 'onnx', 'onnxscript', 'scipy', 'matplotlib', 'safetensors',"
        " 'jinja2'} & sys.modules.keys()))\n"
        "sys.exit(code)\n"
    )
    command = ["read", "seven.png", "--single", "--annotate", "boxes", "--stages", "way"]
    ran = subprocess.run(
        [sys.executable, "-c", script, *command], check=True, capture_output=True, text=True
    )
    assert (ran.stdout, ran.stderr) == ("seven.png: 7\n\n", "")
