"""`tenfold read`: what it prints, and which files it reads."""

import csv
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tenfold
from cli.conftest import Fail, Read
from tenfold.cli.read_output import format_csv
from tenfold.data.mnist import LabelledImages
from tenfold.reading import bulk, pdf
from tenfold.reading.digit_classifier import BUNDLED_MODEL
from tenfold.reading.pdf import has_pdf_extra
from tenfold.reading.result import ReadDigit, Reading, ReadSign, Status

NO_IMAGE = "not an image (PNG, JPEG, WebP, BMP, TIFF, GIF, PGM, PPM or HEIC)"
A_FILE_IN_ITS_PLACE = "there is a file where a folder should be"
NO_FILE = "cannot read the file: No such file or directory"
BLANK = "nothing stands out from the paper"
SCANS_TEXT = f"scans/a.png: 7\nscans/more/a.png: 2\nscans/z.png: (blank: {BLANK})\n"


def read_rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def read_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_text_is_one_line_per_file_and_more_for_several_lines_of_digits(read: Read) -> None:
    printed = read("scans", "lines.png")
    assert printed.out == f"{SCANS_TEXT}lines.png:\n  7 2\n  1 0\n"
    assert printed.err == ""
    assert read("notes.txt", "scans/a.png", "none.png", code=1).out == (
        f"notes.txt: (error: {NO_IMAGE})\nscans/a.png: 7\nnone.png: (error: {NO_FILE})\n"
    )
    assert "File name too long" in read(300 * "x", code=1).out


def test_an_uncertain_reading_says_why(read: Read, test_images: LabelledImages) -> None:
    reader = tenfold.Reader()
    image_HW, reading = next(
        (image_HW, reading)
        for image_HW in test_images.images_NHW
        if (reading := reader.read(image_HW)).status == Status.UNCERTAIN
    )
    Image.fromarray(image_HW).save("doubt.png")
    expected = f"doubt.png: {reading.text} (uncertain: {reading.message})\n"
    assert read("doubt.png").out == expected


def test_signs_are_read_or_left_out_and_mentioned(read: Read) -> None:
    with Image.open("scans/a.png") as image:
        page_HW = np.full((140, 220), 240, np.uint8)
        digit_HW = np.asarray(image).repeat(3, axis=0).repeat(3, axis=1)
        page_HW[30:114, 20:104] = page_HW[30:114, 120:204] = np.minimum(240, digit_HW)
        page_HW[94:104, 108:118] = 40
    Image.fromarray(page_HW).save("dot.png")
    assert read("dot.png").out == "dot.png: 7.7\n"
    ignored = "dot.png: 77 (marks that are not digits were ignored)\n"
    assert read("dot.png", "--no-signs").out == ignored


def test_what_is_expected_is_read_or_doubtful(read: Read) -> None:
    message = "(uncertain: 7 2 does not fit the pattern #; 1 0 does not fit the pattern #)"
    assert read("scans/a.png", "--digits", "1").out == "scans/a.png: 7\n"
    gaps = "(uncertain: 7 2 might be several numbers; 1 0 might be several numbers)"
    assert read("lines.png", "--digits", "2").out == f"lines.png: {gaps}\n  7 2\n  1 0\n"
    for flags in (["--expect", "#"], ["--expect", " # "]):
        assert read("lines.png", *flags).out.startswith("lines.png: (uncertain: 7 2 does not fit")
    assert (
        read("lines.png", "--digits", "1")
        .out.replace("#{1}", "#")
        .startswith(f"lines.png: {message}")
    )


def test_alternatives_are_added_to_json(read: Read) -> None:
    [line] = read_lines(read("lines.png", "--json", "--top", "2").out)
    assert [each["text"] for each in line["lines"]] == ["7 2", "1 0"]
    assert [len(each["alternatives"]) for each in line["lines"]] == [2, 2]
    assert [digit["alternatives"][0]["digit"] for digit in line["digits"]] == [7, 2, 1, 0]


