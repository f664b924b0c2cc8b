"""Files are listed and read in order, by one process or several."""

import itertools
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tenfold
from tenfold.data.mnist import LabelledImages
from tenfold.errors import ModelError, ReadingError
from tenfold.reading import bulk
from tenfold.reading.bulk import MIN_FILES_FOR_PROCESSES, list_files, read_files
from tenfold.reading.result import Status


@pytest.fixture(scope="module")
def folder(test_images: LabelledImages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """340 PNG files of one digit each, but one has two digits, one is damaged, one empty."""
    folder = tmp_path_factory.mktemp("digits")
    for number, image_HW in enumerate(test_images.images_NHW[:340]):
        Image.fromarray(image_HW).save(folder / f"{number:03}.png")
    Image.fromarray(np.tile(test_images.images_NHW[0], 2)).save(folder / "020.png")
    damaged = folder / "100.png"
    damaged.write_bytes(damaged.read_bytes()[:90])
    (folder / "333.png").write_bytes(b"")
    return folder


def test_folders_are_listed_by_name_with_their_subfolders(tmp_path: Path) -> None:
    for name in ("b.png", "a/z.png", "a/b/c.jpg", "a.png", "10.png", "9.png", "empty/", "C.png"):
        path = tmp_path / name
        if name.endswith("/"):
            path.mkdir()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    expected = ["10.png", "9.png", "C.png", "a/b/c.jpg", "a/z.png", "a.png", "b.png"]
    assert list(list_files([tmp_path])) == [tmp_path / name for name in expected]


def test_hidden_files_are_left_out_unless_they_are_arguments(tmp_path: Path) -> None:
    for name in (".DS_Store", ".hidden/a.png", "sub/.b.png", "sub/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list(list_files([tmp_path])) == [tmp_path / "sub/b.png"]
    named = [tmp_path / ".DS_Store", tmp_path / ".hidden"]
    assert list(list_files(named)) == [tmp_path / ".DS_Store", tmp_path / ".hidden/a.png"]


def test_arguments_keep_their_order_and_missing_files_are_listed(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/1.png").touch()
    (tmp_path / "a.png").touch()
    paths = [tmp_path / "b", tmp_path / "none.png", tmp_path / "a.png", tmp_path / "b"]
    expected = ["b/1.png", "none.png", "a.png", "b/1.png"]
    assert list(list_files(paths)) == [tmp_path / name for name in expected]


def test_in_folders_links_to_files_are_listed_and_links_to_folders_skipped(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/1.png").touch()
    (tmp_path / "list").mkdir()
    (tmp_path / "list/folder").symlink_to(tmp_path / "real")
    (tmp_path / "list/root").symlink_to("/")
    (tmp_path / "list/file.png").symlink_to(tmp_path / "real/1.png")
    (tmp_path / "list/broken.png").symlink_to(tmp_path / "nowhere")
    skipped: list[Path] = []
    found = list(list_files([tmp_path / "list"], skip=skipped.append))
    assert found == [tmp_path / "list" / name for name in ("broken.png", "file.png")]
    assert skipped == [tmp_path / "list" / name for name in ("folder", "root")]
    named = tmp_path / "list/folder"
    assert list(list_files([named])) == [named / "1.png"]


def test_circular_links_among_folders_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [tmp_path / str(number) for number in range(9)]
    for folder in folders:
        folder.mkdir()
    for folder in folders:
        for other in (*folders, tmp_path):
            (folder / f"to-{other.name}").symlink_to(other)
    (folders[4] / "1.png").touch()
    visited = []

    def scan(folder: Path, scandir: Any = os.scandir) -> Any:
        visited.append(folder)
        assert len(visited) < 100
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", scan)
    assert list(list_files([tmp_path])) == [folders[4] / "1.png"]
    assert visited == [tmp_path, *folders]


def test_files_and_folders_of_results_are_left_out(tmp_path: Path) -> None:
    for name in ("scans/1.png", "scans/boxes/1.png", "scans/more/out", "scans/more/boxes/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "scans/link").symlink_to(tmp_path / "scans/boxes")
    (tmp_path / "other").symlink_to(tmp_path / "scans")
    outputs = [tmp_path / "other/boxes", tmp_path / "scans/more/../more/out", tmp_path / "none"]
    skipped: list[Path] = []
    found = list(list_files([tmp_path / "scans"], leave_out=outputs, skip=skipped.append))
    assert found == [tmp_path / "scans/1.png", tmp_path / "scans/more/boxes/2.png"]
    assert skipped == []


def test_other_kinds_of_files_are_skipped_in_folders(tmp_path: Path) -> None:
    names = ["a.PNG", "b", "c.TXT", "d.tar.json", "e.jsonl.png", "Thumbs.db", "txt"]
    for name in names:
        (tmp_path / name).touch()
    skipped: list[Path] = []
    found = [path.name for path in list_files([tmp_path], skip=skipped.append)]
    assert found == ["a.PNG", "b", "e.jsonl.png", "txt"]
    assert [path.name for path in skipped] == ["Thumbs.db", "c.TXT", "d.tar.json"]
    assert list(list_files([tmp_path / "c.TXT"])) == [tmp_path / "c.TXT"]


def test_pdf_files_are_listed_if_they_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / name for name in ("a.PDF", "b.pdf")]
    for path in paths:
        path.touch()
    for has_extra in (True, False):
        monkeypatch.setattr(bulk, "has_pdf_extra", lambda has_extra=has_extra: has_extra)
        skipped: list[Path] = []
        found = list(list_files([tmp_path], skip=skipped.append))
        assert (found, skipped) == ((paths, []) if has_extra else ([], paths))


def test_pipes_are_skipped_in_folders(tmp_path: Path) -> None:
    (tmp_path / "1.png").touch()
    os.mkfifo(tmp_path / "2.png")
    (tmp_path / "3.png").symlink_to(tmp_path / "2.png")
    (tmp_path / "4.png").symlink_to(tmp_path / "4.png")  # to itself
    skipped: list[Path] = []
    found = list(list_files([tmp_path], skip=skipped.append))
    assert found == [tmp_path / "1.png", tmp_path / "4.png"]
    assert skipped == [tmp_path / "2.png", tmp_path / "3.png"]
    assert list(list_files([tmp_path / "2.png"])) == [tmp_path / "2.png"]


def test_a_name_that_is_too_long_is_listed() -> None:
    path = Path(300 * "x")
    assert list(list_files([path])) == [path]


def test_files_may_be_bytes(test_images: LabelledImages, folder: Path) -> None:
    data = (folder / "000.png").read_bytes()
    [(file, reading), (path, same)] = read_files([data, folder / "000.png"])
    assert file == data
    assert path == folder / "000.png"
    assert reading == same
    assert reading.text == str(test_images.labels_N[0])


@pytest.mark.parametrize("single", [True, False])
def test_processes_give_the_same_readings_in_order(folder: Path, single: bool) -> None:
    files = list(list_files([folder]))
    assert len(files) > MIN_FILES_FOR_PROCESSES
    reader = tenfold.Reader()
    expected = [(file, reader.read(file, single=single)) for file in files]
    found = list(read_files(files, single=single, processes=2))
    assert found == expected
    assert len(found[20][1].digits) == (1 if single else 2)
    statuses = [reading.status for _, reading in found]
    assert [i for i, status in enumerate(statuses) if status == Status.ERROR] == [100, 333]
    for (_, one), (_, other) in zip(found, expected, strict=True):
        for digit, same in zip(one.digits, other.digits, strict=True):
            np.testing.assert_array_equal(digit.image, same.image)


def test_files_are_taken_only_as_they_are_needed(folder: Path) -> None:
    taken: list[Path] = []

    def take() -> Iterator[Path]:
        for path in 10 * sorted(folder.iterdir()):
            taken.append(path)
            yield path

    readings = read_files(take(), processes=2)
    names = [file for file, _ in itertools.islice(readings, 400)]
    assert names == taken[:400]
    assert len(taken) < 1200


def test_a_killed_worker_is_an_error(folder: Path) -> None:
    readings = read_files(10 * sorted(folder.iterdir()), processes=2)
    next(readings)
    for process in multiprocessing.active_children():
        process.kill()
    with pytest.raises(ReadingError, match="a worker process was killed"):
        list(readings)


def test_one_process_gives_the_same_readings(folder: Path) -> None:
    files = sorted(folder.iterdir()) * 2
    reader = tenfold.Reader()
    found = list(itertools.islice(read_files(files, processes=1), 5))
    assert found == [(file, reader.read(file)) for file in files[:5]]


def test_a_missing_model_is_refused_before_any_file_is_read(folder: Path) -> None:
    with pytest.raises(ModelError, match="cannot read the model: No such file"):
        next(read_files(sorted(folder.iterdir()), model=folder / "none.onnx"))


def test_a_wrong_pattern_is_refused_before_any_file_is_read() -> None:
    files = iter([Path("none.png")])
    with pytest.raises(ReadingError, match=r"pattern '\(', character 2: expected a \)"):
        next(read_files(files, expect="("))
    assert list(files) == [Path("none.png")]
