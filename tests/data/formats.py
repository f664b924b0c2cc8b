"""Slices of MNIST in the formats in which other people have it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from images import to_png
from tenfold.data.mnist import LabelledImages

PIXEL_NAMES = [f"pixel{i}" for i in range(784)]


def list_rows(images: LabelledImages, *, labelled: bool = True) -> list[list[int]]:
    """A row of numbers for each image, its label first."""
    rows = images.images_NHW.reshape(len(images), -1)
    return (np.column_stack([images.labels_N, rows]) if labelled else rows).tolist()


def write_csv(
    path: Path, rows: Sequence[Sequence[object]], header: Sequence[str] | None = None
) -> Path:
    """A CSV file with these rows."""
    lines = [",".join(map(str, row)) for row in ([header] if header else []) + list(rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_kaggle(folder: Path, training: LabelledImages, test: LabelledImages) -> Path:
    """A folder like that of Kaggle's Digit Recognizer."""
    folder.mkdir(exist_ok=True)
    write_csv(folder / "train.csv", list_rows(training), ["label", *PIXEL_NAMES])
    write_csv(folder / "test.csv", list_rows(test, labelled=False), PIXEL_NAMES)
    write_csv(folder / "sample_submission.csv", [(1, 0), (2, 0)], ["ImageId", "Label"])
    return folder


def write_parquet(path: Path, images: LabelledImages, *, labelled: bool = True) -> Path:
    """A Parquet file like those of Hugging Face's mnist."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, object] = {
        "image": [{"bytes": to_png(image_HW), "path": None} for image_HW in images.images_NHW]
    }
    if labelled:
        columns["label"] = images.labels_N.astype(np.int64)
    pq.write_table(pa.table(columns), path)
    return path
