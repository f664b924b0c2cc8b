"""Numbers and lists as English text."""

from tenfold.runs.results import Evaluation

PART_NAMES = {"test": "test", "validation": "held-out validation"}


def format_percent(share: float, decimals: int = 2) -> str:
    """A share from 0 to 1 as a percentage, such as 97.82 %."""
    return f"{100 * share:.{decimals}f} %"


def format_interval(interval: tuple[float, float], decimals: int = 2) -> str:
    """An interval of shares, such as 97.5 to 98.1 %."""
    return f"{100 * interval[0]:.{decimals}f} to {format_percent(interval[1], decimals)}"


def format_change(change: float, decimals: int) -> str:
    """A number with its sign; without one if it rounds to zero."""
    text = f"{change:+.{decimals}f}"
    return text[1:] if float(text) == 0 else text


def join_words(words: list[str]) -> str:
    """Words as an English list: a, b and c."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def tabulate_classes(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Errors, precision, recall and F1 of each class as a table: its header and rows."""
    rows = [
        [
            evaluation.name_label(errors.label),
            f"{errors.num_images:,}",
            f"{errors.num_errors:,}",
            *(
                "" if share is None else format_percent(share)
                for share in (errors.precision, errors.recall, errors.f1)
            ),
        ]
        for errors in evaluation.classes
    ]
    return [evaluation.noun, "images", "errors", "precision", "recall", "F1"], rows
