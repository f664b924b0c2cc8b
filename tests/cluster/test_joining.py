"""A cluster of two nodes on this machine, joined by its address."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from cluster.workers import list_workers, needs_cluster_extra
from processes import wait_until
from tenfold.runs.folder import load_run
from tenfold.studies.study import load_study

NUM_SEEDS = 4
pytestmark = [needs_cluster_extra, pytest.mark.heavy]

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": "5" * 64,
}


def start_machine(*arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus", "1"]
    return subprocess.Popen(
        [*command, "--disable-usage-stats", "--node-ip-address", "127.0.0.1", *arguments],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a machine at once, as a power cut does."""
    below = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for one in below:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()


@pytest.fixture
def machines() -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """The address of a cluster, and the second of its two machines."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    first = start_machine("--head", "--port", str(port), "--include-dashboard", "false")
    address = f"127.0.0.1:{port}"
    wait_until(lambda: is_listening(port))
    second = start_machine("--address", address)
    try:
        yield address, second
    finally:
        for process in (second, first):
            if process.poll() is None:
                end(process)


def is_listening(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def run_tenfold(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tenfold", *arguments],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_study_survives_the_loss_of_a_machine(
    machines: tuple[str, "subprocess.Popen[bytes]"], small_data: Path, scans: Path, tmp_path: Path
) -> None:
    address, second = machines
    there = ["--on", "ray", "--address", address]
    out = tmp_path / "readings"
    with run_tenfold("read", *there, "--json", str(scans), str(out)) as process:
        printed, errors = process.communicate(timeout=120)
    assert process.returncode == 1, errors  # one is damaged
    assert sum(json.loads(printed)["counts"].values()) == 41

    study = tmp_path / "study"
    asked = f"--seeds {NUM_SEEDS} --epochs 20 --batch-size 20 --hidden-sizes 16".split()
    with run_tenfold(
        "study", "classic", *there, *asked, "--data", str(small_data), "--out", str(study)
    ) as process:
        wait_until(lambda: bool(list_workers("tenfold study", second.pid)))
        end(second)
        printed, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert [run.seed for run in load_study(study).runs] == [*range(NUM_SEEDS)]
    for seed in range(NUM_SEEDS):
        assert load_run(study / "runs" / str(seed)).config.seed == seed
