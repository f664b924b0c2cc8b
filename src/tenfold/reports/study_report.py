"""The reports of studies and comparisons.

In: their numbers and figures. Out: pages as text.
"""

import shlex

from tenfold.evaluation.findings import PART_NAMES, join_words, percent, percent_interval
from tenfold.recipes.catalogue import (
    RECIPES,
    build_display_name,
)
from tenfold.reports.describe import list_change_flags, list_data, list_recipe
from tenfold.reports.page import PageFigure, PageTable, build_page
from tenfold.runs.config import DEFAULT_THREADS
from tenfold.runs.results import Finding
from tenfold.studies.comparison import SMALLEST_P_VALUE, ComparedPair, Comparison, Significance
from tenfold.studies.study import Study, is_longer_claimed
from tenfold.studies.summary import Estimate, Summary


def write_study_command(study: Study) -> str:
    """The command that makes a study of the same recipe, data and seeds.

    Seeds that lie between those of the study are trained too.
    """
    config = study.config
    first, last = (end(run.seed for run in study.runs) for end in (min, max))
    by_epoch = any(run.epoch_accuracies for run in study.runs)
    has_longer = study.longer is not None
    if config.recipe.name not in RECIPES:
        return (
            f"tenfold.study({config.recipe!r}, seeds={last + 1 - first}, first_seed={first}, "
            f"holdout={config.holdout}, data={config.data_folder!r}, out={str(study.path)!r}, "
            f"threads={config.threads}, by_epoch={by_epoch}, longer={has_longer})"
        )
    words = ["tenfold", "study", config.recipe.name, "--seeds", str(last + 1 - first)]
    if first:
        words += ["--first-seed", str(first)]
    words += list_change_flags(config.recipe)
    if config.holdout:
        words.append("--holdout")
    if config.data_folder is not None:
        words += ["--data", config.data_folder]
    if config.threads not in (None, DEFAULT_THREADS):
        words += ["--threads", str(config.threads)]
    if not by_epoch:
        words.append("--no-by-epoch")
    if has_longer != is_longer_claimed(config.recipe):
        words.append("--longer" if has_longer else "--no-longer")
    return shlex.join([*words, "--out", str(study.path)])


def build_study_report(
    study: Study,
    summary: Summary,
    figures: list[PageFigure],
    *,
    is_mnist: bool,
) -> str:
    """The page of one study."""
    config, runs = study.config, study.runs
    recipe = config.recipe
    return build_page(
        title=f"{percent(summary.accuracy.mean)} over {len(runs)} seeds",
        subtitle=f"The recipe {build_display_name(recipe)} on {PART_NAMES[config.part]} images",
        numbers=_list_numbers(summary),
        findings=summary.findings,
        tables=[
            PageTable(
                title="Error rate of each digit",
                columns=("digit", "mean", "other images, 95 %", "hardest in", "taken for (a run)"),
                rows=[
                    (
                        str(one.label),
                        percent(one.error_rate.mean),
                        percent_interval(one.error_rate.images_interval),
                        f"{one.num_hardest} of {len(runs)}",
                        ", ".join(
                            f"{label} ({count:.1f})"
                            for label, count in list(one.taken_for.items())[:3]
                        ),
                    )
                    for one in summary.digits
                ],
            )
        ],
        figures=figures,
        configuration=[
            *list_recipe(recipe),
            ("seeds", ", ".join(str(run.seed) for run in runs)),
            *list_data(config.data_folder, config.checksums),
            ("machine", "; ".join(sorted({run.cpu for run in runs}))),
            ("PyTorch", ", ".join(sorted({run.torch for run in runs}))),
        ],
        reproduction=(
            "Where study.json lies it trains what is missing and makes the report again; --out "
            "with another folder trains all anew. Another machine, PyTorch or number of threads "
            "gives other last bits of sums, and so accuracies that differ as those of other seeds."
        ),
        command=write_study_command(study),
        sources=" from study.json; summary.json holds every number on this page.",
        is_mnist=is_mnist,
    )


