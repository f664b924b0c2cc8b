"""The value of a field of digits, from the readings of it or of its compartments."""

from collections.abc import Sequence
from dataclasses import replace

from tenfold.forms.form import Box, Field
from tenfold.forms.result import FieldReading
from tenfold.reading.pattern import parse_pattern
from tenfold.reading.result import Reading, Status

NO_DIGIT = "might not be a digit"  # as the reader ends a doubt


def split_comb(field: Field) -> list[Box]:
    """The compartments of a comb."""
    left, top, right, bottom = field.box
    count = field.digits or 1
    width = (right - left) / count
    return [(left + i * width, top, left + (i + 1) * width, bottom) for i in range(count)]


def to_field(field: Field, reading: Reading, *, is_filled_form: bool) -> FieldReading:
    """The reading of a field that is read as a whole.

    Where only a filled form is known, nothing but reading tells whether a field is empty.
    """
    if is_filled_form and reading.status == Status.BLANK:
        return FieldReading(field.name, field.kind, "", Status.BLANK)
    least = min((digit.confidence for digit in reading.digits), default=None)
    status, message = reading.status, _shorten(reading.message)
    if status not in (Status.READ, Status.UNCERTAIN):
        status, message = Status.UNCERTAIN, message or "there is ink, but no digits"
    text = reading.text.replace("\n", " ")
    return _check_format(field, FieldReading(field.name, field.kind, text, status, message, least))


def _shorten(message: str | None) -> str | None:
    """A reading's message that says only once that some digits might be none."""
    parts = [] if message is None else message.split("; ")
    num_doubted = sum(part.endswith(NO_DIGIT) for part in parts)
    if num_doubted < 2:
        return message
    others = [part for part in parts if not part.endswith(NO_DIGIT)]
    return "; ".join([f"{num_doubted} of the digits might be something else", *others])


def join_comb(field: Field, readings: Sequence[Reading | None]) -> FieldReading:
    """The reading of a comb, from those of its compartments; None is an empty one."""
    texts = ["" if one is None else one.text.strip() or "?" for one in readings]
    boxes: dict[str, list[str]] = {}  # with each doubt
    for number, one in enumerate(readings, 1):
        if one is not None and (one.status != Status.READ or one.message):
            doubt = one.message or "not sure"
            doubt = NO_DIGIT if doubt.endswith(NO_DIGIT) else doubt
            boxes.setdefault(doubt, []).append(str(number))
    doubts = [
        f"box{'es' * (len(numbers) > 1)} {', '.join(numbers)}: {doubt}"
        for doubt, numbers in boxes.items()
    ]
    if not any(texts):
        return FieldReading(field.name, field.kind, "", Status.BLANK)
    written = [number for number, text in enumerate(texts, 1) if text]
    missing = [i for i in range(written[0], written[-1]) if not texts[i - 1]]
    doubts += [f"box {number} is empty" for number in missing]
    if missing:
        texts = [text or "?" * (number in missing) for number, text in enumerate(texts, 1)]
    least = min(
        (digit.confidence for one in readings if one is not None for digit in one.digits),
        default=None,
    )
    status = Status.UNCERTAIN if doubts else Status.READ
    message = "; ".join(doubts) or None
    found = FieldReading(field.name, field.kind, "".join(texts), status, message, least)
    return _check_format(field, found)


def _check_format(field: Field, reading: FieldReading) -> FieldReading:
    """The reading, doubted if it has not the field's format."""
    if field.expect is None or reading.status != Status.READ:
        return reading
    has_gap = " " in reading.value and " " not in field.expect
    if not has_gap and parse_pattern(field.expect).fits(reading.value):
        return reading
    message = f"not of the format {field.expect}" + "; it has a gap" * has_gap
    return replace(reading, status=Status.UNCERTAIN, message=message)
