"""Container, compose file and systemd unit: linted, and their steps run without an engine."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
HADOLINT = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")


def read_instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, each with its argument on one line."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is missing")
def test_hadolint_has_no_objections() -> None:
    subprocess.run([str(HADOLINT), str(DEPLOY / "Dockerfile")], check=True)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is missing")
def test_systemd_knows_every_setting_of_the_unit(tmp_path: Path) -> None:
    unit = (DEPLOY / "tenfold.service").read_text().replace("/opt/tenfold/bin/tenfold", "/bin/true")
    (tmp_path / "tenfold.service").write_text(unit)
    command = ["systemd-analyze", "verify", str(tmp_path / "tenfold.service")]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "tenfold.service" not in found.stderr


def test_a_proxy_of_another_user_can_be_in_the_group_of_the_unit_before_it_starts() -> None:
    unit = (DEPLOY / "tenfold.service").read_text()
    assert "DynamicUser" not in unit
    user = re.findall("^User=(.*)", unit, re.MULTILINE)
    assert user == re.findall("useradd .* (.*)$", unit, re.MULTILINE)
    assert {"RuntimeDirectoryMode=0750", "UMask=0007"} <= set(unit.splitlines())


def test_the_container_runs_as_a_user_and_copies_only_what_exists() -> None:
    instructions = read_instructions()
    assert ("USER", "10001") in instructions
    for name, rest in instructions:
        if name == "COPY" and not rest.startswith("--from"):
            assert all((ROOT / source).exists() for source in rest.split()[:-1])
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    copied = {path[1:] for path in ignored if path.startswith("!")}
    built_from = {"pyproject.toml", "hatch_build.py", "README.md", "LICENSE", "NOTICE", "src"}
    assert copied == {"constraints.txt", *built_from}


def test_flags_in_the_files_are_those_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    from tenfold.cli import main

    assert main(["serve", "--help"]) == 0
    known = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    unit = (DEPLOY / "tenfold.service").read_text()
    started = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    compose = (DEPLOY / "compose.yaml").read_text()
    given = next(line for line in compose.splitlines() if "--allow-host" in line)
    docker = dict(read_instructions())
    lines = f"{started} {given} {docker['ENTRYPOINT']} {docker['CMD']}"
    used = re.findall(r"--[a-z][a-z-]+", lines)
    assert len(used) >= 8
    assert set(used) <= known
    # As many workers as cores would not fit into the memory that both allow.
    assert "--workers 2" in started
    assert '"--workers", "2"' in given


@pytest.mark.heavy
def test_the_steps_of_the_container_work_in_a_virtual_environment(tmp_path: Path) -> None:
    """Its RUN, COPY, ENTRYPOINT, CMD and HEALTHCHECK, with other paths and another port."""
    source, venv = tmp_path / "source", tmp_path / "venv"
    instructions = read_instructions()
    source.mkdir()
    for instruction, rest in instructions:
        for name in rest.split()[:-1] if instruction == "COPY" and "--from" not in rest else ():
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, source / name)
    [install] = [rest for name, rest in instructions if name == "RUN" and "pip" in rest]
    install = install.replace("python -m venv", f"{sys.executable} -m venv")
    install = install.replace("/venv", str(venv)).replace("/source", str(source))
    subprocess.run(["sh", "-c", install], check=True)
    docker = dict(instructions)
    command = json.loads(docker["ENTRYPOINT"]) + json.loads(docker["CMD"])
    port = "18765"
    environment = {"PATH": f"{venv / 'bin'}", "TMPDIR": str(tmp_path)}
    server = subprocess.Popen([*command, "--port", port], env=environment, cwd="/")
    try:
        [probe] = [rest for name, rest in instructions if name == "HEALTHCHECK"]
        check = json.loads(probe.partition("CMD")[2].replace("8000", port))
        end = time.monotonic() + 60
        while subprocess.run(check, env=environment, stderr=subprocess.DEVNULL).returncode:
            assert server.poll() is None
            assert time.monotonic() < end
            time.sleep(0.2)
        url = f"http://localhost:{port}/v1/model"
        with urllib.request.urlopen(url) as answer:
            assert json.load(answer)["reader"]["is_calibrated"]
    finally:
        server.terminate()
        assert server.wait(20) == 0
