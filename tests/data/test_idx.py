import gzip
import struct
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from run_errors import catch_error
from tenfold.data.idx import MAX_DATA_BYTES, dump_idx, load_idx
from tenfold.data.training_data import find_training_data
from tenfold.errors import DataError

IMAGES = (None, 28, 28)
LABELS = (None,)


def header(*sizes: int, magic: tuple[int, int, int] = (0, 0, 8)) -> bytes:
    """An IDX header written out by hand, not by the code under test."""
    return bytes([*magic, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


def refusal(content: bytes, folder: Path, shape: tuple[int | None, ...]) -> str:
    """The message that refuses a file of this content, without its path."""
    path = folder / "damaged-idx"
    path.write_bytes(content)
    message = catch_error(lambda: load_idx(path, shape), DataError)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@settings(max_examples=60)
@given(
    array=arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, max_side=6)), packed=st.booleans()
)
def test_a_dumped_array_is_loaded_unchanged(array: npt.NDArray[np.uint8], packed: bool) -> None:
    content = dump_idx(array)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "array"
        path.write_bytes(gzip.compress(content) if packed else content)
        for shape in ((None,) * array.ndim, array.shape):
            loaded = load_idx(path, shape)
            assert loaded.dtype == np.uint8
            np.testing.assert_array_equal(loaded, array, strict=True)


def test_dumping_writes_the_published_format() -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert dump_idx(array) == bytes.fromhex("00000802 00000002 00000003 000102030405")


def test_dumping_writes_row_major_order() -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert dump_idx(np.asfortranarray(array)) == dump_idx(array)
    assert dump_idx(array[:, ::-1])[-3:] == bytes([5, 4, 3])


def test_dumping_the_embedded_files_restores_their_bytes() -> None:
    for path in sorted(find_training_data("mnist").glob("t10k-*.gz")):
        shape = IMAGES if "images" in path.name else LABELS
        assert dump_idx(load_idx(path, shape)) == gzip.decompress(path.read_bytes())


def test_compression_is_detected_by_content(tmp_path: Path) -> None:
    content = header(2) + b"\3\4"
    (tmp_path / "plain.gz").write_bytes(content)
    (tmp_path / "packed").write_bytes(gzip.compress(content))
    assert load_idx(tmp_path / "plain.gz", LABELS).tolist() == [3, 4]
    assert load_idx(tmp_path / "packed", LABELS).tolist() == [3, 4]


def test_a_gzip_file_may_have_several_members(tmp_path: Path) -> None:
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(header(4) + b"\1\2") + gzip.compress(b"\3\4"))
    assert load_idx(path, LABELS).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("content", "shape", "message"),
    [
        (b"GIF89a", IMAGES, "magic number starts with 47 49"),
        (header(1, 28, 28, magic=(0, 1, 8)), IMAGES, "magic number starts with 00 01"),
        (b"\0\0\x08", LABELS, "magic number, after 3 of 4 bytes"),
        (b"", LABELS, "magic number, after 0 of 4 bytes"),
        (header(1, magic=(0, 0, 0x0D)), LABELS, "type is 0x0d (float)"),
        (header(1, magic=(0, 0, 0x09)), LABELS, "type is 0x09 (signed byte)"),
        (header(1, magic=(0, 0, 0x42)), LABELS, "type is 0x42 (unknown)"),
        (header(1), IMAGES, "number of dimensions is 1, but images need 3"),
        (header(1, 28, 28), LABELS, "number of dimensions is 3, but labels need 1"),
        (header(1, 28, 28)[:9], IMAGES, "dimensions, after 5 of 12 bytes"),
        (header(1)[:4], LABELS, "dimensions, after 0 of 4 bytes"),
        (header(1, 27, 28), IMAGES, "dimension 2 is 27"),
        (header(1, 28, 32), IMAGES, "dimension 3 is 32"),
        (header(1, 28, 0), IMAGES, "dimension 3 is 0"),
        (header(0, 28, 28), IMAGES, "dimension 1 is 0"),
        (header(0), LABELS, "dimension 1 is 0"),
        (header(3) + b"\1\2", LABELS, "3 bytes of data, but the file has 2"),
        (header(1, 28, 28), IMAGES, "784 bytes of data, but the file has 0"),
        (header(3) + b"\1\2\3\4", LABELS, "3 bytes of data, but the file has more"),
        (header(MAX_DATA_BYTES + 1), LABELS, "dimensions 2147483649 give 2147483649 bytes"),
        (
            header(2**32 - 1, 28, 28),
            IMAGES,
            "dimensions 4294967295 x 28 x 28 give 3367254359280 bytes",
        ),
    ],
)
def test_an_invalid_file_is_refused_naming_the_field(
    content: bytes, shape: tuple[int | None, ...], message: str, pack: type[bytes], tmp_path: Path
) -> None:
    assert message in refusal(pack(content), tmp_path, shape)


# Incompressible, so that a cut in the middle is within the deflated data.
NOISE = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()
PACKED = gzip.compress(header(len(NOISE)) + NOISE, mtime=0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (PACKED[:2000], "Compressed file ended before the end-of-stream marker was reached"),
        (PACKED[:-8], "Compressed file ended before the end-of-stream marker was reached"),
        (PACKED[:2], "Compressed file ended before the end-of-stream marker was reached"),
        (PACKED[:2] + b"\x07" + PACKED[3:], "Unknown compression method"),
        (PACKED + b"rubbish", "Not a gzipped file (b'ru')"),
        (PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:], "CRC check failed"),
        (PACKED[:10] + b"\xff" * 20, "Error -3 while decompressing data: invalid block type"),
    ],
    ids=["cut data", "cut checksum", "cut header", "method", "appended", "checksum", "blocks"],
)
def test_a_damaged_gzip_file_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    assert f"damaged ({reason}" in refusal(content, tmp_path, LABELS)


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_missing_file_or_a_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"^cannot read {tmp_path / name}: (No such|Is a)"):
        load_idx(tmp_path / name, LABELS)


@pytest.mark.parametrize(
    ("content", "shape", "message"),
    [
        (
            gzip.compress(header(1, 28, 28) + bytes(64 * 2**20), compresslevel=1),
            IMAGES,
            "784 bytes of data, but the file has more",
        ),
        (
            header(MAX_DATA_BYTES) + b"\1\2\3",
            LABELS,
            "2147483648 bytes of data, but the file has 3",
        ),
    ],
    ids=["gzip bomb", "large header"],
)
def test_neither_a_gzip_bomb_nor_a_large_header_takes_memory(
    content: bytes, shape: tuple[int | None, ...], message: str, tmp_path: Path
) -> None:
    tracemalloc.start()
    try:
        assert message in refusal(content, tmp_path, shape)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 4 * 2**20
