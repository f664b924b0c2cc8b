"""What is written on a line: amounts, decimals, dates, times, codes, sums."""

from tenfold.reading.line_reader import OTHER
from tenfold.synthetic.strokes import Rng

MAX_CODE = 10  # digits of a code


def sample_text(rng: Rng) -> str:
    """A text of digits, signs and spaces; OTHER stands for any other character."""
    kinds = (_code, _amount, _decimal, _date, _time, _sum, _groups, _repeated, _signed, _round)
    shares = (0.26, 0.22, 0.07, 0.06, 0.03, 0.04, 0.04, 0.09, 0.04, 0.1)
    which = rng.random()
    for kind, share in zip(kinds, shares, strict=True):
        which -= share
        if which < 0:
            return kind(rng)
    others = OTHER * int(rng.integers(1, 3))
    number = _sample_digits(int(rng.integers(1, 6)), rng)
    return number + others if rng.random() < 0.5 else others + number


def _sample_digits(num: int, rng: Rng) -> str:
    """Digits, all equally likely."""
    return "".join(map(str, rng.integers(0, 10, num)))


def _code(rng: Rng) -> str:
    return _sample_digits(int(rng.integers(1, MAX_CODE + 1)), rng)


def _amount(rng: Rng) -> str:
    number = str(rng.integers(1, 10)) + _sample_digits(int(rng.integers(0, 7)), rng)
    zeros = int(rng.choice([0, 0, 1, 2, 3, 3, 4]))
    number = (number[: max(1, len(number) - zeros)] + "0" * zeros)[:8]
    separator = str(rng.choice([".", ",", "", ""]))
    if separator:
        ends = range(len(number), 0, -3)
        number = separator.join([number[max(0, end - 3) : end] for end in ends][::-1])
    if rng.random() < 0.15:
        number += ("," if separator == "." else ".") + _sample_digits(2, rng)
    if rng.random() < 0.16:
        number += str(rng.choice(["=", "-", "--", ".-", "=", "/", "*", "#", ".=", ",-"]))
    if rng.random() < 0.1:
        number = str(rng.choice(["$", "#", "*", "=", OTHER, "$ "])) + number
    return number


def _decimal(rng: Rng) -> str:
    whole, part = (_sample_digits(int(rng.integers(1, most)), rng) for most in (5, 4))
    return "-" * int(rng.random() < 0.15) + whole + str(rng.choice([".", ","])) + part


def _date(rng: Rng) -> str:
    day, month = int(rng.integers(1, 32)), int(rng.integers(1, 13))
    year = str(rng.integers(1900, 2031)) if rng.random() < 0.5 else _sample_digits(2, rng)
    width = 2 if rng.random() < 0.6 else 1
    return str(rng.choice(["/", "-", "."])).join([f"{day:0{width}d}", f"{month:0{width}d}", year])


def _time(rng: Rng) -> str:
    return f"{rng.integers(0, 24)}:{rng.integers(0, 60):02d}"


def _sum(rng: Rng) -> str:
    first, second = (_sample_digits(int(rng.integers(1, 3)), rng) for _ in range(2))
    return first + str(rng.choice(["+", "-", "="])) + second


def _groups(rng: Rng) -> str:
    first, second = (_sample_digits(int(rng.integers(2, 5)), rng) for _ in range(2))
    return first + str(rng.choice([" ", "-", " - "])) + second


def _repeated(rng: Rng) -> str:
    two = _sample_digits(2, rng)
    return "".join(two[int(rng.random() < 0.35)] for _ in range(int(rng.integers(2, 7))))


def _signed(rng: Rng) -> str:
    number = _sample_digits(int(rng.integers(1, 4)), rng)
    return number + "%" if rng.random() < 0.3 else str(rng.choice(["+", "-"])) + number


def _round(rng: Rng) -> str:
    first = str(rng.integers(1, 10)) + _sample_digits(int(rng.integers(0, 3)), rng)
    return (first + "0" * int(rng.choice([2, 3, 3, 4, 5])))[:8]
