import dataclasses
import json

from runs.made_runs import CONFIG_OF_A_RUN
from tenfold.runs.config import RunConfig
from tenfold.system.json_types import from_json, to_json


def test_configs_survive_json() -> None:
    held_out = dataclasses.replace(
        CONFIG_OF_A_RUN, holdout=True, data_folder="a/b", checksums={"train": ("a", "b")}
    )
    for config in (CONFIG_OF_A_RUN, held_out):
        assert from_json(RunConfig, json.loads(json.dumps(to_json(config)))) == config
    values = to_json(CONFIG_OF_A_RUN)
    for name in ("by_epoch", "report", "checkpoint_every"):  # which have defaults
        del values[name]
    assert from_json(RunConfig, values) == CONFIG_OF_A_RUN


def test_the_fingerprint_ignores_cores_kernel_and_matplotlib() -> None:
    system = "Linux-6.1.0-x86_64-with-glibc2.36"
    machine: dict[str, str | int] = {"cpu": "a", "gpu": "b", "cores": 2, "system": system}
    versions = {"torch": "2.6", "python": "3.11.7", "matplotlib": "3.9"}
    config = dataclasses.replace(CONFIG_OF_A_RUN, machine=machine, versions=versions)
    assert config.fingerprint == {
        "threads": config.threads,
        "device": "cpu",
        "cpu": "a",
        "gpu": "b",
        "system": "Linux",
        "torch": "2.6",
        "python": "3.11.7",
    }
    assert config.describe_changes(config) == []
    other = dataclasses.replace(config, machine=machine | {"cpu": "c", "cores": 8}, versions={})
    assert config.describe_changes(other) == [
        "cpu c instead of a",
        "torch none instead of 2.6",
        "python none instead of 3.11.7",
    ]
