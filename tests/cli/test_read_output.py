"""Files that `tenfold read` writes: outputs, which are continued, and pictures."""

import csv
import fcntl
import io
import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tenfold
from cli.conftest import Fail, Read
from cli.test_read_command import NO_FILE, SCANS_TEXT, read_lines
from tenfold.cli import main
from tenfold.reading import bulk
from tenfold.reading.bulk import PICTURES_MARK
from tenfold.reading.result import Reading

ANEW = "delete it, or name another file"
FORMATS = ("--json", "--csv")
STAGES = [
    *("1-decoded", "2-bright-ink", "3-without-paper"),
    *("4-cut", "5-boxed", "6-centred", "7-network"),
]


def list_pictures(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir() if path.name != PICTURES_MARK)


@pytest.mark.parametrize("format", FORMATS)
def test_an_output_is_continued_wherever_it_was_cut_off(read: Read, format: str) -> None:
    expected = read("scans", "lines.png", format).out
    out = Path("out")
    for length in (None, *range(0, len(expected), len(expected) // 9)):
        num_done = 0
        if length is not None:
            out.write_text(expected[:length])
            num_done = max(0, expected[:length].count("\n") - (format == "--csv"))
        printed = read("scans", "lines.png", format, "--out", "out")
        assert out.read_text() == expected
        files = "1 file" if num_done == 1 else f"{num_done} files"
        note = f"skipping {files} that out already contains\n" if num_done else ""
        assert (printed.out, printed.err) == ("", note)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.usefixtures("pages")
def test_an_image_whose_pages_are_not_all_in_the_output_is_read_again(
    read: Read, format: str
) -> None:
    command = ["scans/a.png", "scan.tif", format, "--out", "out"]
    read(*command)
    expected = Path("out").read_text()
    lines = expected.splitlines(keepends=True)
    num_before = 2 if format == "--csv" else 1
    for num in range(num_before, len(lines) + 1):
        Path("out").write_text("".join(lines[:num]))
        is_whole = num == len(lines)
        note = "out already contains all" if is_whole else "skipping 1 file that"
        assert read(*command).err.startswith(note)
        assert Path("out").read_text() == expected


def test_an_output_with_other_columns_is_refused(read: Read, fail: Fail) -> None:
    read("scans/a.png", "--csv", "--out", "out")
    before = Path("out").read_text().replace(",page,num_pages", "").replace(",,\n", "\n")
    Path("out").write_text(before)
    assert fail("read scans --csv --out out") == f"out: was written with other columns; {ANEW}"
    assert Path("out").read_text() == before


@pytest.mark.usefixtures("pages")
def test_pages_are_read_in_processes_and_have_pictures(
    read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "MIN_FILES_FOR_PROCESSES", 2)
    command = ["scan.tif", "lines.png", "scan.tif", "--json", "--annotate", "boxes", "--single"]
    printed = read(*command, "--stages", "way")
    assert printed.err == ""
    lines = read_lines(printed.out)
    assert [line["file"] for line in lines] == 3 * ["scan.tif"] + ["lines.png"] + 3 * ["scan.tif"]
    names = [f"scan-page-{page}" for page in (1, 2, 3)]
    assert list_pictures("way") == sorted(["lines", *names, *[f"{name}-2" for name in names]])
    with Image.open("way/scan-page-2/1-decoded.png") as shown, Image.open("scan.tif") as scan:
        scan.seek(1)
        np.testing.assert_array_equal(np.asarray(shown)[:, :, 0], np.asarray(scan))
    assert len(list_pictures("boxes")) == 7


def test_a_long_incomplete_last_line_is_removed(read: Read) -> None:
    read("scans/a.png", "--json", "--out", "out")
    first = Path("out").read_text()
    Path("out").write_text(first + '{"file": "' + 20_000 * "x")
    read("scans", "--json", "--out", "out")
    assert Path("out").read_text().startswith(first)
    assert len(read_lines(Path("out").read_text())) == 3


@pytest.mark.parametrize("format", FORMATS)
def test_files_are_skipped_by_name_and_earlier_errors_count(read: Read, format: str) -> None:
    read(format, "--out", "out", "scans/z.png", "scans/more")
    before = Path("out").read_text()
    for path in (Path("scans/z.png"), Path("scans/more/a.png")):
        path.write_bytes(b"it is not read again")
    read(format, "--out", "out", "notes.txt", "scans", code=1)
    text = Path("out").read_text()
    assert text.startswith(before)
    lines = read_lines(text) if format == "--json" else csv.DictReader(io.StringIO(text))
    assert [(line["file"], line["text"]) for line in lines] == [
        ("scans/z.png", ""),
        ("scans/more/a.png", "2"),
        ("notes.txt", ""),
        ("scans/a.png", "7"),
    ]
    # An output with all files stays as it is, and so do its errors.
    printed = read(format, "--out", "out", "notes.txt", "scans", "--annotate", "boxes", code=1)
    assert Path("out").read_text() == text
    assert "out already contains all of these files; delete it" in printed.err
    assert not Path("boxes").exists()


@pytest.mark.parametrize("arguments", [["-"], ["--", "-"]])
def test_a_dash_is_standard_input_which_is_read_again_and_has_pictures(
    read: Read, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    def give_input(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    flags = ["--single", "--json", "--out", "out", "--annotate", "boxes", "--stages", "way"]
    for name in ("scans/a.png", "scans/more/a.png"):
        give_input(Path(name).read_bytes())
        read(*flags, *arguments)
    lines = read_lines(Path("out").read_text())
    assert [(line["file"], line["text"]) for line in lines] == [("-", "7"), ("-", "2")]
    assert list_pictures("boxes") == ["standard-input-2.png", "standard-input.png"]
    assert list_pictures("way") == ["standard-input", "standard-input-2"]
    give_input(b"")
    assert read(*arguments, code=1).out == "-: (error: the file is empty)\n"


@pytest.mark.parametrize(
    ("flags", "difference"),
    [
        ("--json --single", "--single"),
        ("--csv", "--csv or --json"),
        ("--json --model other.onnx", "--model"),
        ("--json --lines other.onnx", "--lines"),
        ("--json --no-signs --decimal ,", "--signs, --decimal"),
        ("--json --digits 2 --top 1", "--top, --expect"),
        ("--csv --single", "--csv or --json, --single"),
    ],
)
def test_an_output_with_other_settings_is_refused(
    read: Read, fail: Fail, flags: str, difference: str
) -> None:
    Path("other.onnx").write_bytes(b"another model")
    read("scans/a.png", "--json", "--out", "out")
    files = [Path("out"), Path("out.settings.json")]
    before = [path.read_bytes() for path in files]
    message = fail(f"read scans {flags} --out out")
    assert message == f"out: was written with other settings: {difference}; {ANEW}"
    assert [path.read_bytes() for path in files] == before
    Path("out").unlink()  # then its settings do not count
    if "other.onnx" not in flags:
        read("scans", *flags.split(), "--out", "out")


def test_an_output_that_another_command_writes_is_refused(read: Read, fail: Fail) -> None:
    read("scans/a.png", "--json", "--out", "out")
    with Path("out").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        message = fail("read scans --json --out out")
    assert message == "out: another command is writing there; wait until it ends"


def test_the_page_network_is_among_the_settings(read: Read, fail: Fail) -> None:
    read("scans/a.png", "--json", "--out", "out")
    beside = Path("out.settings.json")
    settings = json.loads(beside.read_text())
    beside.write_text(json.dumps(settings | {"page": 64 * "0"}))
    assert fail("read scans --json --out out") == (
        f"out: was written with other settings: the page network, from another version; {ANEW}"
    )
    del settings["page"]  # as earlier versions wrote it
    beside.write_text(json.dumps(settings))
    read("scans", "--json", "--out", "out")
    assert len(read_lines(Path("out").read_text())) == 3


@pytest.mark.parametrize("settings", [None, "", "[]", "5", "{"])
def test_an_output_without_its_settings_is_refused(
    folder: Path, fail: Fail, settings: str | None
) -> None:
    """It may be another file of the user."""
    if settings is not None:
        Path("notes.txt.settings.json").write_text(settings)
    message = fail("read scans --json --out notes.txt")
    assert message.startswith("notes.txt: ")
    assert message.endswith(f"; {ANEW}")
    assert Path("notes.txt").read_text() == "no image at all\n"


@pytest.mark.parametrize("format", FORMATS)
def test_an_output_with_a_damaged_line_is_refused(read: Read, fail: Fail, format: str) -> None:
    read("scans", format, "--out", "out")
    lines = Path("out").read_text().splitlines(keepends=True)
    damaged = lines[0] + "\0\0\0\n" + lines[1]
    Path("out").write_text(damaged)
    assert fail(f"read scans {format} --out out") == f"out: line 2 is damaged; {ANEW}"
    assert Path("out").read_text() == damaged


def test_annotated_images_with_the_same_name_are_numbered(read: Read) -> None:
    read("scans", "notes.txt", "--annotate", "boxes", code=1)
    expected = ["a-2.png", "a.png", "z.png"]  # notes.txt has no picture
    assert list_pictures("boxes") == expected
    pictures = {name: Path("boxes", name).read_bytes() for name in expected}
    assert pictures["a.png"] != pictures["a-2.png"]
    read("scans/a.png", "--annotate", "boxes")
    assert Path("boxes/a-3.png").read_bytes() == pictures["a.png"]
    for name, data in pictures.items():
        assert Path("boxes", name).read_bytes() == data
    with Image.open("boxes/a.png") as picture:
        assert picture.width == 8 * 28


def test_outputs_inside_the_folder_are_not_read(read: Read) -> None:
    outputs = ["--out", "scans/out", "--annotate", "scans/boxes", "--stages", "scans/more/way"]
    for _ in range(2):
        assert read("scans", "--single", "--json", *outputs).err == ""
        assert len(read_lines(Path("scans/out").read_text())) == 3
        Path("scans/out").unlink()
    assert len(list_pictures("scans/boxes")) == 6
    stages = {path.name: path for path in Path("scans/more/way").iterdir() if path.is_dir()}
    assert sorted(stages) == ["a", "a-2", "a-3", "a-4", "z", "z-2"]
    for name, expected in (("a", STAGES), ("a-2", STAGES), ("z", STAGES[:3])):
        assert sorted(picture.stem for picture in stages[name].iterdir()) == expected
    for name, source in (("a", "scans/a.png"), ("a-2", "scans/more/a.png")):
        with Image.open(stages[name] / "1-decoded.png") as shown, Image.open(source) as image:
            np.testing.assert_array_equal(np.asarray(shown)[:, :, 0], np.asarray(image))


def test_pictures_of_an_earlier_call_are_not_read(read: Read) -> None:
    read("scans", "--single", "--annotate", "scans/boxes", "--stages", "scans/more/way")
    assert len(read("scans").out.splitlines()) == 3
    assert read("scans/boxes").out.count("scans/boxes/") == 3  # they are if they are named
    # A folder that had images is still read.
    read("lines.png", "--annotate", "scans/more")
    assert "scans/more/a.png: 2\n" in read("scans").out


@pytest.mark.parametrize("failing", ["boxes", "way"])
def test_a_folder_for_pictures_that_cannot_be_written_is_named(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    failing: str,
) -> None:
    save = Image.Image.save

    def fail(image: Image.Image, path: Path, *rest: Any, **more: Any) -> None:
        if failing in path.parts:
            raise OSError  # without a reason, as Pillow's encoders do
        save(image, path, *rest, **more)

    monkeypatch.setattr(Image.Image, "save", fail)
    command = "read scans/a.png --single --annotate boxes --stages way"
    assert main(command.split()) == 2
    assert capsys.readouterr().err == f"tenfold: cannot write {failing}: unknown error\n"


def test_a_pipe_is_read_once_and_has_a_picture(read: Read) -> None:
    os.mkfifo("pipe")
    data = Path("scans/a.png").read_bytes()
    for _ in range(2):
        writer = threading.Thread(target=Path("pipe").write_bytes, args=(data,))
        writer.start()
        printed = read("pipe", "scans/more", "--annotate", "boxes")
        writer.join()
        assert printed.out == "pipe: 7\nscans/more/a.png: 2\n"
        assert printed.err == ""
    assert list_pictures("boxes") == ["a-2.png", "a.png", "pipe-2.png", "pipe.png"]


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_file_that_changes_after_reading_has_no_picture(
    read: Read, monkeypatch: pytest.MonkeyPatch, is_gone: bool
) -> None:
    def read_files(files: Iterator[Path], **_: object) -> Iterator[tuple[Path, Reading]]:
        reader = tenfold.Reader()
        for path, reading in [(path, reader.read(path)) for path in files]:
            if path == Path("scans/a.png"):
                path.unlink()
                if not is_gone:
                    shutil.copy("lines.png", path)
            yield path, reading

    monkeypatch.setattr(bulk, "read_files", read_files)
    printed = read("scans", "--annotate", "boxes", code=1)
    assert printed.out == SCANS_TEXT
    why = NO_FILE if is_gone else "the file changed after it was read"
    assert printed.err == f"scans/a.png: no picture: {why}\n"
    assert list_pictures("boxes") == ["a.png", "z.png"]
