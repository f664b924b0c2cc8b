"""The records: accuracy, time, size and throughput of Tenfold's recipes, their peers and others.

Ours come from the studies, measured peers from what bench_peers.py wrote (`records/peers.json`),
throughput from what bench_throughput.py wrote (`records/throughput.json`), and what others say of
themselves from `records/claims.json`. What has not been measured is left out.
"""

import dataclasses
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from contestants import LADDER, PEERS
from tenfold.studies.study import Study, load_study

ROOT = Path(__file__).parents[1]
RECORDS = Path(__file__).parent / "records"
STUDIES = ROOT / "studies"

Row = Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One recipe, peer or claim. Accuracies are in percent, means over `num_values` runs.

    `text` says what it is or how its accuracy was found, `label` its name in pictures if that is
    another one. `timed_on` is the processor of a study whose runs gave the training time.
    """

    name: str
    kind: Literal["ours", "peer", "claim"]
    accuracy: float
    deviation: float | None = None
    num_values: int = 1
    seconds: float | None = None
    seconds_range: tuple[float, float] | None = None
    timed_on: str = ""
    process_seconds: float | None = None
    num_parameters: int | None = None
    num_bytes: int | None = None
    images_per_second: float | None = None
    text: str = ""
    source: str = ""
    label: str = ""


@dataclass(frozen=True)
class Records:
    """All records, and what the measured ones were measured on."""

    ours: list[Record]
    peers: list[Record]
    claims: list[Record]
    captions: list[str]


def load_records(folder: Path = RECORDS, studies: Path = STUDIES) -> Records:
    """Read the studies, and the files of a folder that are there."""
    turns = read_json(folder / "peers.json") or {"rounds": [], "epochs": None}
    if turns["epochs"]:
        raise SystemExit(f"{folder / 'peers.json'}: was measured with --epochs: only for a try")
    throughput = read_json(folder / "throughput.json") or {"models": []}
    measured = {name: summarize(name, turns["rounds"]) for name in (*LADDER, *PEERS)}
    models = {model["recipe"]: model for model in throughput["models"]}
    ours = [
        record
        for name in LADDER
        if (record := build_ours(name, studies / name, measured[name], models.get(name)))
    ]
    peers = [record for name in PEERS if (record := measured[name])]
    claims = [build_claim(claim) for claim in read_json(folder / "claims.json") or []]
    return Records(ours, peers, claims, list_captions(ours, turns, throughput))


def read_json(path: Path) -> Any:  # noqa: ANN401
    """The content of a JSON file, None if there is no such file."""
    return json.loads(path.read_text()) if path.is_file() else None


def summarize(name: str, rounds: list[dict[str, Any]]) -> Record | None:
    """What the rounds of bench_peers.py say of a contestant; None if it was not measured."""
    results = [each[name] for each in rounds if name in each]
    if not results:
        return None
    seconds = [result["seconds"] for result in results]
    accuracies = [100 * result["accuracy"] for result in results]
    return Record(
        name=name,
        kind="peer" if name in PEERS else "ours",
        accuracy=statistics.mean(accuracies),
        num_values=len(results),
        seconds=statistics.median(seconds),
        seconds_range=(min(seconds), max(seconds)),
        process_seconds=statistics.median(result["whole_seconds"] for result in results),
        num_parameters=results[0]["num_parameters"],
        text=PEERS.get(name, ""),
    )


def build_ours(
    name: str, folder: Path, measured: Record | None, model: dict[str, Any] | None
) -> Record | None:
    """The record of a recipe: accuracy from its study, seconds from the turns if it was in them."""
    study = load_study(folder) if (folder / "study.json").is_file() else None
    record = _from_study(name, study, measured) if study is not None else measured
    if record is None or model is None:
        return record
    return dataclasses.replace(
        record, images_per_second=model["images_per_second"], num_bytes=model["num_bytes"]
    )


def _from_study(name: str, study: Study, measured: Record | None) -> Record:
    accuracies = [100 * float(share) for share in study.accuracies]
    alone = [run for run in study.runs if run.was_alone]
    record = Record(
        name=name,
        kind="ours",
        accuracy=statistics.mean(accuracies),
        deviation=statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        num_values=len(accuracies),
        seconds=statistics.mean(run.seconds for run in alone) if alone else None,
        timed_on=alone[0].cpu if alone else "",
        num_parameters=study.runs[0].num_parameters,
    )
    if measured is None:
        return record
    return dataclasses.replace(
        record,
        seconds=measured.seconds,
        seconds_range=measured.seconds_range,
        timed_on="",
        process_seconds=measured.process_seconds,
    )


def build_claim(values: dict[str, Any]) -> Record:
    """A record of what others say of themselves."""
    return Record(
        name=values["name"],
        kind="claim",
        accuracy=values["accuracy_percent"],
        deviation=values.get("deviation_percent"),
        num_values=values.get("num_seeds", 1),
        seconds=values.get("seconds"),
        num_parameters=values.get("num_parameters"),
        num_bytes=values.get("num_bytes"),
        images_per_second=values.get("images_per_second"),
        text=values["how"],
        source=values["source"],
        label=values.get("label", ""),
    )


def list_captions(
    ours: list[Record], turns: dict[str, Any], throughput: dict[str, Any]
) -> list[str]:
    """When, with what and on what the measured numbers were measured."""
    captions = []
    if not turns["rounds"]:
        captions.append("The peers have not been measured with `make bench-peers` yet.")
    else:
        captions.append(
            f"Training and process time: in turns on {turns['date']}, `--threads "
            f"{turns['threads']}`, {turns['machine']}; rounds: {len(turns['rounds'])}, "
            "one for what takes more than a minute; medians."
        )
    if from_study := {f"`{one.name}`": one.timed_on for one in ours if one.timed_on}:
        machines = " and ".join(sorted(set(from_study.values())))
        captions.append(
            f"Training time of {', '.join(from_study)}: mean of the study's runs that had the "
            f"machine to themselves, on other days, {machines}."
        )
    if throughput["models"]:
        captions.append(
            f"Images a second and core: ONNX Runtime {throughput['versions']['onnxruntime']}, one "
            f"thread, on {throughput['date']}, {throughput['machine']}. Bytes: the ONNX file."
        )
    return captions


def build_tables(records: Records) -> str:
    """The records as Markdown: a table of ours, of measured peers, and of claims."""
    blocks = [
        format_table(
            ["recipe", *_COLUMNS],
            [[f"`{one.name}`", *_list_cells(one)] for one in records.ours],
        )
    ]
    if records.peers:
        rows = [[one.text, *_list_cells(one)] for one in records.peers]
        blocks.append(format_table(["peer, measured in the same turns", *_COLUMNS], rows))
    blocks += (
        ["\n".join(f"- {caption}" for caption in records.captions)] if records.captions else []
    )
    rows = [[f"[{one.name}]({one.source})", *_list_cells(one), one.text] for one in records.claims]
    header = ["what others say of themselves, not measured here", *_COLUMNS, "how"]
    return "\n\n".join([*blocks, format_table(header, rows)])


_COLUMNS = (
    *("accuracy", "training, s", "whole process, s", "parameters", "bytes"),
    "images a second and core",
)


def _list_cells(one: Record) -> list[str]:
    numbers = (one.num_parameters, one.num_bytes, one.images_per_second)
    seconds = format_seconds(one.seconds)
    if one.seconds_range is not None and one.seconds_range[0] < one.seconds_range[1]:
        seconds += f" ({' to '.join(map(format_seconds, one.seconds_range))})"
    return [
        format_accuracy(one),
        seconds,
        format_seconds(one.process_seconds),
        *("" if number is None else f"{number:,.0f}" for number in numbers),
    ]


def format_accuracy(one: Record) -> str:
    """An accuracy, with its deviation and the number of its runs if there are several."""
    if one.deviation is not None:
        return f"{one.accuracy:.3f} % ± {one.deviation:.3f} ({one.num_values} seeds)"
    if one.kind == "claim":
        return f"{one.accuracy:g} %"
    return f"{one.accuracy:.2f} % ({one.num_values} seed{'s' * (one.num_values > 1)})"


def format_seconds(seconds: float | None) -> str:
    """Seconds with three digits; empty for None."""
    if seconds is None:
        return ""
    return f"{seconds:,.{0 if seconds >= 100 else 1 if seconds >= 10 else 2}f}"


def format_table(header: Row, rows: Sequence[Row]) -> str:
    """A Markdown table without the columns that are empty in every row."""
    kept = [i for i in range(len(header)) if any(row[i] for row in rows)]
    lines = ["| " + " | ".join(line[i] for i in kept) + " |" for line in (header, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(kept), *lines[1:]])
