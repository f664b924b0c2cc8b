from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data.formats import PIXEL_NAMES, list_rows, write_csv
from run_errors import catch_error
from tenfold.data import tables
from tenfold.data.mnist import MNIST_CHECKSUMS, LabelledImages, load_part
from tenfold.data.tables import load_csv
from tenfold.errors import DataError

Rows = list[list[object]]


@pytest.fixture
def few(test_images: LabelledImages) -> LabelledImages:
    return test_images.select(np.arange(4))


def test_mnist_as_csv_is_mnist(test_images: LabelledImages, tmp_path: Path) -> None:
    write_csv(tmp_path / "mnist_test.csv", list_rows(test_images))
    assert load_part(tmp_path, "test").checksums == MNIST_CHECKSUMS["test"]


@pytest.mark.parametrize(
    "write",
    [
        lambda rows: (rows, None),
        lambda rows: (rows, ["label", *PIXEL_NAMES]),
        lambda rows: ([[*row[1:], row[0]] for row in rows], [*PIXEL_NAMES, '"Class"']),
        lambda rows: ([[f"{value}.0" for value in row] for row in rows], None),
        lambda rows: ([[f'"{value}"' for value in row] for row in rows], ["label", *PIXEL_NAMES]),
        lambda rows: ([*rows[:2], [], *rows[2:]], ["\ufefflabel", *map(str, range(784))]),
    ],
    ids=["bare", "header", "class last", "floats", "quoted", "byte order mark and empty line"],
)
def test_labelled_rows_are_read(
    write: Callable[[Rows], tuple[Rows, list[str] | None]], few: LabelledImages, tmp_path: Path
) -> None:
    images_NHW, labels_N = load_csv(write_csv(tmp_path / "a.csv", *write(list_rows(few))))  # type: ignore[arg-type]
    np.testing.assert_array_equal(images_NHW, few.images_NHW)
    assert labels_N is not None
    assert labels_N.tolist() == [7, 2, 1, 0]
    assert images_NHW.dtype == labels_N.dtype == np.uint8


@pytest.mark.parametrize("header", [None, PIXEL_NAMES])
def test_rows_without_labels_are_read(
    header: list[str] | None, few: LabelledImages, tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "a.csv", list_rows(few, labelled=False), header)
    images_NHW, labels_N = load_csv(path)
    assert labels_N is None
    np.testing.assert_array_equal(images_NHW, few.images_NHW)


@pytest.mark.parametrize(
    ("line", "column", "value", "message"),
    [
        (3, 10, 256, "line 3, column 11 (pixel9) is '256', but pixels are whole numbers from 0 to"),
        (2, 784, -1, "line 2, column 785 (pixel783) is '-1', but pixels"),
        (5, 1, "nan", "line 5, column 2 (pixel0) is 'nan', but pixels"),
        (5, 1, "", "line 5, column 2 (pixel0) is empty, but pixels"),
        (5, 1, 0.5, "line 5, column 2 (pixel0) is '0.5', but pixels"),
        (5, 1, "1e400", "line 5, column 2 (pixel0) is '1e400', but pixels"),
        (5, 1, "x" * 1000, f"line 5, column 2 (pixel0) is '{'x' * 20}', but pixels"),
        (4, 0, 10, "line 4, column 1 (label) is '10', but labels are whole numbers from 0 to 9"),
        (4, 0, 3.5, "line 4, column 1 (label) is '3.5', but labels are whole numbers from 0 to 9"),
    ],
)
def test_a_bad_value_is_named(
    line: int, column: int, value: object, message: str, few: LabelledImages, tmp_path: Path
) -> None:
    rows: Rows = [list(row) for row in list_rows(few)]
    rows[line - 2][column] = value
    path = write_csv(tmp_path / "a.csv", rows, ["label", *PIXEL_NAMES])
    assert catch_error(lambda: load_csv(path), DataError).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 is empty"),
        (",".join(PIXEL_NAMES), "there are no images: the file has no rows"),
        ("a;b\n1;2\n", "line 1 has 1 columns, but must have 784 pixels, or 785 columns with"),
        (",".join(["0"] * 786), "line 1 has 786 columns"),
        (",".join(["id", *PIXEL_NAMES]), "785 columns, so one must be called label, not none"),
        (",".join(["label", *PIXEL_NAMES[1:]]), "line 1 has a label and 783 other columns"),
        (f"{'0,' * 783}0\n{'0,' * 784}0\n", "line 2 has 785 columns, but line 1 has 784"),
        (f"{'0,' * 783}0\n0\n", "line 2 has 1 columns, but line 1 has 784"),
        (f"x,{'0,' * 782}0\n", "line 1, column 1 is 'x', but pixels"),
        (f"{'0,' * 783}16\n", "it is unclear which value is white, as the largest is 16"),
        ("PK\x03\x04\x00\n\x00", "line 1 has 1 columns"),
    ],
)
def test_a_file_of_another_form_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    found = catch_error(lambda: load_csv(path), DataError)
    assert found.startswith(f"{path}: ")
    assert message in found


def test_a_file_that_is_too_large_is_refused(
    few: LabelledImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_csv(tmp_path / "a.csv", list_rows(few))
    monkeypatch.setattr(tables, "MAX_BYTES", 1000)
    assert "more than the limit of 1000 bytes" in catch_error(lambda: load_csv(path), DataError)