def test_a_small_value_in_csv_has_all_its_digits() -> None:
    digits = tuple(
        ReadDigit(digit, 0.99, (0, 0, 9, 9), (0.1,) * 10, np.zeros((28, 28), np.uint8))
        for digit in (0, 0, 0, 0, 0, 0, 0, 0, 5)
    )
    point = ReadSign(".", 0.99, (0, 0, 2, 2), 0, 1)
    row = format_csv("a.png", Reading(Status.READ, digits, signs=(point,)))
    assert row.split(",")[2:4] == ["0.00000005", "0.00000005"]


def test_letters_are_not_digits(read: Read) -> None:
    page_HW = np.full((120, 120), 255, np.uint8)
    page_HW[20:100, [*range(16, 24), *range(96, 104)]] = page_HW[56:64, 20:100] = 0  # an H
    Image.fromarray(page_HW).save("h.png")
    message = "the writing does not look like digits"
    assert read("h.png").out == f"h.png: (not digits: {message})\n"
    [_, row] = read_rows(read("h.png", "--csv").out)
    assert row == ["h.png", "not_digits", "", "", row[4], message, "", ""]


def test_json_is_one_object_per_line(read: Read) -> None:
    printed = read("scans", "notes.txt", "lines.png", "--json", code=1)
    assert printed.err == ""
    lines = read_lines(printed.out)
    names = ["scans/a.png", "scans/more/a.png", "scans/z.png", "notes.txt", "lines.png"]
    assert [line["file"] for line in lines] == names
    for line in lines:
        assert list(line) == ["file", "status", "text", "value", "digits", "signs", "message"]
        for digit in line["digits"]:
            assert list(digit) == ["digit", "confidence", "box", "line", "is_sure", "starts_number"]
    assert lines[0] == {"file": "scans/a.png", **tenfold.Reader().read("scans/a.png").to_json()}
    assert lines[2] == {
        "file": "scans/z.png",
        "status": "blank",
        "text": "",
        "value": None,
        "digits": [],
        "signs": [],
        "message": BLANK,
    }
    assert (lines[3]["status"], lines[3]["message"]) == ("error", NO_IMAGE)
    assert lines[4]["text"] == "7 2\n1 0"
    assert [digit["line"] for digit in lines[4]["digits"]] == [0, 0, 1, 1]


def test_csv_is_a_header_and_one_row_per_file(read: Read) -> None:
    shutil.copy("scans/a.png", 'a, "b".png')
    out = read("lines.png", 'a, "b".png', "notes.txt", "--csv", code=1).out
    assert out.count("\n") == 4
    rows = read_rows(out)
    least = min(digit.confidence for digit in tenfold.Reader().read("lines.png").digits)
    assert rows[0] == [
        *("file", "status", "text", "value", "confidence", "message", "page", "num_pages")
    ]
    assert rows[1][:5] == ["lines.png", rows[1][1], "7 2 | 1 0", "", f"{least:.4f}"]
    assert rows[2][:4] == ['a, "b".png', "read", "7", "7"]
    assert rows[3] == ["notes.txt", "error", "", "", "", NO_IMAGE, "", ""]


def test_each_page_has_a_result(read: Read, pages: list[str]) -> None:
    assert read("scan.tif", "scans/a.png").out == (
        "scan.tif, page 1: 7\nscan.tif, page 2: 2\n"
        f"scan.tif, page 3: (blank: {BLANK})\nscans/a.png: 7\n"
    )
    *lines, last = read_lines(read("scan.tif", "scans/a.png", "--json").out)
    assert [line["text"] for line in lines] == pages
    assert [(line["page"], line["num_pages"]) for line in lines] == [(1, 3), (2, 3), (3, 3)]
    assert list(last) == ["file", "status", "text", "value", "digits", "signs", "message"]
    _, *rows = read_rows(read("scan.tif", "scans/a.png", "--csv").out)
    assert [row[2] for row in rows] == [*pages, "7"]
    assert [row[6:] for row in rows] == [["1", "3"], ["2", "3"], ["3", "3"], ["", ""]]


