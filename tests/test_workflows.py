"""The workflows: each job may do what it must and no more, and a release runs no unpinned code."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[1] / ".github" / "workflows"
WORKFLOWS = {path.name: yaml.safe_load(path.read_text()) for path in FOLDER.glob("*.yml")}
RELEASE = WORKFLOWS["release.yml"]["jobs"]


def list_steps(name: str) -> list[dict[str, Any]]:
    return [step for job in WORKFLOWS[name]["jobs"].values() for step in job.get("steps", [job])]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_only_the_job_that_publishes_may_write(name: str) -> None:
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for job, content in workflow["jobs"].items():
        permissions = content.get("permissions", workflow["permissions"])
        if (name, job) == ("release.yml", "publish"):
            assert permissions == {"id-token": "write"}
        else:
            assert permissions == {"contents": "read"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_by_commit_and_say_their_version(name: str) -> None:
    lines = re.findall(r"uses: (.*)", (FOLDER / name).read_text())
    assert len(lines) == sum("uses" in step for step in list_steps(name))
    for line in lines:
        if not line.startswith("./"):
            assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", line), line


def test_what_is_published_was_tested_audited_and_built_from_locked_tools() -> None:
    assert set(RELEASE["publish"]["needs"]) == {"test", "audit", "build"}
    assert not any("run" in step for step in RELEASE["publish"]["steps"])  # beside the token
    called = {job["uses"].split("/")[-1] for job in RELEASE.values() if "uses" in job}
    assert called == {"test.yml", "audit.yml"}
    for name in called:
        assert "workflow_call" in WORKFLOWS[name][True]  # YAML 1.1 takes `on` as true
    commands = "".join(step.get("run", "") for step in RELEASE["build"]["steps"])
    installs = re.findall(r"pip\S* install (.*)", commands)
    assert len(installs) == 3
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)


def test_the_audit_covers_every_lock() -> None:
    commands = "".join(step.get("run", "") for step in list_steps("audit.yml"))
    locks = {path.name for path in (FOLDER.parents[1] / "requirements").glob("*.txt")}
    assert set(re.findall(r"-r (\S+)", commands)) == {*locks, "constraints.txt"}
