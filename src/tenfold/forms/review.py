"""The workbook of a batch: the table, and a list of what somebody should look at."""

import contextlib
import io
from decimal import Decimal
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tenfold.errors import TenfoldError
from tenfold.forms.form import Field
from tenfold.forms.reading import cut_out
from tenfold.forms.reference import Mask
from tenfold.forms.result import Batch, FieldReading, FormReading, describe
from tenfold.forms.workbook import Entry, Sheet, write_workbook
from tenfold.reading.sources import decode_source, split_pages

TABLE, REVIEW, ABOUT = "table", "review", "about"
CORRECT = "correct value"
REVIEW_HEADER = ("file", "page", "field", "read", "why doubtful", CORRECT)
ABOUT_HEADER = ("Tenfold form", "kind", "format", "labels")
WHOLE_SHEET = "(the whole sheet)"  # as a field, of a sheet that was refused
SHOWN = 0.35  # of a field's height: context in its picture


def write_review(path: Path, batch: Batch) -> None:
    """Write a batch as a workbook for review. Raises as `write_workbook` does."""
    write_workbook(path, (*list_sheets(batch, pictures=True),), pictures=True)


def list_sheets(batch: Batch, *, pictures: bool) -> list[Sheet]:
    """The sheets of a batch's workbook: the table, the doubtful fields, and the form's fields."""
    rows = []
    reviews: list[list[Entry]] = []
    for name, sheet in batch.sheets:
        page = "" if sheet.page is None else str(sheet.page)
        found = {one.name: one for one in sheet.fields}
        is_refused = not sheet.fields
        about = [Entry(name), to_entry(page), Entry(str(sheet.status), is_doubtful=is_refused)]
        about.append(Entry(describe(sheet)))
        rows.append(about + [_show(field, found.get(field.name)) for field in batch.form.fields])
        if pictures:
            reviews += _list_doubts(name, page, sheet)
    fields = [
        [Entry(one.name), Entry(one.kind), Entry(one.expect or ""), Entry("\n".join(one.labels))]
        for one in batch.form.fields
    ]
    return [
        Sheet(TABLE, batch.columns, rows),
        Sheet(REVIEW, REVIEW_HEADER, reviews),
        Sheet(ABOUT, ABOUT_HEADER, fields),
    ]


def _show(field: Field, reading: FieldReading | None) -> Entry:
    if reading is None:
        return Entry()
    return to_entry(
        reading.value,
        is_number=field.kind == "digits" and field.digits is None,
        is_doubtful=not reading.is_sure,
        message=reading.message,
    )


def to_entry(
    text: str, *, is_number: bool = True, is_doubtful: bool = False, message: str | None = None
) -> Entry:
    """A cell for a value, a number where it is one."""
    value = None
    if is_number and text.isascii() and text.replace(".", "", 1).isdigit():
        value = Decimal(text)
    return Entry(text, value, is_doubtful, message)


def _list_doubts(name: str, page: str, sheet: FormReading) -> list[list[Entry]]:
    """A row for each doubtful field, or for a sheet that was refused."""
    if not sheet.fields:
        why = Entry(sheet.message or "")
        return [[Entry(name), to_entry(page), Entry(WHOLE_SHEET), Entry(), why, Entry()]]
    pixels: list[tuple[Mask, float]] = []
    rows = []
    for one in sheet.doubtful:
        if one.picture is not None:
            with Image.open(io.BytesIO(one.picture), formats=("PNG",)) as image:
                picture: Mask | None = np.asarray(image.convert("RGB"), np.uint8)
        else:  # of a sheet that an earlier command read
            picture = _cut_again(name, sheet, one, pixels)
        shown = Entry(one.value, None, is_doubtful=True, picture=picture)
        texts = Entry(one.name), shown, Entry(one.message or "not sure"), Entry(is_input=True)
        rows.append([Entry(name), to_entry(page), *texts])
    return rows


def _cut_again(
    name: str, sheet: FormReading, reading: FieldReading, pixels: list[tuple[Mask, float]]
) -> Mask | None:
    """The picture of a field from the sheet's file, if that is still there."""
    if len(reading.corners) != 4:
        return None
    if not pixels:
        with contextlib.suppress(TenfoldError, OSError, IndexError):
            decoded = decode_source(split_pages(Path(name))[(sheet.page or 1) - 1])
            pixels.append((decoded.pixels_HWC, decoded.reduction))
        if not pixels:
            return None
    pixels_HWC, reduction = pixels[0]
    corners_42 = np.array(reading.corners) / reduction
    middle = corners_42.mean(axis=0)
    _, sides, _ = cv2.minAreaRect(corners_42.astype(np.float32))
    sizes = np.ptp(corners_42, axis=0)
    more = 1 + 2 * SHOWN * min(sides) / np.maximum(sizes, 1)
    return cut_out(pixels_HWC, middle + (corners_42 - middle) * more)
