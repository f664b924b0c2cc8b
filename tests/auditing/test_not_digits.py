from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tenfold.auditing import not_digits
from tenfold.auditing.not_digits import load_not_digits
from tenfold.data.idx import dump_idx
from tenfold.data.mnist import hash_idx
from tenfold.errors import DataError


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Draw few letters, and find no clothes."""
    monkeypatch.setattr(not_digits, "NUM_LETTERS", 10)
    monkeypatch.setattr(not_digits, "NUM_CHARACTERS", 10)
    monkeypatch.setattr(not_digits, "FASHION", tmp_path / "missing")


@pytest.mark.usefixtures("few")
def test_there_are_letters_and_other_alphabets_and_they_depend_on_the_seed() -> None:
    found = load_not_digits([])
    assert [(name, images.shape) for name, images in found.items()] == [
        ("letters", (10, 28, 28)),
        ("other alphabets", (10, 28, 28)),
    ]
    again, other = load_not_digits([]), load_not_digits([], seed=1)
    for name, images in found.items():
        assert images.any(axis=(1, 2)).all()
        assert (images == again[name]).all()
        assert (images != other[name]).any()


@pytest.mark.usefixtures("few")
def test_the_images_that_a_model_is_audited_on_are_not_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, others = np.zeros((3, 28, 28), np.uint8), np.ones((2, 28, 28), np.uint8)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(dump_idx(images))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(dump_idx(others))
    monkeypatch.setattr(not_digits, "FASHION", tmp_path)
    assert "Fashion-MNIST" in load_not_digits([], own=("test", hash_idx(others)))
    assert "Fashion-MNIST" not in load_not_digits([], own=("test", hash_idx(images)))
    assert "Fashion-MNIST" not in load_not_digits([], own=("train", hash_idx(others)))
    with pytest.raises(DataError, match="has the images that the model is audited on"):
        load_not_digits([tmp_path], own=("test", hash_idx(images)), with_default=False)
    assert list(load_not_digits([tmp_path], with_default=False)) == [tmp_path.name]


@pytest.mark.usefixtures("few")
def test_images_of_a_folder_are_normalised_whether_dark_or_bright(tmp_path: Path) -> None:
    folder = tmp_path / "letters of mine"
    (folder / "inner").mkdir(parents=True)
    paper = np.full((90, 70), 240, np.uint8)
    paper[20:70, 30:38] = 10
    Image.fromarray(paper).save(folder / "a.png")
    Image.fromarray(255 - paper).save(folder / "inner" / "b.png")
    Image.fromarray(np.full((9, 9), 240, np.uint8)).save(folder / "empty.png")
    dark, empty, bright = load_not_digits([folder])["letters of mine"]
    assert (dark == bright).all()
    rows = np.flatnonzero(dark.any(axis=1))
    assert len(rows) == 20  # the box of MNIST's digits
    assert dark[0, 0] == 0
    assert not empty.any()


@pytest.mark.usefixtures("few")
def test_a_folder_of_idx_files_is_taken_as_it_is(tmp_path: Path) -> None:
    images = np.arange(2 * 784, dtype=np.uint16).astype(np.uint8).reshape(2, 28, 28)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(dump_idx(images))
    assert (load_not_digits([tmp_path])[tmp_path.name] == images).all()


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no such folder"),
        ({}, "has no images"),
        ({"notes.txt": b"no image"}, "notes.txt: not an image"),
        ({"cut.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"}, "cut.png: "),
    ],
)
def test_a_folder_that_cannot_be_used_is_named(
    content: dict[str, bytes] | None, reason: str, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    if content is not None:
        folder.mkdir()
        for name, data in content.items():
            (folder / name).write_bytes(data)
    with pytest.raises(DataError, match="folder") as raised:
        load_not_digits([folder])
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)
