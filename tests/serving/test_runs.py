"""The runs and studies that a server lists, as a client sees them."""

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from tenfold.errors import RunError
from tenfold.runs.listing import list_folder
from tenfold.serving.problems import Problem
from tenfold.serving.runs import RunShelf
from tenfold.system.locks import locking


def make_run(folder: Path, name: str, *, state: str = "complete", num_losses: int = 30) -> Path:
    path = folder / name
    path.mkdir()
    config = {"recipe": {"name": "classic"}, "seed": 3}
    (path / "config.json").write_text(json.dumps(config))
    training = {
        "seconds": 3.0,
        "other_cores": 0.1,
        "num_images": 9,
        "images_per_second": 15.0,
        "num_parameters": 5,
        "weights_sha256": "",
    }
    whole = {"config_sha256": "", "weights_sha256": "", "training": training}
    values = {"state": state, **(whole if state == "complete" else {})}
    (path / "state.json").write_text(json.dumps(values))
    lines = [
        json.dumps({"epoch": 0, "batch": i, "loss": 1 / (i + 1)}) + "\n" for i in range(num_losses)
    ]
    (path / "losses.jsonl").write_text("".join(lines))
    return path


def list_runs(client: httpx.Client) -> dict[str, dict[str, Any]]:
    answer = client.get("/v1/runs")
    assert answer.status_code == 200, answer.text
    return {run["name"]: run for run in answer.json()["runs"]}


def test_the_last_changed_run_is_listed_first(client: httpx.Client, runs_folder: Path) -> None:
    for number, name in enumerate(["2025-b", "2025-c", "2025-a"]):
        path = make_run(runs_folder, name) / "state.json"
        os.utime(path, (1000 + number, 1000 + number))
    for letter in "xvzwy":  # as old as 2025-a
        os.utime(make_run(runs_folder, f"2025-{letter}") / "state.json", (1002, 1002))
    (runs_folder / "2025-b/note.txt").touch()
    names = list(list_runs(client))
    assert "".join(name[-1] for name in names if name.startswith("2025")) == "zyxwvacb"
    assert [one.path.name for one in list_folder(runs_folder)] == names  # as `tenfold runs` does


def test_only_the_newest_runs_up_to_a_limit_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        os.utime(make_run(tmp_path, f"run-{number}") / "state.json", (number, number))
        (tmp_path / f"what is no run {number}").mkdir()
    assert len(RunShelf(tmp_path).list_all()) == 4
    monkeypatch.setattr("tenfold.serving.runs.MAX_SHOWN", 2)
    assert [run.name for run in RunShelf(tmp_path).list_all()] == ["run-3", "run-2"]


def test_runs_are_listed_with_their_losses_and_reports(
    client: httpx.Client, runs_folder: Path
) -> None:
    done = make_run(runs_folder, "2026-01-01-classic-3")
    (done / "evaluation.json").write_text(json.dumps({"accuracy": 0.98}))
    (done / "report.html").write_text("<p>98 %</p><script>alert(1)</script>")
    growing = make_run(runs_folder, "2026-01-02-classic-3", state="running")
    by_name = list_runs(client)
    assert by_name[done.name]["accuracy"] == 0.98
    assert by_name[done.name]["has_report"]
    assert by_name[growing.name]["state"] == "running"
    with (growing / "losses.jsonl").open("a") as file:
        file.write('{"epoch": 0, "batch": 30, "loss": 0.5}\n{"epoch": 0, "ba')
    answer = client.get(f"/v1/runs/{growing.name}/losses", params={"first": 29}).json()
    assert answer == {"first": 29, "losses": [1 / 30, 0.5], "state": "running"}
    os.utime(growing / "losses.jsonl", (0, 0))
    assert client.get(f"/v1/runs/{growing.name}/losses").json()["state"] == "stopped"
    report = client.get(f"/runs/{done.name}/report")
    assert report.text.startswith("<p>98 %</p>")
    policy = report.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script-src" not in policy


@pytest.mark.parametrize(
    "name", ["..", "%2e%2e", "..%2f..", "outside", ".hidden", "a" * 300, "%00", "C:%5C", "~"]
)
def test_runs_outside_the_folder_are_not_served(
    client: httpx.Client, runs_folder: Path, tmp_path: Path, name: str
) -> None:
    if name == "outside":
        run = make_run(tmp_path, "elsewhere")
        (run / "report.html").write_text("secret")
        (runs_folder / name).symlink_to(run)
        inside = make_run(runs_folder, "linked")
        (inside / "report.html").symlink_to(run / "report.html")
        assert client.get("/runs/linked/report").status_code == 404
    assert client.get(f"/runs/{name}/report").status_code == 404
    assert client.get(f"/v1/runs/{name}/losses").status_code == 404
    assert not {"outside", name} & list_runs(client).keys()


