"""docs/files.md names every field of the files of runs, studies, comparisons and exports."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from tenfold.models.build import build_model
from tenfold.recipes.catalogue import RECIPES
from tenfold.runs.config import RunConfig
from tenfold.runs.folder import CompleteState, RunningState
from tenfold.runs.hub import HubConfig, SeedStatistics
from tenfold.runs.losses import format_losses
from tenfold.runs.results import (
    Accuracy,
    Calibration,
    ClassErrors,
    CorrectedAccuracy,
    EpochLoss,
    Evaluation,
    Finding,
    Mistake,
    Training,
)
from tenfold.studies import comparison, run_comparison, study, summary

PAGE = (Path(__file__).parents[1] / "docs/files.md").read_text()
ESTIMATES = (summary.ImagesEstimate, summary.PooledEstimate, summary.UncontendedSeconds)
FILES: dict[str, tuple[type, ...]] = {
    "`config.json`": (RunConfig,),
    "`evaluation.json`": (
        *(Evaluation, CorrectedAccuracy, ClassErrors, Mistake, EpochLoss, Training, Finding),
    ),
    "`calibration.json`": (Calibration,),
    "`state.json`": (RunningState, CompleteState),
    "`study.json`": (study.StudyFile, study.StudyConfig, study.StudyRun),
    "`summary.json`": (
        *(summary.Summary, *ESTIMATES, summary.DigitErrors, summary.EpochEstimate),
        *(summary.LongerTraining, summary.HardImage, summary.ContestedErrors),
    ),
    "`comparison.json` of studies": (
        *(comparison.Comparison, comparison.ComparedStudy, comparison.ComparedPair),
        *(comparison.Difference, comparison.Significance),
        *(comparison.ChangedImages, comparison.ChangedImage),
    ),
    "`comparison.json` of runs": (
        *(run_comparison.RunComparison, run_comparison.ComparedRun),
        *(run_comparison.ComparedRunPair, run_comparison.DisagreedImage, Accuracy),
    ),
    "`config.json` for the Hub": (HubConfig, SeedStatistics, Accuracy),
}
IN_PLACE = {"summary", "images"}  # whose fields are beside the others in JSON


def read_section(title: str) -> str:
    """The text below a heading, to the next one."""
    [text] = re.findall(rf"^### {re.escape(title)}\n(.*?)(?=^#|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    return str(text)


def find_names(text: str) -> set[str]:
    """What a section calls by name, but files."""
    return {name for name in re.findall(r"`(\w+)`", text) if name not in ("tenfold", "null")}


@pytest.mark.parametrize("title", FILES)
def test_every_field_of_a_file_is_documented(title: str) -> None:
    fields = {field.name for kind in FILES[title] for field in dataclasses.fields(kind)}
    assert find_names(read_section(title)) == fields - IN_PLACE - {"tenfold"}


def test_the_lines_of_the_losses_are_documented() -> None:
    line = json.loads(format_losses([[0.5]]))
    assert find_names(read_section("`losses.jsonl`")) == line.keys()


@pytest.mark.parametrize("name", ["classic", "swift", "strong", "small", "tiny"])
def test_the_tensors_of_each_kind_of_network_are_documented(name: str) -> None:
    section, config = read_section("`model.safetensors`"), RECIPES[name].model
    rows = re.findall(rf"^\| [a-z, ]*\b{config.kind}\b[a-z, ]* \| (.*?) \|", section, re.MULTILINE)
    tensors = {re.sub(r"\.\d+\b", ".I", name) for name in build_model(config, 0).state_dict()}
    tensors = {name.removeprefix("columns.I.") for name in tensors}
    assert set(re.findall(r"`([\w.]+)`", "".join(rows))) == tensors
