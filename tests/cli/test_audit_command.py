"""`tenfold audit`, as text and as JSON."""

import json
from pathlib import Path

import pytest

from runs.made_runs import write_run
from tenfold.auditing import not_digits
from tenfold.cli import main

STUDIES = Path(__file__).parents[2] / "studies"

Capture = pytest.CaptureFixture[str]


def test_labels_that_runs_contradict_are_listed(capsys: Capture) -> None:
    assert main(["audit", str(STUDIES / "strong"), "--labels"]) == 0
    printed = capsys.readouterr().out
    assert "strong, 10 runs" in printed
    assert "2597 5 3 100 % 98.6 % yes" in [" ".join(line.split()) for line in printed.splitlines()]
    assert main(["audit", str(STUDIES / "strong"), "--labels", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["suspects"][0]["index"] == 2597
    assert values["found"][0] == {
        "top": 5,
        "num_found": 3,
        "precision": 0.6,
        "recall": pytest.approx(3 / 15),
    }


def test_an_audit_is_printed_and_a_folder_gets_the_page(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(not_digits, "NUM_LETTERS", 20)
    monkeypatch.setattr(not_digits, "NUM_CHARACTERS", 20)
    monkeypatch.setattr(not_digits, "FASHION", tmp_path / "missing")
    monkeypatch.setattr("tenfold.reports.audit_report._draw_figures", lambda *_: [])
    monkeypatch.setenv("COLUMNS", "120")
    out = tmp_path / "out"
    assert main(["audit", "reader", "--images", "100", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    for text in ("on corrected", "nan"):
        assert text not in printed.out
    for text in ("accuracy", "impulse_noise", "other alphabets", "99.9 %", str(out / "audit.html")):
        assert text in printed.out
    assert "audit: zigzag" in printed.err
    sets = printed.out.split("Prediction sets")[1]
    assert sets.split("99.9 %")[1].split()[:6] == ["too", "few", "images", "–", "–", "–"]
    assert "AUROC is the probability" in (out / "audit.html").read_text(encoding="utf-8")
    assert (out / "audit.html").is_file()
    found = json.loads((out / "audit.json").read_text())
    assert found["corrected"] is None  # its indices are of all 10,000 images
    assert found["has_reject_class"]
    assert all(each["auroc_reject"] > 0.9 for each in found["not_digits"])


def test_labels_are_those_of_a_study(tmp_path: Path, capsys: Capture) -> None:
    write_run(tmp_path / "run")
    assert main(["audit", str(tmp_path / "run"), "--labels"]) == 2
    assert "is a run; --labels takes a study" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["--labels", "--images", "100", "--seed", "1"], "--images, --seed cannot be combined"),
        ([], "is a study"),
    ],
)
def test_what_does_not_fit_is_one_line(given: list[str], reason: str, capsys: Capture) -> None:
    assert main(["audit", str(STUDIES / "classic"), *given]) == 2
    message = capsys.readouterr().err
    assert message.startswith("tenfold: ")
    assert reason in message
    assert message.count("\n") == 1