@pytest.mark.parametrize("name", ["", ".", "..", ".run", "a/run", "run/", "run/.", "/run", "r\\un"])
def test_a_run_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    shelf = RunShelf(tmp_path / "shelf")
    for path in (".", "shelf", "shelf/run", "shelf/.run", "shelf/r\\un"):
        (tmp_path / path).mkdir(exist_ok=True)
        (tmp_path / path / "report.html").write_text("secret")
        make_run(tmp_path / path, "made")
    assert shelf.open_report("run")[0] == 6
    with pytest.raises(Problem):
        shelf.open_report(name)
    assert [run.name for run in shelf.list_all()] == ["made"]


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("config.json", None),
        ("study.json", None),
        ("state.json", {"state": "unreadable", "accuracy": 0.5}),
        ("evaluation.json", {"state": "running", "accuracy": None}),
        ("losses.jsonl", {"state": "running", "has_losses": False, "has_report": True}),
        ("report.html", {"state": "running", "has_losses": True, "has_report": False}),
    ],
)
def test_a_file_that_links_out_of_the_folder_is_ignored(
    client: httpx.Client,
    runs_folder: Path,
    tmp_path: Path,
    file: str,
    shown: dict[str, Any] | None,
) -> None:
    run = make_run(runs_folder, f"linked {file}", state="running")
    (run / "evaluation.json").write_text('{"accuracy": 0.5}')
    (run / "report.html").write_text("secret")
    if file == "study.json":
        (run / "config.json").rename(run / file)
    (run / file).rename(tmp_path / file)
    os.utime(tmp_path / file, (0, 0))
    (run / file).symlink_to(tmp_path / file)
    found = list_runs(client).get(run.name)
    assert (found and {key: found[key] for key in shown or ()}) == shown
    answers = [client.get(f"/v1/runs/{run.name}/losses"), client.get(f"/runs/{run.name}/report")]
    missing = [file == "losses.jsonl", file == "report.html"]
    assert [answer.status_code == 404 for answer in answers] == missing
    if found and not missing[0]:
        assert answers[0].json()["state"] == found["state"]


def test_a_locked_run_or_study_is_shown_as_running(client: httpx.Client, runs_folder: Path) -> None:
    run = make_run(runs_folder, "held", state="running")
    os.utime(run / "losses.jsonl", (0, 0))
    study = make_run(runs_folder, "held study")
    (study / "study.json").write_text(json.dumps({"runs": [], "config": {}}))

    def list_states() -> list[str]:
        found, losses = list_runs(client), client.get(f"/v1/runs/{run.name}/losses").json()
        return [found[run.name]["state"], losses["state"], found[study.name]["state"]]

    assert list_states() == ["stopped", "stopped", "stopped"]
    assert not list_runs(client)[study.name]["has_losses"]
    busy = RunError("busy")
    with locking(run, busy), locking(study, busy):
        assert list_states() == ["running"] * 3


HUGE = "1" + 400 * "0"  # too large for a floating-point number


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("evaluation.json", f'{{"accuracy": {HUGE}}}'),
        ("evaluation.json", '{"accuracy": NaN}'),
        ("evaluation.json", '{"accuracy": {}}'),
        ("config.json", '{"recipe": {"name": "\\ud800"}, "seed": true}'),
        ("config.json", '{"recipe": [], "seed": Infinity}'),
        ("state.json", '{"state": {}, "host": []}'),
        ("study.json", '{"runs": [7], "config": []}'),
        ("study.json", f'{{"runs": [{{"mistakes": ""}}], "config": {{"num_evaluated": {HUGE}}}}}'),
        ("study.json", '{"runs": [{"mistakes": [1]}], "config": {"num_evaluated": 1e-320}}'),
        ("losses.jsonl", f'{{"loss": {HUGE}}}\n'),
        ("losses.jsonl", 100_000 * "[" + "\n"),
        ("losses.jsonl", "[1]\n"),
    ],
)
def test_a_run_with_malformed_files_is_listed_and_the_others_too(
    client: httpx.Client, runs_folder: Path, file: str, text: str
) -> None:
    run = make_run(runs_folder, f"rubbish {len(list(runs_folder.iterdir()))}")
    (run / file).write_text(text)
    found = list_runs(client)[run.name]
    assert (found["accuracy"], found["seed"] in (None, 3)) == (None, True)
    [own] = list_folder(run)  # as `tenfold runs` does
    json.dumps(own.to_json(), allow_nan=False).encode()
    losses = client.get(f"/v1/runs/{run.name}/losses")
    assert losses.status_code == (404 if file == "losses.jsonl" else 200)


def test_a_report_over_the_size_limit_is_not_served(
    client: httpx.Client, runs_folder: Path
) -> None:
    run = make_run(runs_folder, "large")
    (run / "report.html").touch()
    os.truncate(run / "report.html", 64 * 1024**2 + 1)
    assert client.get(f"/runs/{run.name}/report").status_code == 404


def test_files_and_folders_that_are_not_runs_are_skipped(
    client: httpx.Client, runs_folder: Path
) -> None:
    for name, text in (("text", "no JSON"), ("list", "[]"), ("deep", 100_000 * "[")):
        (make_run(runs_folder, f"none {name}") / "config.json").write_text(text)
    for name in ("a folder", "a pipe"):
        config = make_run(runs_folder, f"none {name}") / "config.json"
        config.unlink()
        config.mkdir() if name == "a folder" else os.mkfifo(config)
    (runs_folder / "none, a file").touch()
    (runs_folder / "none, empty").mkdir()
    make_run(runs_folder, os.fsdecode(b"none \xff"))  # no URL can name it
    assert not [name for name in list_runs(client) if name.startswith("none")]
