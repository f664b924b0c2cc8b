"""Images as Parquet files, as Hugging Face's data sets are: an image file in each row.

The columns are `image`, a struct with the `bytes` of an image file or the bytes alone, and `label`.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tenfold.data.folders import load_image
from tenfold.data.idx import MAX_DATA_BYTES
from tenfold.data.pixels import Arrays
from tenfold.digits import NUM_CLASSES
from tenfold.errors import DataError, MissingExtraError, describe_install

IMAGE, LABEL = "image", "label"
ROWS_AT_A_TIME = 1000


def load_parquet(paths: Sequence[Path]) -> Arrays:
    """Images, uint8 [N, 28, 28], and labels, uint8 [N] or None, from the files of one part.

    Raises DataError that names file and row of what cannot be used, MissingExtraError without
    pyarrow.
    """
    images: list[npt.NDArray[np.uint8]] = []
    labels: list[int] = []
    for path in paths:
        _append(path, images, labels)
    if not images:
        raise DataError(f"{paths[0]}: there are no images: the file has no rows")
    if labels and len(labels) != len(images):
        raise DataError(f"{paths[-1]}: only some of the files have a column {LABEL}")
    return np.stack(images), np.array(labels, np.uint8) if labels else None


def _append(path: Path, images: list[npt.NDArray[np.uint8]], labels: list[int]) -> None:
    pyarrow, parquet = _import_pyarrow(path)
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if IMAGE not in names:
                raise DataError(
                    f"{path}: has no column {IMAGE}; its columns are {', '.join(names) or 'none'}"
                )
            metadata = file.metadata
            num_bytes = sum(
                metadata.row_group(group).total_byte_size
                for group in range(metadata.num_row_groups)
            )
            if num_bytes > MAX_DATA_BYTES:
                raise DataError(
                    f"{path}: has {num_bytes} bytes, more than the limit of {MAX_DATA_BYTES}"
                )
            columns = [name for name in (IMAGE, LABEL) if name in names]
            row = 0
            for batch in file.iter_batches(ROWS_AT_A_TIME, columns=columns):
                for values in batch.to_pylist():
                    where = f"{path}: row {row}, counted from 0"
                    images.append(_decode(values[IMAGE], where))
                    if LABEL in values:
                        labels.append(_check_label(values[LABEL], where))
                    row += 1
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as a Parquet file: {reason}") from error


def _import_pyarrow(path: Path) -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(
            f"{path}: reading Parquet files needs the extra 'parquet': "
            f"{describe_install('parquet')}"
        ) from error
    return pyarrow, pyarrow.parquet


def _decode(image: object, where: str) -> npt.NDArray[np.uint8]:
    data = image.get("bytes") if isinstance(image, dict) else image
    if not isinstance(data, bytes):
        raise DataError(f"{where}: the column {IMAGE} has no bytes of an image file")
    return load_image(io.BytesIO(data), where)


def _check_label(label: object, where: str) -> int:
    if not isinstance(label, int) or not 0 <= label < NUM_CLASSES:
        raise DataError(f"{where}: the label is {label!r}, but labels are 0 to {NUM_CLASSES - 1}")
    return label
