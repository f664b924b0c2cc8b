"""Compare runs that were evaluated on the same images: the content of comparison.json."""

from dataclasses import dataclass
from typing import Any, Literal

from scipy import stats

from tenfold.errors import RunError
from tenfold.evaluation.text import PART_NAMES, format_percent
from tenfold.recipes.catalogue import RECIPES, find_changes, format_changes
from tenfold.recipes.recipe import Recipe
from tenfold.runs.folder import EVALUATION, Run
from tenfold.runs.results import Accuracy

Setting = str | int | float | bool | list[Any] | None  # as JSON has it


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """One of the compared runs.

    `corrected_accuracy` is on MNIST's corrected test labels; None for other images. `other_cores`
    is how many cores other programs used during training, None if unknown. `num_multiply_adds` is
    None for a model of one's own.
    """

    path: str
    name: str
    recipe: Recipe
    seed: int
    accuracy: Accuracy
    corrected_accuracy: float | None
    seconds: float
    other_cores: float | None
    threads: int
    num_parameters: int
    num_multiply_adds: int | None


@dataclass(frozen=True, kw_only=True)
class DisagreedImage:
    """An image that one of two runs classifies as labelled and the other does not."""

    index: int
    label: int
    answer_of_first: int
    answer_of_other: int


@dataclass(frozen=True, kw_only=True)
class ComparedRunPair:
    """The first run and another one, by name.

    `difference` is of the accuracies, other minus first. `p_value` is that of McNemar's exact test:
    how likely it is that the images on which just one of two equally good networks is right are
    shared out so unevenly.
    """

    first: str
    other: str
    difference: float
    num_both_wrong: int
    only_first_right: tuple[DisagreedImage, ...]
    only_other_right: tuple[DisagreedImage, ...]
    p_value: float


@dataclass(frozen=True, kw_only=True)
class RunComparison:
    """All runs, what differs in their settings, and the first run compared with each other one.

    `settings` has, for each setting that is not the same in all runs, its values in the order of
    the runs; None where a run has no such setting.
    """

    part: Literal["test", "validation"]
    num_images: int
    runs: tuple[ComparedRun, ...]
    settings: dict[str, tuple[Setting, ...]]
    differences: tuple[ComparedRunPair, ...]

    def __repr__(self) -> str:
        found = [f"{run.name} {format_percent(run.accuracy.accuracy)}" for run in self.runs]
        images = f"{self.num_images:,} {PART_NAMES[self.part]} images"
        return f"<RunComparison on {images}: {', '.join(found)}>"


def check_comparable(runs: list[Run]) -> None:
    """Raise RunError unless these are several runs that were evaluated on the same images.

    The indices of misclassified images are checked too, as they are used to look these up.
    """
    first = runs[0]
    if len(runs) < 2:
        raise RunError(f"{first.path}: is a single run; name the runs to compare it with")
    for run in runs:
        num_images = run.evaluation.num_images
        for mistake in run.evaluation.misclassified:
            if not 0 <= mistake.index < num_images:
                raise RunError(
                    f"{run.path / EVALUATION}: lists image {mistake.index} of {num_images}; "
                    "`tenfold evaluate` writes the file again"
                )
        if _identify_images(run) != _identify_images(first):
            raise RunError(
                f"{run.path}: evaluated on other images ({_name_images(run)}) than {first.path} "
                f"({_name_images(first)}); only runs of the same images can be compared"
            )
    paths = [run.path.resolve() for run in runs]
    for run, path in zip(runs, paths, strict=True):
        if paths.count(path) > 1:
            raise RunError(f"{run.path}: is named twice; a run is compared with others")


def _name_images(run: Run) -> str:
    config = run.config
    data = "arrays" if config.from_arrays else config.data_folder or "MNIST"
    return f"{run.evaluation.num_images:,} {run.evaluation.part} images of {data}"


def _identify_images(run: Run) -> tuple[str, int, tuple[str, str]]:
    """What two runs have in common if they were evaluated on the same images."""
    part, checksums = run.evaluation.part, run.config.checksums
    return part, run.evaluation.num_images, checksums["train" if part == "validation" else "test"]


