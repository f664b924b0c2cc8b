"""The page of an audit, and its numbers as text."""

from tenfold.auditing.metrics import find_rank
from tenfold.auditing.results import Audit, ConformalSets
from tenfold.data.mnist import LabelledImages
from tenfold.evaluation.text import PART_NAMES, format_interval, format_percent
from tenfold.reports.figures.audit import (
    draw_corruption_errors,
    draw_examples,
    draw_reliability,
    draw_risk,
)
from tenfold.reports.page import Page, PageFigure, PageTable


def build_audit_page(audit: Audit, evaluated: LabelledImages, command: str) -> str:
    """The page as HTML."""
    num = audit.accuracy.num_images
    return Page(
        title=f"Audit of {audit.model}",
        subtitle=f"On {num:,} {PART_NAMES[audit.part]} images, corrupted with seed {audit.seed}",
        numbers=_list_numbers(audit),
        tables=[
            table for table in (tabulate_not_digits(audit), tabulate_conformal(audit)) if table.rows
        ],
        figures=_draw_figures(audit, evaluated),
        reproduction=(
            "Corruptions, halves and bootstrap samples depend on the seed alone; the last decimals "
            "of the probabilities depend on the processor."
        ),
        command=command,
        sources=". audit.json beside this page holds every number on it.",
        is_mnist=audit.is_mnist,
    ).to_html()


def list_rows(audit: Audit) -> list[tuple[str, str]]:
    """The numbers as names and values, for a terminal."""
    rows = [(name, f"{value}  ({note})") for name, value, note in _list_numbers(audit)]
    return [("model", audit.model), *rows]


def tabulate_corruptions(audit: Audit) -> PageTable:
    """The corruptions, worst first."""
    ordered = sorted(audit.corruptions, key=lambda each: -each.error_rate)
    return PageTable(
        title="Corruptions",
        columns=("corruption", "errors", "95 % CI", "times clean"),
        rows=[
            (
                each.name,
                format_percent(each.error_rate),
                format_interval(each.error_rate_interval),
                _format_times(each.relative),
            )
            for each in ordered
        ],
    )


def tabulate_not_digits(audit: Audit) -> PageTable:
    """How other images are told from digits."""
    rejects = audit.has_reject_class
    return PageTable(
        title="Images without digits",
        columns=(
            "images",
            "number",
            "AUROC",
            *["AUROC by reject class"] * rejects,
            "read although 1 % of digits are turned away",
        ),
        rows=[
            (
                each.name,
                f"{each.num_images:,}",
                f"{each.auroc:.4f}",
                *([] if each.auroc_reject is None else [f"{each.auroc_reject:.4f}"]),
                format_percent(each.false_reading),
            )
            for each in audit.not_digits
        ],
        note="AUROC is the probability that a digit's confidence is above that of another image. "
        "The last column is the share of other images that are still read at a threshold that "
        "turns away 1 % of the digits.",
    )


def tabulate_conformal(audit: Audit) -> PageTable:
    """The prediction sets."""
    return PageTable(
        title="Prediction sets",
        columns=("wanted", "label in set", "mean size", "one digit", "empty"),
        rows=[
            (format_percent(each.wanted, 1), *_list_sets(each, audit.accuracy.num_images // 2))
            for each in audit.conformal
        ],
        note="Every digit whose probability is so high that, on the other half of the images, the "
        "label was among these digits as often as wanted. Small sets are those of a sure model.",
    )


def _list_sets(sets: ConformalSets, num_fitted: int) -> list[str]:
    if find_rank(num_fitted, sets.wanted) > num_fitted:  # the sets have every digit
        return ["too few images", "–", "–", "–"]
    return [
        format_percent(sets.coverage),
        f"{sets.mean_size:.3f}",
        format_percent(sets.share_of_one),
        format_percent(sets.share_empty),
    ]


def _list_numbers(audit: Audit) -> list[tuple[str, str, str]]:
    accuracy, corrected = audit.accuracy, audit.corrected
    interval = f"95 % CI {format_interval(accuracy.accuracy_interval)}"
    numbers = [("accuracy", format_percent(accuracy.accuracy), interval)]
    if corrected is not None:
        share = format_percent(corrected.accuracy)
        numbers.append(("on corrected labels", share, f"n = {corrected.num_images:,}"))
    relative = audit.relative_corruption_error
    times = "none on clean images" if relative is None else f"{_format_times(relative)} clean"
    calibration = audit.calibration
    return [
        *numbers,
        ("errors if corrupted", format_percent(audit.mean_corruption_error), times),
        ("calibration error", f"{calibration.error:.4f}", _describe_interval(audit)),
        ("log loss", f"{calibration.log_loss:.4f}", f"Brier score {calibration.brier:.4f}"),
        (
            "read at 0.1 % errors",
            format_percent(audit.selective.coverage_at_low_risk, 1),
            f"area under risk {format_percent(audit.selective.area, 4)}",
        ),
    ]


def _describe_interval(audit: Audit) -> str:
    low, high = audit.calibration.error_interval
    return f"95 % CI {low:.4f} to {high:.4f}"


def _format_times(relative: float | None) -> str:
    return "–" if relative is None else f"{relative:.1f} times"


def _draw_figures(audit: Audit, evaluated: LabelledImages) -> list[PageFigure]:
    return [
        PageFigure.draw(
            "Errors on corrupted images",
            "The error rate on each corruption, the worst on top.",
            draw_corruption_errors,
            audit,
            note="How often the model errs when its images are damaged in each of fifteen ways.",
        ),
        PageFigure.draw(
            "The corruptions",
            "The first images, clean and with each corruption.",
            draw_examples,
            evaluated.images_NHW,
            audit.seed,
        ),
        PageFigure.draw(
            "Reliability",
            "Errors made against errors that the confidences promise.",
            draw_reliability,
            audit,
            note="A well calibrated model is right as often as its confidence says: the "
            "calibration error is the mean gap between the two. Log loss and Brier score are low "
            "for probabilities near 1 for the label and near 0 for the others.",
        ),
        PageFigure.draw(
            "Risk against coverage",
            "The errors among the most confident images, against their share.",
            draw_risk,
            audit,
            note="Reading only the most confident images makes fewer errors. “Read at 0.1 % "
            "errors” is the largest share with at most one error in a thousand; the area under the "
            "curve is the mean share of errors over all shares that could be read.",
        ),
    ]
