import sys
from pathlib import Path

import numpy as np
import pytest

from data.formats import write_parquet
from images import to_png
from run_errors import catch_error
from tenfold.data import parquet
from tenfold.data.mnist import LabelledImages, load_part
from tenfold.data.parquet import load_parquet
from tenfold.errors import DataError, MissingExtraError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def test_files_of_a_part_are_read_in_order(test_images: LabelledImages, tmp_path: Path) -> None:
    for number, rows in enumerate((np.arange(3), np.arange(3, 5))):
        write_parquet(tmp_path / f"test-0000{number}-of-00002.parquet", test_images.select(rows))
    loaded = load_part(tmp_path, "test")
    np.testing.assert_array_equal(loaded.images_NHW, test_images.images_NHW[:5])
    assert loaded.labels_N.tolist() == [7, 2, 1, 0, 4]


def test_images_without_labels_are_read(test_images: LabelledImages, tmp_path: Path) -> None:
    few = test_images.select(np.arange(3))
    images_NHW, labels_N = load_parquet(
        [write_parquet(tmp_path / "a.parquet", few, labelled=False)]
    )
    np.testing.assert_array_equal(images_NHW, few.images_NHW)
    assert labels_N is None


BLANK = to_png(np.zeros((28, 28), np.uint8))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"pixels": [1]}, "has no column image; its columns are pixels"),
        ({"image": [BLANK, b"no image"], "label": [1, 2]}, "row 1, counted from 0: not an image"),
        ({"image": [to_png(np.zeros((32, 32), np.uint8))]}, "the image is 32x32 pixels, but must"),
        ({"image": [None], "label": [1]}, "row 0, counted from 0: the column image has no bytes"),
        ({"image": [BLANK], "label": [11]}, "row 0, counted from 0: the label is 11, but labels"),
        ({"image": [BLANK], "label": [None]}, "the label is None"),
        ({"image": pa.array([], pa.binary())}, "there are no images"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(
    columns: dict[str, object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(columns), path)
    found = catch_error(lambda: load_parquet([path]), DataError)
    assert found.startswith(f"{path}: ")
    assert message in found


def test_a_damaged_or_too_large_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"no table")
    assert "cannot be read as a Parquet file" in catch_error(
        lambda: load_parquet([path]), DataError
    )
    pq.write_table(pa.table({"image": [BLANK]}), path)
    monkeypatch.setattr(parquet, "MAX_DATA_BYTES", 10)
    assert "more than the limit of 10" in catch_error(lambda: load_parquet([path]), DataError)


def test_without_pyarrow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = catch_error(lambda: load_parquet([tmp_path / "a.parquet"]), MissingExtraError)
    assert "pip install 'tenfold[parquet]'" in message
