"""Numbers and lists as English text."""

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
