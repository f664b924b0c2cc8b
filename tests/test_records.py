"""The records in docs/benchmarks.md, and the script that writes them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/benchmarks.md"
RECORDS = ROOT / "benchmarks/records"
TIMED = {"whole_seconds": 9.0, "accuracy": 0.98, "num_parameters": 456_385, "details": {}}


def draw_records(folder: Path, records: Path) -> "subprocess.CompletedProcess[str]":
    """Run the script on a copy of the page."""
    shutil.copy(PAGE, folder)
    command = [sys.executable, str(ROOT / "benchmarks/draw_records.py")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [*command, "--docs", str(folder), "--records", str(records)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def measured(tmp_path: Path) -> dict[str, Any]:
    """What bench_peers.py writes, of two rounds, the second one without what takes long."""
    first = {
        name: {**TIMED, "seconds": seconds}
        for name, seconds in {"classic": 3.0, "strong": 400.0, "jax": 4.0, "tutorial": 20.0}.items()
    }
    second = {
        name: {**result, "seconds": 1.5 * float(str(result["seconds"]))}
        for name, result in first.items()
        if name != "strong"
    }
    return {
        "date": "2026-01-02",
        "machine": "a machine",
        "threads": 2,
        "epochs": None,
        "rounds": [first, second],
    }


def write_records(folder: Path, measured: dict[str, Any]) -> Path:
    shutil.copytree(RECORDS, folder, dirs_exist_ok=True)
    (folder / "peers.json").write_text(json.dumps(measured))
    return folder


def test_the_tables_are_those_of_the_studies_and_measurements(tmp_path: Path) -> None:
    drawn = draw_records(tmp_path, RECORDS)
    assert drawn.returncode == 0, drawn.stderr
    written = (tmp_path / PAGE.name).read_text()
    assert written == PAGE.read_text(), "run python benchmarks/draw_records.py"
    for name in ("records-seconds.png", "records-parameters.png"):
        with Image.open(tmp_path / name) as drawing, Image.open(PAGE.parent / name) as kept:
            assert drawing.size == kept.size


def test_measured_peers_are_listed_beside_the_recipes(
    tmp_path: Path, measured: dict[str, Any]
) -> None:
    drawn = draw_records(tmp_path, write_records(tmp_path / "records", measured))
    assert drawn.returncode == 0, drawn.stderr
    page = (tmp_path / PAGE.name).read_text()
    for name, seconds in {"classic": "3.75 (3.00 to 4.50)", "strong": "400"}.items():
        cells = rf"9\d\.\d+ % ± [\d.]+ \(\d+ seeds\) \| {re.escape(seconds)} \| 9.00 \|"
        assert re.search(rf"\| `{name}` \| {cells}", page), name
    assert "XLA | 98.00 % (2 seeds) | 5.00 (4.00 to 6.00) | 9.00 | 456,385 |" in page
    assert "in turns on 2026-01-02, `--threads 2`, a machine; rounds: 2, one" in page
    assert re.search("Training time of .*`classic-augmented`.*: mean of the study's runs", page)
    assert "The peers have not been measured" not in page


def test_a_trial_with_fewer_epochs_is_refused(tmp_path: Path, measured: dict[str, Any]) -> None:
    folder = write_records(tmp_path / "records", {**measured, "epochs": 1})
    drawn = draw_records(tmp_path, folder)
    assert drawn.returncode != 0
    assert "was measured with --epochs" in drawn.stderr
    assert not (tmp_path / "records-seconds.png").exists()
