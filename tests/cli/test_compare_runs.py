import json
import re
from pathlib import Path

import pytest
from scipy.stats import binomtest

import tenfold
from cli.conftest import Fail
from studies.compared_runs import make_run
from tenfold.cli import main
from tenfold.data.mnist import LabelledImages, load_part
from tenfold.system.json_types import to_json
from tiny_studies import list_files


@pytest.fixture
def runs(small_data: Path, tmp_path: Path) -> list[tenfold.Run]:
    """Two runs of the small data's test images, the second with fewer mistakes."""
    images: LabelledImages = load_part(small_data, "test")
    return [
        make_run(tmp_path / name, images, wrong, seed=seed, data_folder=str(small_data))
        for seed, (name, wrong) in enumerate((("first", range(30)), ("other", range(25, 33))))
    ]


def test_runs_are_compared_on_a_page(
    runs: list[tenfold.Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "new/page"
    folders = [str(run.path) for run in runs]
    assert main(["compare", *folders, "--out", str(page)]) == 0
    measured, settings, finding, report = capsys.readouterr().out.split("\n\n")
    assert re.search(r"^accuracy +94\.00 % +98\.40 %", measured, re.MULTILINE)
    for num_correct in (470, 492):
        low, high = binomtest(num_correct, 500).proportion_ci(method="wilson")
        assert f"{100 * low:.2f} to {100 * high:.2f} %" in measured
    assert re.search(r"^seed +0 +1", settings, re.MULTILINE)
    question, sentence = finding.splitlines()
    assert question.endswith("with that of classic (seed=0)? better")
    for fact in ("4.40 points above", "(seed=1) gets 25 of", "(seed=0) 3, and both get 5 wrong"):
        assert fact in sentence
    assert "not their recipes: one run of each says nothing about other seeds" in sentence
    assert report == f"report  {page}/report.html\n"
    figures = {"figures/losses.png", "figures/disagreed_2.png"}
    assert list_files(page) == {"comparison.json", "report.html", *figures}
    comparison = tenfold.compare(runs)
    assert json.loads((page / "comparison.json").read_text()) == to_json(comparison)
    assert sentence in (page / "report.html").read_text().replace("&#39;", "'")
    assert f"tenfold compare {' '.join(folders)} --out {page}" in (page / "report.html").read_text()
    assert main(["compare", *folders, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == to_json(comparison)


def test_no_report_of_a_run_is_lost(runs: list[tenfold.Run], fail: Fail) -> None:
    first, other = (str(run.path) for run in runs)
    assert f"{other}: has the report of a run" in fail(f"compare {first} {other} --out {other}")
    assert "nowhere: no such folder" in fail(f"compare {first} nowhere")
