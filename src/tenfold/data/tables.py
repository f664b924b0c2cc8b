"""Images as CSV files, a row of 784 pixels for each image, with or without its label."""

import csv
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from tenfold.data.pixels import NUM_PIXELS, Arrays, convert_images
from tenfold.digits import NUM_CLASSES, WHITE
from tenfold.errors import DataError

LABEL_NAMES = ("label", "class")  # of the column with the labels, in lower case
MAX_BYTES = 2**30  # 14 times the training images of Kaggle's Digit Recognizer
MAX_LINE = 100_000  # characters; 785 values have 3,200


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """The columns of a file: their names, empty without a header, and that of the labels."""

    names: list[str]
    num_columns: int
    label_column: int | None


def load_csv(path: Path) -> Arrays:
    """Images, uint8 [N, 28, 28], and labels, uint8 [N] or None, from a CSV file.

    A row has 784 pixels, whole numbers from 0 to 255, row by row. A label, 0 to 9, comes before
    them, or in the column that a header calls label or class.

    Raises DataError that names line and column of what cannot be used.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: has more than the limit of {MAX_BYTES} bytes")
        with _open(path) as file:
            layout = _find_layout(path, file)
        try:
            values = _load_values(path, layout, np.uint8)
        except ValueError:  # also a file that is not text
            values = _load_values(path, layout, np.float32)  # such as 12.0
    except ValueError as error:
        raise _find_mistake(path, layout) or DataError(f"{path}: {error}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    if len(values) == 0:
        raise DataError(f"{path}: there are no images: the file has no rows")
    return _split(path, layout, values)


def _open(path: Path) -> TextIO:
    # Spreadsheets write a byte order mark; a byte that is not UTF-8 is reported as a bad value.
    return path.open(encoding="utf-8-sig", errors="replace")


def _find_layout(path: Path, file: TextIO) -> _Layout:
    fields = next(csv.reader([file.readline(MAX_LINE)]), [])
    if not fields:
        raise DataError(f"{path}: line 1 is empty; it must be a header or an image")
    lowered = [field.strip().lower() for field in fields]
    labels = [number for number, name in enumerate(lowered) if name in LABEL_NAMES]
    has_header = bool(labels) or not any(map(_is_number, fields))
    num_columns = len(fields)
    if num_columns not in (NUM_PIXELS, NUM_PIXELS + 1):
        raise DataError(
            f"{path}: line 1 has {num_columns:,} columns, but must have {NUM_PIXELS} pixels, or "
            f"{NUM_PIXELS + 1} columns with the label, separated by commas"
        )
    if num_columns == NUM_PIXELS:
        if labels:
            raise DataError(
                f"{path}: line 1 has a label and {NUM_PIXELS - 1} other columns, but an image has "
                f"{NUM_PIXELS} pixels"
            )
        label_column = None
    elif has_header and len(labels) != 1:
        raise DataError(
            f"{path}: line 1 has {NUM_PIXELS + 1} columns, so one must be called label, not "
            f"{len(labels) or 'none'}"
        )
    else:
        label_column = labels[0] if labels else 0
    return _Layout(
        names=fields if has_header else [], num_columns=num_columns, label_column=label_column
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _load_values(
    path: Path, layout: _Layout, kind: type[np.uint8] | type[np.float32]
) -> npt.NDArray[Any]:
    with _open(path) as file, warnings.catch_warnings(action="ignore"):  # about files without rows
        return np.loadtxt(
            file,
            dtype=kind,
            delimiter=",",
            quotechar='"',
            comments=None,
            skiprows=int(bool(layout.names)),
            ndmin=2,
        )


def _split(path: Path, layout: _Layout, values: npt.NDArray[Any]) -> Arrays:
    column = layout.label_column
    if values.dtype != np.uint8 or (column is not None and values[:, column].max() >= NUM_CLASSES):
        mistake = _find_mistake(path, layout)
        if mistake:
            raise mistake
        values = values.astype(np.uint8)
    pixels = values if column is None else np.delete(values, column, axis=1)
    images_NHW = convert_images(pixels, str(path))
    return images_NHW, None if column is None else values[:, column].astype(np.uint8)


def _find_mistake(path: Path, layout: _Layout) -> DataError | None:
    """The first value that cannot be used; slow, so only sought where there must be one."""
    with _open(path) as file:
        reader = csv.reader(file)
        if layout.names:
            next(reader)
        try:
            for fields in filter(None, reader):
                where = f"{path}: line {reader.line_num}"
                if len(fields) != layout.num_columns:
                    return DataError(
                        f"{where} has {len(fields):,} columns, but line 1 has {layout.num_columns}"
                    )
                for column, field in enumerate(fields):
                    is_label = column == layout.label_column
                    largest = NUM_CLASSES - 1 if is_label else WHITE
                    if not _is_whole(field, largest):
                        name = f" ({layout.names[column]})" if layout.names else ""
                        kind = "labels" if is_label else "pixels"
                        return DataError(
                            f"{where}, column {column + 1}{name} is {_shorten(field)}, but {kind} "
                            f"are whole numbers from 0 to {largest}"
                        )
        except csv.Error as error:
            return DataError(f"{path}: line {reader.line_num} cannot be read: {error}")
    return None


def _is_whole(field: str, largest: int) -> bool:
    return _is_number(field) and 0 <= (number := float(field)) <= largest and number.is_integer()


def _shorten(field: str) -> str:
    return repr(field[:20]) if field.strip() else "empty"
