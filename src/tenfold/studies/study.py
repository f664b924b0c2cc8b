"""The study folder: one recipe run with many seeds. No torch.

    study.json      the configuration and the results of each run; rewritten after each run
    runs/SEED/      the runs' folders
    longer/         optional: a study of the same recipe with twice the epochs
    summary.json, figures/, report.html      made from study.json when all seeds are done

study.json alone is enough to share, compare and continue a study.
"""

import json
import reprlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt

from tenfold.data.mnist import MNIST_CHECKSUMS
from tenfold.digits import NUM_CLASSES
from tenfold.errors import RecipeError, StudyError
from tenfold.recipes.catalogue import build_display_name, find_changes
from tenfold.recipes.recipe import Recipe
from tenfold.runs.config import SEEDS, THREADS
from tenfold.runs.folder import Run
from tenfold.studies.summary import Summary
from tenfold.system.files import parse_json, write_file
from tenfold.system.json_types import OMIT_DEFAULT, check_keys, from_json, to_json

STUDY, SUMMARY, REPORT = "study.json", "summary.json", "report.html"
RUNS, LONGER = "runs", "longer"
FORMAT = 1
INDICES, LABELS = range(2**31), range(NUM_CLASSES)
MAX_OTHER_CORES = 0.1  # that other programs may use while a run is timed


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """What all runs of a study share.

    `data_folder` is None for MNIST. `checksums` are the SHA-256 of the unpacked data
    files, by part ("train", and "test" unless held out), images first. `threads` is the number
    per run; None in studies of Tenfold 0.1, whose runs differ in it. `class_names` and
    `holds_out_writers` are as in RunConfig.
    """

    recipe: Recipe
    holdout: bool
    data_folder: str | None
    checksums: dict[str, tuple[str, str]]
    num_evaluated: Annotated[int, range(1, 2**31)]
    threads: Annotated[int, THREADS] | None = None
    class_names: tuple[str, ...] = field(default=(), metadata=OMIT_DEFAULT)
    holds_out_writers: bool = field(default=False, metadata=OMIT_DEFAULT)

    @property
    def part(self) -> Literal["test", "validation"]:
        """The part of the data that was evaluated."""
        return "validation" if self.holdout else "test"


@dataclass(frozen=True, kw_only=True)
class StudyRun:
    """The results of one run of a study.

    `mistakes` are (image index, predicted label, confidence). `epoch_losses` are mean training
    losses; `epoch_accuracies` are empty if not measured. `other_cores` is the number of cores that
    other programs used during training, None if unknown.
    """

    seed: Annotated[int, SEEDS]
    mistakes: tuple[tuple[Annotated[int, INDICES], Annotated[int, LABELS], float], ...]
    epoch_losses: tuple[float, ...]
    epoch_accuracies: tuple[float, ...]
    seconds: float
    threads: Annotated[int, THREADS]
    other_cores: float | None
    num_parameters: int
    weights_sha256: str
    cpu: str
    torch: str
    started: str

    @classmethod
    def from_run(cls, run: Run) -> "StudyRun":
        """The results that a study keeps of a run."""
        config, evaluation = run.config, run.evaluation
        training, epochs = evaluation.training, evaluation.epochs
        accuracies = training.epoch_accuracies
        return cls(
            seed=config.seed,
            mistakes=tuple(
                (mistake.index, mistake.predicted, round(mistake.confidence, 4))
                for mistake in evaluation.misclassified
            ),
            epoch_losses=tuple(round(epoch.mean_loss, 6) for epoch in epochs),
            # A resumed run may have measured only some epochs.
            epoch_accuracies=accuracies if len(accuracies) == len(epochs) else (),
            seconds=round(training.seconds, 3),
            threads=config.threads,
            other_cores=training.other_cores,
            num_parameters=training.num_parameters,
            weights_sha256=training.weights_sha256,
            cpu=f"{config.machine['cpu']}, {config.machine['cores']} cores",
            torch=config.versions.get("torch", "unknown"),
            started=config.started,
        )

    @property
    def was_alone(self) -> bool:
        """Whether the run had the machine to itself, so that its training time is comparable."""
        return self.other_cores is not None and self.other_cores < MAX_OTHER_CORES