def _list_numbers(summary: Summary) -> list[tuple[str, str, str]]:
    accuracy = summary.accuracy
    deviation = accuracy.standard_deviation
    numbers = [
        (
            "mean accuracy",
            percent(accuracy.mean),
            "one seed" if deviation is None else f"deviation {100 * deviation:.3f} points",
        ),
        ("lowest", percent(accuracy.lowest), f"highest {percent(accuracy.highest)}"),
    ]
    if summary.corrected:
        mean = summary.corrected.mean
        numbers.append(("on corrected labels", percent(mean), "n = 9,995"))
    alone = summary.seconds_alone
    seconds = alone or summary.seconds
    numbers += [
        (
            "training",
            f"{seconds.mean:.1f} s",
            f"mean of {seconds.num_values}, "
            + (f"alone, {alone.threads} threads" if alone else "none alone on the machine"),
        ),
        (
            "parameters",
            f"{summary.num_parameters:,}",
            f"{summary.num_multiply_adds:,} multiply-adds",
        ),
    ]
    return numbers


def build_comparison_report(
    comparison: Comparison, figures: list[PageFigure], command: str, *, is_mnist: bool
) -> str:
    """The page of a comparison."""
    columns, rows = tabulate(comparison)
    return build_page(
        title=join_words([one.name for one in comparison.studies]) + " compared",
        subtitle=(f"On the same {comparison.num_images:,} {PART_NAMES[comparison.part]} images"),
        numbers=[],
        findings=[describe_difference(one) for one in comparison.differences],
        tables=[PageTable(title="Studies", columns=columns, rows=rows)],
        figures=figures,
        reproduction="It reads the study.json of each folder, and trains nothing.",
        command=command,
        sources=" from the studies; comparison.json holds every number on this page.",
        is_mnist=is_mnist,
    )


def tabulate(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """The columns and rows of the table of a comparison: a column for each study."""
    summaries = [one.summary for one in comparison.studies]
    accuracies = [one.accuracy for one in summaries]
    rows = [
        ["seeds", *(str(len(one.seeds)) for one in summaries)],
        ["mean accuracy", *(percent(one.mean, 3) for one in accuracies)],
        ["standard deviation", *map(_describe_deviation, accuracies)],
        ["lowest", *(percent(one.lowest) for one in accuracies)],
        ["highest", *(percent(one.highest) for one in accuracies)],
        ["training, s", *map(_describe_seconds, summaries)],
        ["parameters", *(f"{one.num_parameters:,}" for one in summaries)],
        ["multiply-adds", *(f"{one.num_multiply_adds:,}" for one in summaries)],
    ]
    corrected = [percent(one.corrected.mean, 3) for one in summaries if one.corrected]
    if corrected:
        rows.insert(5, ["mean, corrected labels", *corrected])
    return ["", *(one.name for one in comparison.studies)], rows


def _describe_deviation(accuracy: Estimate) -> str:
    deviation = accuracy.standard_deviation
    return "" if deviation is None else f"{100 * deviation:.3f}"


def _describe_seconds(summary: Summary) -> str:
    alone = summary.seconds_alone
    if alone:
        return f"{alone.mean:.1f} ({alone.num_values} alone, {alone.threads} threads)"
    return f"{summary.seconds.mean:.1f} (not alone)"


def describe_difference(pair: ComparedPair) -> Finding:
    """The difference of two studies as a finding."""
    difference, images = pair.difference, pair.images
    by_image, by_seed = difference.by_image, difference.by_seed
    points = 100 * difference.difference
    certain = [test for test in (by_image, by_seed) if test]
    if min(difference.num_seeds) == 1:
        answer = "one seed cannot tell"
    elif certain and all(test.p_value < 0.05 for test in certain):
        answer = "better" if points > 0 else "worse"
    else:
        answer = "not clearly"
    above = "above" if points >= 0 else "below"
    sentence = f"{pair.other} is {abs(points):.3f} points {above} {pair.first}."
    if by_image:
        sentence += f" Paired by image: {_describe_test(by_image)}."
    if by_seed:
        sentence += f" Over seeds (Welch): {_describe_test(by_seed)}."
    mended, kept, new = images.mended, images.not_mended, images.new
    sentence += (
        f" Of the {len(mended) + len(kept)} images that most runs of {pair.first} miss, "
        f"most runs of {pair.other} get {len(mended)} right and half or more of them miss "
        f"{len(kept)}; {len(new)} are newly missed by most."
    )
    return Finding(
        name="difference",
        question=f"Is {pair.other} better than {pair.first}?",
        answer=answer,
        sentence=sentence,
    )


def _describe_test(test: Significance) -> str:
    low, high = (100 * end for end in test.interval)
    if test.p_value <= SMALLEST_P_VALUE:
        p_value = f"p ≤ {SMALLEST_P_VALUE:.2g}"
    else:
        p_value = f"p = {test.p_value:.2g}"
    return f"95 % interval {low:+.3f} to {high:+.3f}, {p_value}"
