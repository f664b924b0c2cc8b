"""The reports of studies and comparisons."""

import shlex

from tenfold.digits import NUM_CLASSES
from tenfold.evaluation.text import PART_NAMES, format_interval, format_percent, join_words
from tenfold.recipes.catalogue import RECIPES, build_display_name
from tenfold.reports.describe import list_config_flags, list_data, list_recipe
from tenfold.reports.page import Page, PageFigure, PageTable
from tenfold.runs.results import Finding
from tenfold.studies.comparison import MIN_P_VALUE, ComparedPair, Comparison, Significance
from tenfold.studies.study import Study, is_longer_claimed
from tenfold.studies.summary import DigitErrors, Summary


def build_study_command(study: Study) -> str:
    """The command that repeats a study; gaps between its seeds are trained too."""
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
    words += list_config_flags(config)
    if not by_epoch:
        words.append("--no-by-epoch")
    if has_longer != is_longer_claimed(config.recipe):
        words.append("--longer" if has_longer else "--no-longer")
    return shlex.join([*words, "--out", str(study.path)])


def build_study_report(
    study: Study, summary: Summary, figures: list[PageFigure], *, is_mnist: bool
) -> str:
    """The page of a study as HTML."""
    config, runs = study.config, study.runs
    recipe = config.recipe
    return Page(
        title=f"{format_percent(summary.accuracy.mean)} over {len(runs)} seeds",
        subtitle=f"The recipe {build_display_name(recipe)} on {PART_NAMES[config.part]} images",
        numbers=_list_numbers(summary),
        findings=summary.findings,
        tables=[
            PageTable(
                title=f"Error rate of each {study.noun}",
                columns=(study.noun, "mean", "95 % CI", "hardest in", "mistaken for (per run)"),
                rows=[
                    _list_digit(digit, len(runs), config.class_names) for digit in summary.digits
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
            "In this folder the command trains only missing seeds and writes the report again; "
            "with another --out it trains all of them. With another machine, PyTorch or number of "
            "threads, rounding differs, and accuracies vary as they do from seed to seed."
        ),
        command=build_study_command(study),
        sources=" from study.json. summary.json holds every number on this page.",
        is_mnist=is_mnist,
    ).to_html()


def _list_digit(digit: DigitErrors, num_runs: int, class_names: tuple[str, ...]) -> list[str]:
    """The row of a digit, or of a class with a name, in the table of error rates."""
    names = class_names or tuple(map(str, range(NUM_CLASSES)))
    mistaken = [f"{names[int(label)]} ({count:.1f})" for label, count in digit.taken_for.items()]
    return [
        names[digit.label],
        format_percent(digit.error_rate.mean),
        format_interval(digit.error_rate.images_interval),
        f"{digit.num_hardest} of {num_runs}",
        ", ".join(mistaken[:3]),
    ]


def _list_numbers(summary: Summary) -> list[tuple[str, str, str]]:
    accuracy, deviation = summary.accuracy, summary.accuracy.standard_deviation
    spread = "one seed"
    if deviation is not None:
        spread = f"standard deviation {100 * deviation:.3f} points"
    numbers = [
        ("mean accuracy", format_percent(accuracy.mean), spread),
        ("lowest", format_percent(accuracy.lowest), f"highest {format_percent(accuracy.highest)}"),
    ]
    if summary.corrected:
        numbers.append(("on corrected labels", format_percent(summary.corrected.mean), "n = 9,995"))
    alone = summary.seconds_alone
    seconds = alone or summary.seconds
    runs = f"mean of {seconds.num_values} run{'s' * (seconds.num_values > 1)}"
    load = f"machine idle, {alone.threads} threads" if alone else "possibly under load"
    cost = "weights and biases"
    if summary.num_multiply_adds is not None:
        cost = f"{summary.num_multiply_adds:,} multiply-adds"
    return [
        *numbers,
        ("training", f"{seconds.mean:.1f} s", f"{runs}, {load}"),
        ("parameters", f"{summary.num_parameters:,}", cost),
    ]


def build_comparison_report(
    comparison: Comparison, figures: list[PageFigure], command: str, *, is_mnist: bool
) -> str:
    """The page of a comparison as HTML."""
    columns, rows = tabulate(comparison)
    return Page(
        title=join_words([study.name for study in comparison.studies]) + " compared",
        subtitle=f"On the same {comparison.num_images:,} {PART_NAMES[comparison.part]} images",
        findings=[*map(describe_difference, comparison.differences)],
        tables=[PageTable(title="Studies", columns=columns, rows=rows)],
        figures=figures,
        reproduction="The command reads study.json in each folder and trains nothing.",
        command=command,
        sources=" from the studies. comparison.json holds every number on this page.",
        is_mnist=is_mnist,
    ).to_html()


def tabulate(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """The table of a comparison, with a column for each study: its header and rows."""
    columns = [_list_column(study.summary) for study in comparison.studies]
    names = [name for name in columns[0] if all(name in column for column in columns)]
    rows = [[name, *(column[name] for column in columns)] for name in names]
    return ["", *(study.name for study in comparison.studies)], rows


def _list_column(summary: Summary) -> dict[str, str]:
    accuracy, alone = summary.accuracy, summary.seconds_alone
    deviation = accuracy.standard_deviation
    column = {
        "seeds": str(len(summary.seeds)),
        "mean accuracy": format_percent(accuracy.mean, 3),
        "standard deviation": "" if deviation is None else f"{100 * deviation:.3f}",
        "lowest": format_percent(accuracy.lowest),
        "highest": format_percent(accuracy.highest),
    }
    if summary.corrected:
        column["mean on corrected labels"] = format_percent(summary.corrected.mean, 3)
    column["training (s)"] = f"{summary.seconds.mean:.1f} (possibly under load)"
    if alone:
        runs = f"{alone.num_values} runs, {alone.threads} threads"
        column["training (s)"] = f"{alone.mean:.1f} ({runs})"
    column["parameters"] = f"{summary.num_parameters:,}"
    if summary.num_multiply_adds is not None:
        column["multiply-adds"] = f"{summary.num_multiply_adds:,}"
    return column


def describe_difference(pair: ComparedPair) -> Finding:
    """Describe the difference of two studies as a finding."""
    difference, images = pair.difference, pair.images
    by_image, by_seed = difference.by_image, difference.by_seed
    points = 100 * difference.difference
    tests = [test for test in (by_image, by_seed) if test]
    if min(difference.num_seeds) == 1:
        answer = "unclear with one seed"
    elif tests and all(test.p_value < 0.05 for test in tests):
        answer = "better" if points > 0 else "worse"
    else:
        answer = "not significantly different"
    above = "above" if points >= 0 else "below"
    sentence = f"{pair.other} is {abs(points):.3f} points {above} {pair.first}."
    if by_image:
        sentence += f" Over images (paired permutation test): {_describe_test(by_image)}."
    if by_seed:
        sentence += f" Over seeds (Welch's test): {_describe_test(by_seed)}."
    mended, kept, new = images.mended, images.not_mended, images.new
    sentence += (
        f" Of the {len(mended) + len(kept)} images that most runs of {pair.first} misclassify, "
        f"most runs of {pair.other} classify {len(mended)} correctly and at least half misclassify "
        f"{len(kept)}. Most runs of {pair.other} misclassify {len(new)} others."
    )
    return Finding(
        name="difference",
        question=f"How does {pair.other} compare with {pair.first}?",
        answer=answer,
        sentence=sentence,
    )


def _describe_test(test: Significance) -> str:
    low, high = (100 * end for end in test.interval)
    sign = "≤" if test.p_value <= MIN_P_VALUE else "="
    return f"95 % CI {low:+.3f} to {high:+.3f}, p {sign} {max(test.p_value, MIN_P_VALUE):.2g}"