def test_pdf_files_are_read_or_skipped_with_a_note_that_names_the_extra(
    read: Read, fail: Fail, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Image.open("scans/a.png") as image:
        image.convert("RGB").save("scans/b.pdf", save_all=True, append_images=[image.copy()])
    if has_pdf_extra():
        lines = read_lines(read("scans", "--json").out)
        assert [(line["text"], line.get("page")) for line in lines if ".pdf" in line["file"]] == [
            ("7", 1),
            ("7", 2),
        ]
    for module in (bulk, pdf):
        monkeypatch.setattr(module, "has_pdf_extra", lambda: False)
    printed = read("scans")
    assert printed.out == SCANS_TEXT
    install = "pip install 'tenfold[pdf]', or in a checkout pip install '.[pdf]'"
    assert printed.err == f"skipped PDF files, which need the extra 'pdf' ({install}): 1\n"
    Path("only").mkdir()
    shutil.move("scans/b.pdf", "only")
    assert fail("read only") == (
        "only: the folder has no images, only 1 other file; PDF files need the extra 'pdf': "
        + install
    )


def test_an_address_keeps_its_spelling(read: Read) -> None:
    [line] = read_lines(read("https://example.org/a.png", "--json", code=1).out)
    assert line["file"] == "https://example.org/a.png"
    assert "does not download" in line["message"]


def test_a_folder_without_images_is_refused_before_reading(folder: Path, fail: Fail) -> None:
    (folder / "empty").mkdir()
    (folder / "empty/.hidden.png").touch()
    assert fail("read scans empty") == "empty: the folder has no images"
    shutil.move("notes.txt", "empty/notes.txt")
    assert fail("read empty") == "empty: the folder has no images, only 1 other file"
    Path("links").mkdir()
    Path("links/more").symlink_to(folder / "scans/more")
    message = "links: the folder has no images, only 1 other file; a link to a folder is"
    assert fail("read links").startswith(message)


def test_skipped_files_and_links_in_folders_are_counted(folder: Path, read: Read) -> None:
    shutil.move("notes.txt", "scans/notes.txt")
    printed = read("scans")
    assert printed.out == SCANS_TEXT
    assert printed.err == "skipped files that are not images: 1\n"
    os.mkfifo("scans/pipe.png")
    printed = read("scans", "scans/notes.txt", code=1)
    assert printed.out.endswith(f"scans/notes.txt: (error: {NO_IMAGE})\n")
    assert printed.err == "skipped files that are not images: 2\n"
    Path("scans/more/up").symlink_to(folder)
    Path("scans/more/root").symlink_to("/")
    Path("scans/more/b.png").symlink_to("a.png")
    printed = read("scans/more")
    assert printed.out == "scans/more/a.png: 2\nscans/more/b.png: 2\n"
    assert printed.err == "skipped links to folders: 2\n"
    Path("more").symlink_to("scans/more")
    assert read("more").out == "more/a.png: 2\nmore/b.png: 2\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "no images or folders were given"),
        ("scans --json --csv", "--json cannot be combined with --csv"),
        ("scans --out o.txt", "--out needs --json or --csv"),
        ("scans --stages way", "--stages needs --single"),
        ("scans --top 3", "--top needs --json"),
        ("scans --json --top 11", 'Invalid value "11" for --top'),
        ("scans --digits 0", 'Invalid value "0" for --digits'),
        ("scans --decimal ;", 'Invalid value ";" for --decimal'),
        ("scans --expect ## --digits 2", "--expect cannot be combined with --digits"),
        ("scans --expect #a", "pattern '#a', character 2: no pattern is named 'a'"),
        # A wrong pattern leaves no output.
        ("scans --expect ( --json --out o", "pattern '(', character 2: expected a )"),
        ("scans --expect ( --watch", "pattern '(', character 2: expected a )"),
        ("scans o --on ray --expect # --digits 1", "--expect cannot be combined with --digits"),
        ("scans o --on ray --json --top 1", "--top cannot be combined with --on ray"),
        ("scans --model m.onnx", "m.onnx: cannot read the model: No such file or directory"),
        ("scans --model scans/a.png", "scans/a.png: not a valid ONNX model"),
        ("scans --json --out scans", "cannot write scans: is a directory"),
        (
            "scans --csv --out notes.txt/o.csv",
            f"cannot write notes.txt/o.csv: {A_FILE_IN_ITS_PLACE}",
        ),
        ("scans --expect --json", "--expect needs a value before --json"),
        ("scans --csv --out o.csv --model m.onnx", "m.onnx: cannot read the model: No such"),
        ("scans --json --out -", "--out needs a path, and - is standard input"),
        (
            "scans --annotate scans/../scans",
            "scans: pictures cannot be written to the folder that is read",
        ),
        ("scans --annotate boxes --annotate -", "Parameter --annotate specified multiple times."),
        ("scans/a.png --annotate notes.txt", f"cannot write notes.txt: {A_FILE_IN_ITS_PLACE}"),
        (
            "scans/a.png --single --stages notes.txt",
            f"cannot write notes.txt: {A_FILE_IN_ITS_PLACE}",
        ),
        ("scans --jsn", "Unknown option: --jsn."),
        ("scans --no-json", "Unknown option: --no-json."),
    ],
)
def test_errors_are_one_line_and_exit_with_2(
    folder: Path, fail: Fail, command: str, message: str
) -> None:
    assert fail(f"read {command}").startswith(message)


