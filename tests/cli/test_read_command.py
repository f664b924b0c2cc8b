"""`tenfold read`: its output, its errors, and how it continues an output."""

import csv
import errno
import io
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tenfold
from tenfold.cli import main
from tenfold.data.mnist import LabelledImages
from tenfold.reading import bulk
from tenfold.reading.bulk import PICTURES_MARK
from tenfold.reading.digit_classifier import BUNDLED_MODEL
from tenfold.reading.result import Reading, Status

TENFOLD = [sys.executable, "-m", "tenfold"]
NO_IMAGE = "not an image (PNG, JPEG, WebP, BMP, TIFF, GIF, PGM, PPM or HEIC)"
NO_FILE = "cannot read the file: No such file or directory"
BLANK = "nothing stands out from the paper"
SCANS_TEXT = f"scans/a.png: 7\nscans/more/a.png: 2\nscans/z.png: (blank: {BLANK})\n"
STAGES = [
    "1-decoded",
    "2-bright-ink",
    "3-without-paper",
    "4-cut",
    "5-boxed",
    "6-centred",
    "7-network",
]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(test_images: LabelledImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Here: scans/ with a 7, a 2 in a folder below, and a blank page; lines.png of two lines."""
    (tmp_path / "scans/more").mkdir(parents=True)
    images_NHW = 255 - test_images.images_NHW
    Image.fromarray(images_NHW[0]).save(tmp_path / "scans/a.png")
    Image.fromarray(images_NHW[1]).save(tmp_path / "scans/more/a.png")
    Image.new("L", (60, 60), 230).save(tmp_path / "scans/z.png")
    page_HW = np.full((150, 220), 240, np.uint8)
    for number, (top, left) in enumerate([(10, 20), (10, 120), (85, 20), (85, 120)]):
        page_HW[top : top + 56, left : left + 56] = np.minimum(
            240, images_NHW[number].repeat(2, axis=0).repeat(2, axis=1)
        )
    Image.fromarray(page_HW).save(tmp_path / "lines.png")
    (tmp_path / "notes.txt").write_text("no image at all\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read_rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def read_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def list_pictures(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir() if path.name != PICTURES_MARK)


def give_input(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_text_is_one_line_per_file_and_more_for_several_lines_of_digits(
    folder: Path, capsys: Capture
) -> None:
    assert main(["read", "scans", "lines.png"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{SCANS_TEXT}lines.png:\n  72\n  10\n"
    assert printed.err == ""
    assert main(["read", "notes.txt", "scans/a.png", "none.png"]) == 1
    assert capsys.readouterr().out == (
        f"notes.txt: (error: {NO_IMAGE})\nscans/a.png: 7\nnone.png: (error: {NO_FILE})\n"
    )


def test_an_uncertain_reading_says_why(
    folder: Path, test_images: LabelledImages, capsys: Capture
) -> None:
    reader = tenfold.Reader()
    readings = [reader.read(image_HW) for image_HW in test_images.images_NHW[:300]]
    number = [reading.status for reading in readings].index(Status.UNCERTAIN)
    path, reading = folder / "doubt.png", readings[number]
    Image.fromarray(test_images.images_NHW[number]).save(path)
    assert main(["read", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: {reading.text} (uncertain: {reading.message})\n"


def test_marks_that_were_left_out_are_mentioned(folder: Path, capsys: Capture) -> None:
    with Image.open("scans/a.png") as image:
        page_HW = np.full((140, 220), 240, np.uint8)
        digit_HW = np.asarray(image).repeat(3, axis=0).repeat(3, axis=1)
        page_HW[30:114, 20:104] = page_HW[30:114, 120:204] = np.minimum(240, digit_HW)
        page_HW[94:104, 108:118] = 40
    Image.fromarray(page_HW).save("dot.png")
    assert main(["read", "dot.png"]) == 0
    assert capsys.readouterr().out == "dot.png: 77 (marks that are not digits were ignored)\n"


def test_letters_are_not_digits(folder: Path, capsys: Capture) -> None:
    page_HW = np.full((120, 120), 255, np.uint8)
    page_HW[20:100, [*range(16, 24), *range(96, 104)]] = page_HW[56:64, 20:100] = 0  # an H
    Image.fromarray(page_HW).save("h.png")
    assert main(["read", "h.png"]) == 0
    message = "the writing does not look like digits"
    assert capsys.readouterr().out == f"h.png: (not digits: {message})\n"
    assert main(["read", "h.png", "--csv"]) == 0
    [_, row] = read_rows(capsys.readouterr().out)
    assert row == ["h.png", "not_digits", "", row[3], message]


def test_json_is_one_object_per_line(folder: Path, capsys: Capture) -> None:
    assert main(["read", "scans", "notes.txt", "lines.png", "--json"]) == 1
    printed = capsys.readouterr()
    assert printed.err == ""
    lines = read_lines(printed.out)
    assert [line["file"] for line in lines] == [
        "scans/a.png",
        "scans/more/a.png",
        "scans/z.png",
        "notes.txt",
        "lines.png",
    ]
    for line in lines:
        assert list(line) == ["file", "status", "text", "digits", "message"]
        for digit in line["digits"]:
            assert list(digit) == ["digit", "confidence", "box", "line", "is_sure"]
    assert lines[0] == {"file": "scans/a.png", **tenfold.Reader().read("scans/a.png").to_json()}
    assert lines[2] == {
        "file": "scans/z.png",
        "status": "blank",
        "text": "",
        "digits": [],
        "message": BLANK,
    }
    assert (lines[3]["status"], lines[3]["message"]) == ("error", NO_IMAGE)
    assert lines[4]["text"] == "72\n10"
    assert [digit["line"] for digit in lines[4]["digits"]] == [0, 0, 1, 1]


def test_csv_is_a_header_and_one_row_per_file(folder: Path, capsys: Capture) -> None:
    shutil.copy("scans/a.png", 'a, "b".png')
    assert main(["read", "lines.png", 'a, "b".png', "notes.txt", "--csv"]) == 1
    out = capsys.readouterr().out
    assert out.count("\n") == 4
    rows = read_rows(out)
    least = min(digit.confidence for digit in tenfold.Reader().read("lines.png").digits)
    assert rows[0] == ["file", "status", "text", "confidence", "message"]
    assert rows[1][:4] == ["lines.png", rows[1][1], "72 10", f"{least:.4f}"]
    assert rows[2][:3] == ['a, "b".png', "read", "7"]
    assert rows[3] == ["notes.txt", "error", "", "", NO_IMAGE]


def test_a_folder_without_images_is_refused_before_reading(folder: Path, capsys: Capture) -> None:
    (folder / "empty").mkdir()
    (folder / "empty/.hidden.png").touch()
    assert main(["read", "scans", "empty"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "tenfold: empty: the folder has no images\n"
    shutil.move("notes.txt", "empty/notes.txt")
    assert main(["read", "empty"]) == 2
    message = "tenfold: empty: the folder has no images, only 1 other file\n"
    assert capsys.readouterr().err == message


def test_skipped_files_in_folders_are_counted(folder: Path, capsys: Capture) -> None:
    shutil.move("notes.txt", "scans/notes.txt")
    assert main(["read", "scans"]) == 0
    printed = capsys.readouterr()
    assert printed.out == SCANS_TEXT
    assert printed.err == "skipped files that are not images: 1\n"
    os.mkfifo("scans/pipe.png")
    assert main(["read", "scans", "scans/notes.txt"]) == 1
    printed = capsys.readouterr()
    assert printed.out.endswith(f"scans/notes.txt: (error: {NO_IMAGE})\n")
    assert printed.err == "skipped files that are not images: 2\n"


def test_skipped_links_to_folders_are_counted(folder: Path, capsys: Capture) -> None:
    Path("scans/up").symlink_to(folder)
    Path("scans/root").symlink_to("/")
    Path("scans/b.png").symlink_to("a.png")
    assert main(["read", "scans"]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("scans/a.png: 7\nscans/b.png: 7\nscans/more/a.png: 2\n")
    assert printed.err == "skipped links to folders: 2\n"
    Path("links").mkdir()
    Path("links/more").symlink_to(folder / "scans/more")
    assert main(["read", "links"]) == 2
    message = "tenfold: links: the folder has no images, only 1 other file; a link to a folder is"
    assert capsys.readouterr().err.startswith(message)
    assert main(["read", "links/more"]) == 0
    assert capsys.readouterr().out == "links/more/a.png: 2\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "no images or folders were given"),
        ("scans --json --csv", "--json cannot be combined with --csv"),
        ("scans --out o.txt", "--out needs --json or --csv"),
        ("scans --stages way", "--stages needs --single"),
        ("scans --model m.onnx", "m.onnx: cannot read the model: No such file or directory"),
        ("scans --model scans/a.png", "scans/a.png: not a valid ONNX model"),
        ("scans --json --out scans", "cannot write scans: is a directory"),
        ("scans --csv --out no/o.csv", "cannot write no/o.csv: no such file or directory"),
        ("scans --csv --out o.csv --model m.onnx", "m.onnx: cannot read the model: No such"),
        ("scans --json --out -", "--out needs a path, and - is standard input"),
        (
            "scans --annotate scans/../scans",
            "scans: pictures cannot be written to the folder that is read",
        ),
        ("scans --annotate boxes --annotate -", "Parameter --annotate specified multiple times."),
        ("scans --jsn", "Unknown option: --jsn."),
        ("scans --no-json", "Unknown option: --no-json."),
    ],
)
def test_errors_are_one_line_and_exit_with_2(
    folder: Path, capsys: Capture, command: str, message: str
) -> None:
    before = sorted(folder.rglob("*"))
    assert main(["read", *command.split()]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(f"tenfold: {message}")
    assert printed.err.count("\n") == 1
    assert "\0" not in printed.err
    assert printed.out == ""
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("flag", ["--annotate", "--stages"])
def test_a_folder_for_pictures_must_not_be_a_file(folder: Path, capsys: Capture, flag: str) -> None:
    assert main(["read", "scans/a.png", "--single", flag, "notes.txt"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "tenfold: cannot write notes.txt: file exists\n"
    assert Path("notes.txt").read_text() == "no image at all\n"


@pytest.mark.parametrize("failing", ["boxes", "way"])
def test_a_folder_for_pictures_that_cannot_be_written_is_named(
    folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    save = Image.Image.save

    def fail(image: Image.Image, path: Path, *rest: Any, **more: Any) -> None:
        if failing in path.parts:
            raise OSError  # without a reason, as Pillow's encoders do
        save(image, path, *rest, **more)

    monkeypatch.setattr(Image.Image, "save", fail)
    command = ["read", "scans/a.png", "--single", "--annotate", "boxes", "--stages", "way"]
    assert main(command) == 2
    assert capsys.readouterr().err == f"tenfold: cannot write {failing}: unknown error\n"


def test_a_pipe_is_read_once_and_has_a_picture(folder: Path, capsys: Capture) -> None:
    os.mkfifo("pipe")
    data = Path("scans/a.png").read_bytes()
    for _ in range(2):
        writer = threading.Thread(target=Path("pipe").write_bytes, args=(data,))
        writer.start()
        assert main(["read", "pipe", "scans/more", "--annotate", "boxes"]) == 0
        writer.join()
        printed = capsys.readouterr()
        assert printed.out == "pipe: 7\nscans/more/a.png: 2\n"
        assert printed.err == ""
    assert list_pictures("boxes") == ["a-2.png", "a.png", "pipe-2.png", "pipe.png"]


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_file_that_changes_after_reading_has_no_picture(
    folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, is_gone: bool
) -> None:
    def read(files: Iterator[Path], **_: object) -> Iterator[tuple[Path, Reading]]:
        reader = tenfold.Reader()
        for path, reading in [(path, reader.read(path)) for path in files]:
            if path == Path("scans/a.png"):
                path.unlink()
                if not is_gone:
                    shutil.copy("lines.png", path)
            yield path, reading

    monkeypatch.setattr(bulk, "read_files", read)
    assert main(["read", "scans", "--annotate", "boxes"]) == 1
    printed = capsys.readouterr()
    assert printed.out == SCANS_TEXT
    why = NO_FILE if is_gone else "the file changed after it was read"
    assert printed.err == f"scans/a.png: no picture: {why}\n"
    assert list_pictures("boxes") == ["a.png", "z.png"]


@pytest.mark.parametrize("format", ["--json", "--csv"])
def test_an_output_is_continued_wherever_it_was_cut_off(
    folder: Path, capsys: Capture, format: str
) -> None:
    command = ["read", "scans", "lines.png", format]
    assert main(command) == 0
    expected = capsys.readouterr().out
    assert main([*command, "--out", "out"]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")
    out = Path("out")
    assert out.read_text() == expected
    is_csv = format == "--csv"
    for length in range(0, len(expected), 17):
        out.write_text(expected[:length])
        num_done = max(0, expected[:length].count("\n") - is_csv)
        assert main([*command, "--out", "out"]) == 0
        assert out.read_text() == expected
        note = f"skipping {num_done} files that out already contains\n" if num_done else ""
        assert capsys.readouterr().err == note


def test_a_long_incomplete_last_line_is_removed(folder: Path) -> None:
    assert main(["read", "scans/a.png", "--json", "--out", "out"]) == 0
    first = Path("out").read_text()
    Path("out").write_text(first + '{"file": "' + 20_000 * "x")
    assert main(["read", "scans", "--json", "--out", "out"]) == 0
    assert Path("out").read_text().startswith(first)
    assert len(read_lines(Path("out").read_text())) == 3


@pytest.mark.parametrize("format", ["--json", "--csv"])
def test_files_are_skipped_by_name_and_earlier_errors_count(
    folder: Path, capsys: Capture, format: str
) -> None:
    command = ["read", format, "--out", "out"]
    assert main([*command, "scans/z.png", "scans/more"]) == 0
    before = Path("out").read_text()
    for path in (Path("scans/z.png"), Path("scans/more/a.png")):
        path.write_bytes(b"it is not read again")
    assert main([*command, "notes.txt", "scans"]) == 1
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
    assert main([*command, "notes.txt", "scans", "--annotate", "boxes"]) == 1
    assert Path("out").read_text() == text
    assert "out already contains all of these files; delete it" in capsys.readouterr().err
    assert not Path("boxes").exists()


@pytest.mark.parametrize("arguments", [["-"], ["--", "-"]])
def test_a_dash_is_standard_input_which_is_read_again_and_has_pictures(
    folder: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    flags = ["--single", "--json", "--out", "out", "--annotate", "boxes", "--stages", "way"]
    for name in ("scans/a.png", "scans/more/a.png"):
        give_input(monkeypatch, Path(name).read_bytes())
        assert main(["read", *flags, *arguments]) == 0
    lines = read_lines(Path("out").read_text())
    assert [(line["file"], line["text"]) for line in lines] == [("-", "7"), ("-", "2")]
    assert list_pictures("boxes") == ["standard-input-2.png", "standard-input.png"]
    assert list_pictures("way") == ["standard-input", "standard-input-2"]
    give_input(monkeypatch, b"")
    assert main(["read", *arguments]) == 1
    assert capsys.readouterr().out == "-: (error: the file is empty)\n"


@pytest.mark.parametrize(
    ("flags", "difference"),
    [
        (["--json", "--single"], "--single"),
        (["--csv"], "--csv or --json"),
        (["--json", "--model", "other.onnx"], "--model"),
        (["--json", "--lines", "other.onnx"], "--lines"),
        (["--csv", "--single"], "--csv or --json, --single"),
    ],
)
def test_an_output_with_other_settings_is_refused(
    folder: Path, capsys: Capture, flags: list[str], difference: str
) -> None:
    Path("other.onnx").write_bytes(b"another model")
    assert main(["read", "scans/a.png", "--json", "--out", "out"]) == 0
    files = [Path("out"), Path("out.settings.json")]
    before = [path.read_bytes() for path in files]
    capsys.readouterr()
    assert main(["read", "scans", *flags, "--out", "out"]) == 2
    assert capsys.readouterr().err == (
        f"tenfold: out: was written with another {difference}; "
        "delete it, or name another file with --out\n"
    )
    assert [path.read_bytes() for path in files] == before
    Path("out").unlink()  # then its settings do not count
    if "other.onnx" not in flags:
        assert main(["read", "scans", *flags, "--out", "out"]) == 0


@pytest.mark.parametrize("settings", [None, "", "[]", "5", "{"])
def test_an_output_without_its_settings_is_refused(
    folder: Path, capsys: Capture, settings: str | None
) -> None:
    """It may be another file of the user."""
    if settings is not None:
        Path("notes.txt.settings.json").write_text(settings)
    assert main(["read", "scans", "--json", "--out", "notes.txt"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("tenfold: notes.txt: ")
    assert message.endswith("; delete it, or name another file with --out\n")
    assert Path("notes.txt").read_text() == "no image at all\n"


@pytest.mark.parametrize("format", ["--json", "--csv"])
def test_an_output_with_a_damaged_line_is_refused(
    folder: Path, capsys: Capture, format: str
) -> None:
    assert main(["read", "scans", format, "--out", "out"]) == 0
    lines = Path("out").read_text().splitlines(keepends=True)
    damaged = lines[0] + "\0\0\0\n" + lines[1]
    Path("out").write_text(damaged)
    assert main(["read", "scans", format, "--out", "out"]) == 2
    assert capsys.readouterr().err == (
        "tenfold: out: line 2 is damaged; delete it, or name another file with --out\n"
    )
    assert Path("out").read_text() == damaged


# A colour, a carriage return, a line break, a right-to-left override, a C1 control character, and a
# byte that is not UTF-8.
HOSTILE = os.fsdecode("a\x1b[31m\r\n\u202e\x9b".encode() + b"\xff.png")
HARMLESS = r"a\x1b[31m\r\n\u202e\x9b\xff.png"


@pytest.mark.parametrize("is_image", [True, False])
def test_control_characters_are_escaped(folder: Path, capsys: Capture, is_image: bool) -> None:
    shutil.copy("scans/a.png" if is_image else "notes.txt", HOSTILE)
    text, code = ("7", 0) if is_image else (f"(error: {NO_IMAGE})", 1)
    assert main(["read", HOSTILE]) == code
    assert capsys.readouterr().out == f"{HARMLESS}: {text}\n"
    for _ in range(2):  # the second call finds the name
        assert main(["read", HOSTILE, "--csv", "--out", "out"]) == code
        [_, row] = read_rows(Path("out").read_text())
        assert row[0] == HARMLESS
        assert main(["read", HOSTILE, "--json", "--out", "out.json"]) == code
        [line] = read_lines(Path("out.json").read_text())
        assert line["file"] == HOSTILE
    capsys.readouterr()
    assert main(["read", HOSTILE, "--csv"]) == code
    assert capsys.readouterr().out == Path("out").read_text()
    assert main(["read", HOSTILE, "--json"]) == code
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed)["file"] == HOSTILE
    assert main(["read", HOSTILE, "--csv", "--out", HOSTILE]) == 2
    error = capsys.readouterr().err
    assert error.startswith(r"tenfold: a\x1b[31m")
    assert error.removesuffix("\n").isprintable()


def test_text_from_a_model_is_escaped(folder: Path, capsys: Capture) -> None:
    onnx = pytest.importorskip("onnx", reason="needs the extra `train`")
    model = onnx.load(BUNDLED_MODEL)
    del model.metadata_props[:]
    model.metadata_props.add(
        key="tenfold",
        value=json.dumps(
            {"format": "\x1b[31m\u202e", "labels": [], "calibration": None, "card": {}}
        ),
    )
    onnx.save(model, "m.onnx")
    assert main(["read", "scans", "--model", "m.onnx"]) == 2
    error = capsys.readouterr().err
    assert r"format \x1b[31m\u202e is not supported" in error
    assert error.removesuffix("\n").isprintable()


def test_outputs_inside_the_folder_are_not_read(folder: Path, capsys: Capture) -> None:
    outputs = ["--out", "scans/out", "--annotate", "scans/boxes", "--stages", "scans/more/way"]
    for _ in range(2):
        assert main(["read", "scans", "--single", "--json", *outputs]) == 0
        assert len(read_lines(Path("scans/out").read_text())) == 3
        Path("scans/out").unlink()
    assert capsys.readouterr().err == ""
    assert len(list_pictures("scans/boxes")) == 6
    stages = {path.name: path for path in Path("scans/more/way").iterdir() if path.is_dir()}
    assert sorted(stages) == ["a", "a-2", "a-3", "a-4", "z", "z-2"]
    for name, expected in (("a", STAGES), ("a-2", STAGES), ("z", STAGES[:3])):
        assert sorted(picture.stem for picture in stages[name].iterdir()) == expected
    for name, source in (("a", "scans/a.png"), ("a-2", "scans/more/a.png")):
        with Image.open(stages[name] / "1-decoded.png") as shown, Image.open(source) as image:
            np.testing.assert_array_equal(np.asarray(shown)[:, :, 0], np.asarray(image))


def test_pictures_of_an_earlier_call_are_not_read(folder: Path, capsys: Capture) -> None:
    pictures = ["--annotate", "scans/boxes", "--stages", "scans/more/way"]
    assert main(["read", "scans", "--single", *pictures]) == 0
    capsys.readouterr()
    assert main(["read", "scans"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert main(["read", "scans/boxes"]) == 0  # they are if they are named
    assert capsys.readouterr().out.count("scans/boxes/") == 3
    # A folder that had images is still read.
    assert main(["read", "lines.png", "--annotate", "scans/more"]) == 0
    assert main(["read", "scans"]) == 0
    assert "scans/more/a.png: 2\n" in capsys.readouterr().out


def run_with_a_full_disk(command: list[str], out: str) -> subprocess.CompletedProcess[str]:
    """Run a command with a disk of 16 kB mounted at disk/."""
    Path("disk").mkdir()
    script = f'mount -t tmpfs -o size=16k tmpfs disk || exit {errno.EPERM + 100}\nexec "$@" {out}\n'
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", *TENFOLD, *command],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_full_disk_is_one_line(folder: Path) -> None:
    done = run_with_a_full_disk(["read", *(60 * ["lines.png"]), "--json"], "--out disk/out")
    if done.returncode == errno.EPERM + 100 or done.stderr.startswith("unshare:"):
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 2
    assert done.stderr == "tenfold: cannot write disk/out: no space left on device\n"


@pytest.mark.parametrize("command", ["read scans", "read scans --json", "recipes --json"])
def test_a_full_standard_output_is_one_line(folder: Path, command: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*TENFOLD, *command.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    message = "cannot write the output: no space left on device"
    assert (done.returncode, done.stderr) == (2, f"tenfold: {message}\n")


def test_a_name_that_is_too_long_is_an_error(folder: Path) -> None:
    assert main(["read", 300 * "x"]) == 1


def test_annotated_images_with_the_same_name_are_numbered(folder: Path) -> None:
    assert main(["read", "scans", "notes.txt", "--annotate", "boxes"]) == 1
    expected = ["a-2.png", "a.png", "z.png"]  # notes.txt has no picture
    assert list_pictures("boxes") == expected
    pictures = {name: Path("boxes", name).read_bytes() for name in expected}
    assert pictures["a.png"] != pictures["a-2.png"]
    assert main(["read", "scans/a.png", "--annotate", "boxes"]) == 0
    assert Path("boxes/a-3.png").read_bytes() == pictures["a.png"]
    for name, data in pictures.items():
        assert Path("boxes", name).read_bytes() == data
    with Image.open("boxes/a.png") as picture:
        assert picture.width == 8 * 28


def test_help_begins_with_the_usage(capsys: Capture) -> None:
    assert main(["read", "--help"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Usage: tenfold read FILES... ")
    assert "Print JSON Lines, one object for each file." in printed
    # Paragraphs are as wide as the terminal, not as the source.
    assert "The exit code is 1 if a file could not be read as an image," in " ".join(
        printed.split()
    )
    assert all(len(line.strip()) > 10 for line in printed.split("╭")[0].splitlines() if line)


def test_a_closed_pipe_prints_no_traceback(folder: Path) -> None:
    command = subprocess.Popen(
        [*TENFOLD, "read", *(20 * ["scans"]), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert command.stdout is not None
    assert command.stderr is not None
    command.stdout.close()
    assert command.stderr.read() == b""
    command.stderr.close()
    assert command.wait() == 1


def test_reading_does_not_import_training_libraries(folder: Path) -> None:
    script = (
        "import sys; from tenfold.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "print(*sorted({'torch', 'onnx', 'onnxscript', 'scipy', 'matplotlib', 'safetensors',"
        " 'jinja2'} & sys.modules.keys()))\n"
        "sys.exit(code)\n"
    )
    command = ["read", "scans", "--single", "--annotate", "boxes", "--stages", "way"]
    ran = subprocess.run(
        [sys.executable, "-c", script, *command], check=True, capture_output=True, text=True
    )
    assert ran.stdout.splitlines()[0] == "scans/a.png: 7"
    assert ran.stdout.splitlines()[-1] == ""
    assert ran.stderr == ""
