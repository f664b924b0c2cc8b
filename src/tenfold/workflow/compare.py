"""`tenfold.compare` and `tenfold.average_study`.

Torch, SciPy and Matplotlib are imported when a call needs them.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np

from tenfold.errors import StudyError
from tenfold.runs.folder import CONFIG, Run, load_run
from tenfold.runs.listing import describe
from tenfold.studies.study import RUNS, STUDY, Study, StudyRun, load_study
from tenfold.training.threads import setting_threads
from tenfold.workflow.arguments import check_integer, require_train_extra
from tenfold.workflow.evaluate import load_model
from tenfold.workflow.images import Data, check_holdout, reload_evaluated

if TYPE_CHECKING:
    from tenfold.studies.comparison import Comparison
    from tenfold.studies.run_comparison import RunComparison


@overload
def compare(
    studies: Sequence[Run], *, data: Data | None = None, out: str | Path | None = None
) -> "RunComparison": ...


@overload
def compare(
    studies: Study | Sequence[Study],
    *,
    data: Data | None = None,
    out: str | Path | None = None,
) -> "Comparison": ...


@overload
def compare(
    studies: str | Path | Sequence[str | Path | Study | Run],
    *,
    data: Data | None = None,
    out: str | Path | None = None,
) -> Any: ...  # noqa: ANN401 - what is compared decides, and paths do not tell


def compare(
    studies: str | Path | Study | Sequence[str | Path | Study | Run],
    *,
    data: Data | None = None,
    out: str | Path | None = None,
) -> "Comparison | RunComparison":
    """Compare studies, or runs, of the same images, the first with each of the others.

    Of studies, returns a Comparison: a summary of each study, and for each pair the difference with
    two tests and the images that one study misclassifies and the other does not. Of runs, returns a
    RunComparison: what each run measured, what differs in their settings, and for each pair the
    images that just one of the two networks gets right, with McNemar's test. `data` is the folder
    of the data, if the folder has moved, or the arrays of runs that were trained on arrays. With
    `out`, comparison.json, figures and a report are written there.

    Raises StudyError for a folder without a study, for studies of different images and for runs
    together with studies, RunError for runs of different images or that are not finished, DataError
    for data that cannot be read or are not theirs.
    """
    require_train_extra()
    if isinstance(studies, str | Path | Study):
        studies = [studies]
    _check_out(out)
    kinds = [_find_kind(one) for one in studies]
    if "run" not in kinds:
        return _compare_studies(cast("Sequence[str | Path | Study]", studies), data, out)
    if "study" in kinds:
        run, study = (_get_path(studies[kinds.index(kind)]) for kind in ("run", "study"))
        raise StudyError(
            f"{study} is a study, but {run} is a run; compare studies with studies, or runs with "
            "runs"
        )
    runs = [load_run(_get_path(one)) for one in studies]
    return _compare_runs(runs, data, out)


def _check_out(out: str | Path | None) -> None:
    """Raise StudyError if the report would replace that of a study or a run."""
    for file, kind in ((STUDY, "study"), (CONFIG, "run")):
        if out is not None and os.path.exists(Path(out) / file):  # noqa: PTH110 - Path.exists may raise
            raise StudyError(f"{out}: has the report of a {kind}; use another folder")


def _find_kind(given: str | Path | Study | Run) -> str | None:
    """Whether it is a "run" or a "study", finished or not; None if it is neither."""
    if isinstance(given, Study | Run):
        return "study" if isinstance(given, Study) else "run"
    entry = describe(Path(given))
    return entry.kind if entry else None


def _get_path(given: str | Path | Study | Run) -> Path:
    return given.path if isinstance(given, Study | Run) else Path(given)


def _get_folder(data: Data | None) -> str | Path | None:
    """The folder of the data, for the command in a report, which cannot name arrays."""
    return data if isinstance(data, str | Path) else None


def _compare_runs(runs: list[Run], data: Data | None, out: str | Path | None) -> "RunComparison":
    from tenfold.studies.run_comparison import compare_runs

    comparison = compare_runs(runs)
    if out is not None:
        from tenfold.reports.run_comparison import write_run_comparison

        evaluated = reload_evaluated(runs[0].config, f"the run {runs[0].path}", data)
        write_run_comparison(Path(out), runs, comparison, evaluated, _get_folder(data))
    return comparison


def _compare_studies(
    studies: Sequence[str | Path | Study], data: Data | None, out: str | Path | None
) -> "Comparison":
    from tenfold.studies import comparison as comparing

    opened = [study if isinstance(study, Study) else load_study(study) for study in studies]
    if not opened:
        raise StudyError("no studies to compare")
    comparing.check_comparable(opened)
    first = opened[0]
    evaluated = reload_evaluated(first.config, f"the study {first.path}", data)
    for study in opened:
        if study.config.holdout:
            check_holdout(study.config, f"the study {study.path}")
        if study.config.num_evaluated != len(evaluated):
            raise StudyError(
                f"{study.path}: the study evaluated {study.config.num_evaluated} images, but the "
                f"data have {len(evaluated)}"
            )
    comparison = comparing.compare(opened, evaluated.labels_N, is_mnist=first.is_mnist)
    if out is not None:
        from tenfold.reports.study_files import write_comparison_report

        write_comparison_report(Path(out), opened, comparison, evaluated, _get_folder(data))
    return comparison


@dataclass(frozen=True, kw_only=True)
class StudyAverage:
    """The accuracy of the averaged probabilities of some runs, and of the single runs.

    `seeds` are those of the runs. Accuracies are shares, `mean_` those of single runs on average.
    The corrected ones are on the corrected labels of MNIST's test images; None for other images.
    """

    part: str
    num_images: int
    seeds: tuple[int, ...]
    accuracy: float
    mean_accuracy: float
    corrected_accuracy: float | None
    mean_corrected_accuracy: float | None


def average_study(
    study: str | Path | Study, *, num_runs: int | None = None, data: str | Path | None = None
) -> StudyAverage:
    """Average the probabilities of a study's runs over the images that it was evaluated on.

    The first `num_runs` runs by seed are averaged, by default all; their weights are read from
    runs/SEED in the study's folder. `data` is the folder of the study's data, if it has moved.

    Raises StudyError if the study has fewer runs or their weights are missing, DataError for data
    that cannot be read or are not the study's.
    """
    require_train_extra()
    opened = study if isinstance(study, Study) else load_study(study)
    if not opened.runs:
        raise StudyError(f"{opened.path}: the study has no runs yet")
    num = len(opened.runs)
    if num_runs is not None and check_integer("--average", num_runs, range(1, 10_001)) > num:
        raise StudyError(f"{opened.path}: cannot average {num_runs} runs; the study has {num}")
    runs, config = opened.runs[:num_runs], opened.config
    evaluated = reload_evaluated(config, f"the study {opened.path}", data)
    from tenfold.evaluation.metrics import measure_corrected
    from tenfold.models.predict import compute_probabilities

    probabilities_RNK = []
    for run in runs:
        model = load_model(config.recipe, run.seed, _find_weights(opened, run))
        with setting_threads(run.threads):
            probabilities_RNK.append(compute_probabilities(model, evaluated.images_NHW))
    average_NK, labels_N = np.mean(probabilities_RNK, axis=0), evaluated.labels_N
    answers = [shares_NK.argmax(1) for shares_NK in (average_NK, *probabilities_RNK)]
    accuracies = [float((answer_N == labels_N).mean()) for answer_N in answers]
    corrected = None
    if opened.is_mnist and not config.holdout:
        corrected = [measure_corrected(labels_N, answer_N).accuracy for answer_N in answers]
    return StudyAverage(
        part=config.part,
        num_images=len(evaluated),
        seeds=tuple(run.seed for run in runs),
        accuracy=accuracies[0],
        mean_accuracy=sum(accuracies[1:]) / len(runs),
        corrected_accuracy=None if corrected is None else corrected[0],
        mean_corrected_accuracy=None if corrected is None else sum(corrected[1:]) / len(runs),
    )


def _find_weights(study: Study, run: StudyRun) -> Path:
    """The weights of one of a study's runs. Raises StudyError if they are missing."""
    folder = study.path / RUNS / str(run.seed)
    if not folder.is_dir():
        raise StudyError(
            f"{folder}: no such run; a study.json alone has no weights. Use the folder that the "
            "study was trained in."
        )
    found = load_run(folder)
    if found.training.weights_sha256 != run.weights_sha256:
        raise StudyError(f"{found.weights_path}: these are not the weights of the run in {STUDY}")
    return found.weights_path