def compare_runs(runs: list[Run]) -> RunComparison:
    """Compare the first of some runs with each of the others. Nothing is evaluated again.

    Raises RunError for a single run, or for runs of different images.
    """
    check_comparable(runs)
    first, names = runs[0], _name_runs(runs)
    return RunComparison(
        part=first.evaluation.part,
        num_images=first.evaluation.num_images,
        runs=tuple(map(_describe_run, runs, names)),
        settings=list_settings(runs),
        differences=tuple(
            _compare_pair(first, other, (names[0], name))
            for other, name in zip(runs[1:], names[1:], strict=True)
        ),
    )


def _name_runs(runs: list[Run]) -> list[str]:
    """A name for each run: its recipe, the changed fields in which the runs differ, the seed."""
    differing = list_settings(runs)
    names = []
    for run in runs:
        changes = find_changes(run.config.recipe)
        if run.config.recipe.name not in RECIPES:  # nothing to be changed from
            changes = run.config.recipe.flatten()
        shown = {name: value for name, value in changes.items() if name in differing}
        names.append(run.config.recipe.name + format_changes({**shown, "seed": run.config.seed}))
    return names if len(set(names)) == len(names) else [str(run.path) for run in runs]


def _describe_run(run: Run, name: str) -> ComparedRun:
    config, evaluation, training = run.config, run.evaluation, run.training
    return ComparedRun(
        path=str(run.path),
        name=name,
        recipe=config.recipe,
        seed=config.seed,
        accuracy=evaluation.get_accuracy(),
        corrected_accuracy=evaluation.corrected.accuracy if evaluation.corrected else None,
        seconds=training.seconds,
        other_cores=training.other_cores,
        threads=config.threads,
        num_parameters=training.num_parameters,
        num_multiply_adds=config.recipe.model.count_multiply_adds(),
    )


def list_settings(runs: list[Run]) -> dict[str, tuple[Setting, ...]]:
    """The settings that are not the same in all runs, with the value of each run."""
    values = [_flatten_settings(run) for run in runs]
    names = dict.fromkeys(name for found in values for name in found)  # in order, each once
    listed = {name: tuple(found.get(name) for found in values) for name in names}
    return {name: found for name, found in listed.items() if any(one != found[0] for one in found)}


def _flatten_settings(run: Run) -> dict[str, Setting]:
    """Everything that a run's weights may depend on."""
    config = run.config
    recipe, checksums = config.recipe, config.checksums["train"]
    return {
        "recipe": recipe.name,
        "model": recipe.model.kind,
        **{
            name: list(value) if isinstance(value, tuple) else value
            for name, value in recipe.flatten().items()
        },
        "seed": config.seed,
        "training_data": "SHA-256 " + " ".join(checksum[:8] for checksum in checksums),
        "threads": config.threads,
        "device": config.device,
        "processor": str(config.machine["cpu"]),
        "torch": config.versions.get("torch"),
    }


def _compare_pair(first: Run, other: Run, names: tuple[str, str]) -> ComparedRunPair:
    missed_by_first, missed_by_other = (
        {mistake.index: mistake for mistake in run.evaluation.misclassified}
        for run in (first, other)
    )
    disagreed = [
        DisagreedImage(
            index=index,
            label=(one := missed_by_first.get(index) or missed_by_other[index]).label,
            answer_of_first=one.predicted if index in missed_by_first else one.label,
            answer_of_other=one.predicted if index in missed_by_other else one.label,
        )
        for index in sorted(missed_by_first.keys() ^ missed_by_other.keys())
    ]
    only_first_right = tuple(each for each in disagreed if each.index in missed_by_other)
    only_other_right = tuple(each for each in disagreed if each.index in missed_by_first)
    return ComparedRunPair(
        first=names[0],
        other=names[1],
        difference=other.accuracy - first.accuracy,
        num_both_wrong=len(missed_by_first.keys() & missed_by_other.keys()),
        only_first_right=only_first_right,
        only_other_right=only_other_right,
        p_value=mcnemar_p_value(len(only_first_right), len(only_other_right)),
    )


def mcnemar_p_value(num_only_first: int, num_only_other: int) -> float:
    """The two-sided p-value of two networks' numbers of images that just one of them gets right.

    Exact: if both are equally good, each such image is one's or the other's with probability 1/2
    (Q. McNemar, Psychometrika 12, 1947).
    """
    num_trials = num_only_first + num_only_other
    return float(stats.binomtest(num_only_first, num_trials).pvalue) if num_trials else 1.0