@dataclass(frozen=True)
class Study:
    """A study folder: `runs` sorted by seed; `longer` has twice the epochs."""

    path: Path
    config: StudyConfig
    runs: tuple[StudyRun, ...]
    longer: "Study | None" = None

    @property
    def name(self) -> str:
        """The recipe's name and its changed fields."""
        return build_display_name(self.config.recipe)

    @property
    def is_mnist(self) -> bool:
        """Whether the data are MNIST's original files."""
        return self.config.checksums.items() <= MNIST_CHECKSUMS.items()

    @property
    def noun(self) -> str:
        """What a class of its images is called."""
        return "digit" if self.is_mnist and not self.config.class_names else "class"

    @property
    def accuracies(self) -> npt.NDArray[np.float64]:
        """The accuracy of each run, from 0 to 1, sorted by seed."""
        num_mistakes = np.array([len(run.mistakes) for run in self.runs])
        shares: npt.NDArray[np.float64] = 1 - num_mistakes / self.config.num_evaluated
        return shares

    @property
    def report(self) -> Path:
        """The path of the HTML report."""
        return self.path / REPORT

    def read_summary(self) -> Summary:
        """Read summary.json.

        Raises StudyError if it is missing, as in an unfinished study, or is not valid.
        """
        try:
            return from_json(Summary, parse_json((self.path / SUMMARY).read_text()))
        except (OSError, ValueError, RecipeError) as error:
            raise StudyError(
                f"{self.path / SUMMARY}: no valid summary of a finished study; "
                "`tenfold study` on this folder writes it"
            ) from error

    def get_predicted_labels(self, labels_N: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
        """The predicted label of each evaluated image in each run, [R, N].

        `labels_N` are the true labels.
        """
        predicted_RN = np.tile(labels_N.astype(np.int64), (len(self.runs), 1))
        for row, run in zip(predicted_RN, self.runs, strict=True):
            for index, predicted, _ in run.mistakes:
                row[index] = predicted
        return predicted_RN

    def __repr__(self) -> str:
        return f"<Study {self.path}: {self.name}, {len(self.runs)} seeds>"


@dataclass(frozen=True, kw_only=True)
class StudyFile:
    """The content of study.json."""

    format: int
    config: StudyConfig
    runs: tuple[StudyRun, ...]


def load_study(path: str | Path) -> Study:
    """Read a study from its folder or its study.json.

    Raises StudyError if study.json is missing or not valid.
    """
    path = Path(path)
    if path.name == STUDY:
        path = path.parent
    file = path / STUDY
    try:
        values = parse_json(file.read_text())
        number = check_keys(values, "", ["format"])["format"]
        if number != FORMAT:
            raise ValueError(f"format {reprlib.repr(number)}")
        found = from_json(StudyFile, values)
    except OSError as error:
        raise StudyError(f"{file}: cannot read the study: {error.strerror}") from error
    except (ValueError, RecipeError) as error:
        raise StudyError(f"{file}: not a valid study: {error}") from error
    longer = load_study(path / LONGER) if (path / LONGER / STUDY).is_file() else None
    return Study(path, found.config, found.runs, longer)


def is_longer_claimed(recipe: Recipe) -> bool:
    """Whether the exercise claims of this recipe that more epochs would add little."""
    return recipe.name == "classic" and not find_changes(recipe)


def write_study(study: Study) -> None:
    """Write study.json atomically, with one line per run."""
    runs = ",\n".join(json.dumps(to_json(run), allow_nan=False) for run in study.runs)
    config = json.dumps(to_json(study.config), indent=1, allow_nan=False)
    write_file(
        study.path / STUDY,
        f'{{\n"format": {FORMAT},\n"config": {config},\n"runs": [\n{runs}\n]\n}}\n',
    )
