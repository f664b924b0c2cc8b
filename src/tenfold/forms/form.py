"""A form: the layout of a sheet as a TOML file, with a reference picture and named fields."""

import math
import re
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

from tenfold.errors import FormError
from tenfold.reading.pattern import NUM_DIGITS, Pattern, PatternError, parse_pattern

MAX_FILE_BYTES, MAX_FIELDS = 1_000_000, 1000
MAX_SIDE_MM, MIN_FIELD_MM, MIN_FIELD_SHARE = 2000.0, 1.0, 0.002
MAX_DIGITS, MAX_LINES = 40, 60  # of a comb, and rows or columns of bubbles
MAX_SHARED = 0.1  # of the smaller of two fields: adjacent cells may share their line
NAME = re.compile(  # a line without control characters or spaces around it
    r"[^\s\x00-\x1f\x7f-\x9f](?:[^\x00-\x1f\x7f-\x9f]{0,62}[^\s\x00-\x1f\x7f-\x9f])?"
)
TAKEN_NAMES = ("file", "page", "status", "message")  # other columns of the table

Box = tuple[float, float, float, float]  # left, top, right, bottom
Kind = Literal["digits", "tick", "bubbles"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# The keys of a field beside name, box and kind, and the kinds that take them.
EXTRA_KEYS = {
    "expect": ("digits",),
    "digits": ("digits",),
    "rows": ("bubbles",),
    "columns": ("bubbles",),
    "labels": ("bubbles",),
}
FORM_KEYS = ("name", "reference", "size_mm", "filled", "field")


@dataclass(frozen=True)
class Field:
    """A named box on a form, in millimetres or shares of the sheet, and what is in it.

    `digits` is the number of compartments of a comb, `expect` the format of what is written.
    Bubbles stand in rows and columns. With a label for each, one of all is filled; with as many
    labels as rows, one in each column, and with as many as columns, one in each row.
    """

    name: str
    box: Box
    kind: Kind = "digits"
    expect: str | None = None
    digits: int | None = None
    rows: int = 1
    columns: int = 1
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Form:
    """A form: its fields, and the picture of a sheet, blank or filled, that shows where they are.

    `size_mm` is the width and height of what the picture shows; without, boxes are shares of it.
    `filled` says that the picture has writing in its fields, so that only print outside of them
    is known.
    """

    name: str
    reference: Path
    fields: tuple[Field, ...]
    size_mm: tuple[float, float] | None = None
    filled: bool = False

    @property
    def size(self) -> tuple[float, float]:
        """The width and height of the sheet in the unit of the boxes."""
        return self.size_mm or (1.0, 1.0)

    def get_shares(self, box: Box) -> Box:
        """A box as shares of the sheet."""
        width, height = self.size
        return box[0] / width, box[1] / height, box[2] / width, box[3] / height


def load_form(path: Path | str) -> Form:
    """Load a form. Raises FormError with the field, the value and what it may be."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FormError(f"{path}: cannot be read: {reason}") from error
    if len(data) > MAX_FILE_BYTES:
        raise FormError(f"{path}: larger than {MAX_FILE_BYTES} bytes, so not a form")
    form = parse_form(data, path)
    if not form.reference.is_file():
        raise FormError(
            f"{path}: the reference picture {form.reference.name} is not beside it; "
            "make the form anew with `tenfold form new`, or copy the picture there"
        )
    return form


def parse_form(data: bytes | str, path: Path) -> Form:
    """The form in the text of a TOML file at `path`. Raises FormError; opens no other file."""
    try:
        text = data.decode() if isinstance(data, bytes) else data
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "not text in UTF-8"
        raise FormError(f"{path}: not a TOML file: {reason}") from error
    try:
        return _build_form(values, path)
    except ValueError as error:
        raise FormError(f"{path}: {error}") from error


def _build_form(values: dict[str, Any], path: Path) -> Form:
    _check_keys(values, FORM_KEYS, "")
    name = values.get("name", path.stem)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"name must be a line of up to 64 characters, not {name!r}")
    reference = values.get("reference")
    if not isinstance(reference, str) or not reference:
        raise ValueError(f"reference must be the file name of a picture, not {reference!r}")
    parts = PurePosixPath(reference.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in reference:
        raise ValueError(f"reference must be a path below the form's folder, not {reference!r}")
    filled = values.get("filled", False)
    if not isinstance(filled, bool):
        raise ValueError(f"filled must be true or false, not {filled!r}")
    size_mm = None
    if "size_mm" in values:
        size_mm = _to_size(values["size_mm"])
    listed = values.get("field")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MAX_FIELDS:
        raise ValueError(f"there must be 1 to {MAX_FIELDS} [[field]] tables")
    size = size_mm or (1.0, 1.0)
    fields = tuple(_build_field(each, number, size) for number, each in enumerate(listed, 1))
    _check_apart(fields)
    return Form(name, path.parent / parts, fields, size_mm, filled)


def _to_size(value: object) -> tuple[float, float]:
    numbers = _to_numbers(value, 2)
    if numbers is None or not all(1 <= number <= MAX_SIDE_MM for number in numbers):
        raise ValueError(
            f"size_mm must be [width, height] in millimetres, from 1 to {MAX_SIDE_MM:g}, "
            f"not {value!r}"
        )
    return numbers[0], numbers[1]


def _build_field(values: object, number: int, size: tuple[float, float]) -> Field:
    if not isinstance(values, dict):
        raise ValueError("field must be a list of tables, each headed [[field]]")
    name = values.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError(f"field {number}: name must be a line of text, not {name!r}")
    where = f"field {name!r}: "
    if name in TAKEN_NAMES:
        raise ValueError(f"{where}a column of the table has this name; choose another")
    kind = values.get("kind", "digits")
    if kind not in KINDS:
        raise ValueError(f"{where}kind must be {', '.join(KINDS)}, not {kind!r}")
    extra = tuple(key for key, kinds in EXTRA_KEYS.items() if kind in kinds)
    _check_keys(values, ("name", "box", "kind", *extra), where)
    box = _to_box(values.get("box"), where, size)
    expect = values.get("expect")
    if expect is not None and (not isinstance(expect, str) or not expect):
        raise ValueError(f"{where}expect must be a format such as '######', not {expect!r}")
    if expect is not None:
        try:
            pattern = parse_pattern(expect)
        except PatternError as error:
            raise ValueError(f"{where}expect: {error}") from error
    digits = values.get("digits")
    if digits is not None and (type(digits) is not int or not 1 <= digits <= MAX_DIGITS):
        raise ValueError(f"{where}digits must be a number from 1 to {MAX_DIGITS}, not {digits!r}")
    if digits is not None and expect is not None and not _fits_digits(pattern, digits):
        raise ValueError(
            f"{where}no number of {digits} digits is of the format {expect!r}, and digits is "
            f"{digits}; make them agree"
        )
    if kind != "bubbles":
        return Field(name, box, kind, expect, digits)
    return Field(name, box, kind, None, None, *_to_bubbles(values, where))


def _fits_digits(pattern: Pattern, num_digits: int) -> bool:
    """Whether a text of so many digits, and nothing else, fits a pattern."""
    automaton, states = pattern.automaton, {0}
    for _ in range(num_digits):
        following = automaton.next_QK[sorted(states), :NUM_DIGITS]
        states = set(following[following >= 0].tolist())
    return any(automaton.is_final_Q[state] for state in states)


def _to_box(value: object, where: str, size: tuple[float, float]) -> Box:
    numbers = _to_numbers(value, 4)
    if numbers is None:
        raise ValueError(f"{where}box must be [left, top, right, bottom], not {value!r}")
    left, top, right, bottom = numbers
    least = MIN_FIELD_SHARE if size == (1.0, 1.0) else MIN_FIELD_MM
    if right - left < least or bottom - top < least:
        raise ValueError(
            f"{where}box must be at least {least:g} wide and high, with the left and top sides "
            f"first, not {value!r}"
        )
    if left < 0 or top < 0 or right > size[0] or bottom > size[1]:
        hint = "; for millimetres, add size_mm = [width, height] above the fields"
        raise ValueError(
            f"{where}box must lie within the sheet, [0, 0, {size[0]:g}, {size[1]:g}], not {value!r}"
            + hint * (size == (1.0, 1.0))
        )
    return left, top, right, bottom


def _to_bubbles(values: dict[str, Any], where: str) -> tuple[int, int, tuple[str, ...]]:
    counts = []
    for key in ("rows", "columns"):
        count = values.get(key, 1)
        if type(count) is not int or not 1 <= count <= MAX_LINES:
            raise ValueError(f"{where}{key} must be a number from 1 to {MAX_LINES}, not {count!r}")
        counts.append(count)
    rows, columns = counts
    labels = values.get("labels")
    if labels is None:
        raise ValueError(
            f"{where}bubbles need labels, and columns or rows, such as columns = 3 and "
            'labels = ["A", "B", "C"] for three in a row'
        )
    allowed = sorted({rows * columns, rows, columns} - ({1} if rows * columns > 1 else set()))
    listed = labels if isinstance(labels, list) else []
    texts = [each for each in listed if isinstance(each, str) and each]
    is_list = len(texts) == len(listed)
    if not is_list or len(texts) not in allowed or len(set(texts)) < len(texts):
        raise ValueError(
            f"{where}labels must be {' or '.join(map(str, allowed))} different texts, for "
            f"{rows} x {columns} bubbles, not {labels!r}"
        )
    return rows, columns, tuple(texts)


def _to_numbers(value: object, count: int) -> tuple[float, ...] | None:
    if not isinstance(value, list) or len(value) != count:
        return None
    if not all(type(each) in (int, float) and math.isfinite(each) for each in value):
        return None
    return tuple(map(float, value))


def _check_keys(values: dict[str, Any], known: Iterable[str], where: str) -> None:
    for key in values:
        if key not in known:
            raise ValueError(f"{where}unknown key {key!r}; there are {', '.join(known)}")


def _check_apart(fields: tuple[Field, ...]) -> None:
    """Raise ValueError for two fields with one name, or that overlap: one would read the other."""
    names = set()
    for field in fields:
        if field.name in names:
            raise ValueError(f"field {field.name!r}: there are two of this name")
        names.add(field.name)
    for one, other in combinations(fields, 2):
        width = min(one.box[2], other.box[2]) - max(one.box[0], other.box[0])
        height = min(one.box[3], other.box[3]) - max(one.box[1], other.box[1])
        if width > 0 and height > 0:
            smaller = min(_measure_area(one.box), _measure_area(other.box))
            if width * height > MAX_SHARED * smaller:
                raise ValueError(f"fields {one.name!r} and {other.name!r} overlap; move one")


def _measure_area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def format_form(form: Form, comment: str = "") -> str:
    """The text of the form's TOML file; its reference is named without a folder."""
    lines = [f"# {line}" for line in comment.splitlines()]
    lines += [f"name = {_quote(form.name)}", f"reference = {_quote(form.reference.name)}"]
    if form.size_mm is not None:
        lines.append(f"size_mm = {_list(form.size_mm, _round)}")
    if form.filled:
        lines.append("filled = true")
    digits = 2 if form.size_mm is not None else 5
    for field in form.fields:
        box = _list(field.box, lambda value: _round(value, digits))
        lines += ["", "[[field]]", f"name = {_quote(field.name)}", f"box = {box}"]
        if field.kind != "digits":
            lines.append(f"kind = {_quote(field.kind)}")
        if field.digits is not None:
            lines.append(f"digits = {field.digits}")
        if field.expect is not None:
            lines.append(f"expect = {_quote(field.expect)}")
        if field.kind == "bubbles":
            lines += [f"rows = {field.rows}", f"columns = {field.columns}"]
            lines.append(f"labels = {_list(field.labels, _quote)}")
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    """A basic string of TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found[0]):04x}", escaped) + '"'


def _round(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") or "0"


def _list(values: Iterable[Any], spell: Callable[[Any], str]) -> str:
    return f"[{', '.join(map(spell, values))}]"