# A colour, a carriage return, a line break, a right-to-left override, a C1 control character, and a
# byte that is not UTF-8.
HOSTILE = os.fsdecode("a\x1b[31m\r\n\u202e\x9b".encode() + b"\xff.png")
HARMLESS = r"a\x1b[31m\r\n\u202e\x9b\xff.png"


@pytest.mark.parametrize("is_image", [True, False])
def test_control_characters_are_escaped(read: Read, fail: Fail, is_image: bool) -> None:
    shutil.copy("scans/a.png" if is_image else "notes.txt", HOSTILE)
    text, code = ("7", 0) if is_image else (f"(error: {NO_IMAGE})", 1)
    assert read(HOSTILE, code=code).out == f"{HARMLESS}: {text}\n"
    for _ in range(2):  # the second call finds the name
        read(HOSTILE, "--csv", "--out", "out", code=code)
        [_, row] = read_rows(Path("out").read_text())
        assert row[0] == HARMLESS
        read(HOSTILE, "--json", "--out", "out.json", code=code)
        [line] = read_lines(Path("out.json").read_text())
        assert line["file"] == HOSTILE
    assert read(HOSTILE, "--csv", code=code).out == Path("out").read_text()
    printed = read(HOSTILE, "--json", code=code).out
    assert printed.isascii()
    assert json.loads(printed)["file"] == HOSTILE
    assert fail(["read", HOSTILE, "--csv", "--out", HOSTILE]).startswith(r"a\x1b[31m")


def test_text_from_a_model_is_escaped(folder: Path, fail: Fail) -> None:
    onnx = pytest.importorskip("onnx", reason="needs the extra `train`")
    model = onnx.load(BUNDLED_MODEL)
    del model.metadata_props[:]
    values: dict[str, Any] = {
        "format": "\x1b[31m\u202e",
        "labels": [],
        "calibration": None,
        "card": {},
    }
    model.metadata_props.add(key="tenfold", value=json.dumps(values))
    onnx.save(model, "m.onnx")
    assert r"format \x1b[31m\u202e is not supported" in fail("read scans --model m.onnx")
