"""What was read of forms: fields, sheets and batches."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from tenfold.forms.form import Form, Kind
from tenfold.reading.result import Status

DOUBTFUL = "doubtful: "  # before the names of fields, in a row's message

Quad = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class FieldReading:
    """What was read in a field.

    `value` is the digits, `yes` or `no` for a box to tick, or the label of a filled bubble; empty
    for an empty field. The status is as of a reading: `blank` is an empty field, and what is
    neither read nor blank, or has a message, is doubtful. `corners` are those of the field on the
    sheet: in pixels of the upright image at its original size, clockwise from the top left of the
    field. `picture` is a PNG file of a doubtful field, cut out.
    """

    name: str
    kind: Kind
    value: str
    status: Status
    message: str | None = None
    confidence: float | None = None
    corners: Quad = ()
    picture: bytes | None = field(default=None, repr=False, compare=False)

    @property
    def is_sure(self) -> bool:
        """Whether the value can be relied on."""
        return self.status in (Status.READ, Status.BLANK) and self.message is None

    def to_json(self) -> dict[str, Any]:
        """The field as JSON values, without the picture."""
        return {
            "name": self.name,
            "kind": self.kind,
            "value": self.value,
            "status": str(self.status),
            "is_sure": self.is_sure,
            "confidence": None if self.confidence is None else round(self.confidence, 4),
            "corners": [[round(at, 1) for at in corner] for corner in self.corners],
            "message": self.message,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "FieldReading":
        """The field that `to_json` gave. Raises KeyError, ValueError or TypeError."""
        return cls(
            str(values["name"]),
            values["kind"],
            str(values["value"]),
            Status(values["status"]),
            values["message"],
            values["confidence"],
            tuple((float(x), float(y)) for x, y in values["corners"]),
        )


@dataclass(frozen=True)
class FormReading:
    """What was read of a sheet: its fields in the form's order.

    A sheet with the status `error` does not match the form, or is no image: it has no fields, and
    the message says why. Otherwise the status is `read` if all fields are sure and the print is the
    form's everywhere, else `uncertain`.
    """

    form: str
    status: Status
    fields: tuple[FieldReading, ...] = ()
    message: str | None = None
    page: int | None = None
    num_pages: int | None = None

    @property
    def values(self) -> dict[str, str]:
        """The value of each field."""
        return {one.name: one.value for one in self.fields}

    @property
    def doubtful(self) -> tuple[FieldReading, ...]:
        """The fields that somebody should look at."""
        return tuple(one for one in self.fields if not one.is_sure)

    def to_json(self) -> dict[str, Any]:
        """The sheet as JSON values."""
        pages = {} if self.page is None else {"page": self.page, "num_pages": self.num_pages}
        return {
            **pages,
            "form": self.form,
            "status": str(self.status),
            "fields": [one.to_json() for one in self.fields],
            "message": self.message,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "FormReading":
        """The sheet that `to_json` gave. Raises KeyError, ValueError or TypeError."""
        return cls(
            str(values["form"]),
            Status(values["status"]),
            tuple(map(FieldReading.from_json, values["fields"])),
            values["message"],
            values.get("page"),
            values.get("num_pages"),
        )


@dataclass(frozen=True)
class Batch:
    """Sheets of one form: the name of each one's file, and what was read of it."""

    form: Form
    sheets: tuple[tuple[str, FormReading], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the table: file, page, status, message, and each field."""
        return "file", "page", "status", "message", *(one.name for one in self.form.fields)

    def list_rows(self) -> Iterator[tuple[str, ...]]:
        """The rows of the table, one a sheet."""
        for name, sheet in self.sheets:
            values = sheet.values
            page = "" if sheet.page is None else str(sheet.page)
            cells = (values.get(one.name, "") for one in self.form.fields)
            yield name, page, str(sheet.status), describe(sheet), *cells

    def to_json(self) -> dict[str, Any]:
        """The batch as JSON values."""
        sheets = [{"file": name, **sheet.to_json()} for name, sheet in self.sheets]
        return {"form": self.form.name, "sheets": sheets}

    def to_dataframe(self) -> Any:  # noqa: ANN401 - pandas is no dependency
        """The table as a pandas.DataFrame of text; needs pandas."""
        pd = import_module("pandas")
        return pd.DataFrame(list(self.list_rows()), columns=list(self.columns), dtype=str)


def describe(sheet: FormReading) -> str:
    """A sheet's message for its row of the table: why it was refused, or what is doubtful."""
    doubtful = ", ".join(one.name for one in sheet.doubtful)
    parts = (sheet.message, DOUBTFUL + doubtful if doubtful else None)
    return "; ".join(filter(None, parts))
