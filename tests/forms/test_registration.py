"""Sheets are registered to the form, or refused: never to another place of it."""

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tenfold.errors import FormError
from tenfold.forms.form import Field, Form
from tenfold.forms.reference import Reference, load_reference
from tenfold.forms.registration import SECOND, Registration, register

Pixels = npt.NDArray[np.uint8]


def get_corner(reference: Reference, registration: Registration) -> tuple[float, float]:
    """Where the top left corner of the first field is on a sheet."""
    left, top, *_ = reference.to_pixels(reference.form.fields[0].box)
    x, y = registration.locate(np.array([(left, top)]))[0]
    return float(x), float(y)


def test_a_sheet_upside_down_lies_where_it_does(reference: Reference, scan: Pixels) -> None:
    registration = register(reference, scan[::-1, ::-1].copy())
    assert registration.doubt is None
    x, y = get_corner(reference, registration)
    x, y = scan.shape[1] - x, scan.shape[0] - y  # on the upright sheet
    # The frame's corner is there: print beside paper.
    around_HW = scan[round(y) - 6 : round(y) + 7, round(x) - 6 : round(x) + 7].min(axis=2)
    assert around_HW[:, :3].min() > 180 > around_HW[4:9, 4:9].min()


def test_bent_paper_is_followed(reference: Reference, scan: Pixels) -> None:
    height, width = scan.shape[:2]
    y_HW, x_HW = np.mgrid[0:height, 0:width].astype(np.float32)
    curl_W = 0.013 * height * np.sin(np.pi * np.arange(width) / width)  # 4 mm on A4
    bent = cv2.remap(scan, x_HW, y_HW + curl_W.astype(np.float32), cv2.INTER_LINEAR)
    registration = register(reference, np.asarray(bent, np.uint8))
    assert registration.doubt is None
    points = np.array([(0.1, 0.5), (0.3, 0.5), (0.5, 0.5), (0.7, 0.5)]) * reference.size
    flat = register(reference, scan).locate(points)
    moved = (flat - registration.locate(points))[:, 1] / (0.013 * height)
    expected = np.sin(np.pi * flat[:, 0] / width)
    assert np.abs(moved - expected).max() < 0.15


def test_a_part_of_a_sheet_is_refused(reference: Reference, scan: Pixels) -> None:
    with pytest.raises(
        FormError, match=r"the lower (38|40|42) % of the sheet is not in the picture"
    ):
        register(reference, scan[: round(0.6 * len(scan))].copy())


def test_what_is_cut_off_and_a_second_sheet_are_noted(reference: Reference, scan: Pixels) -> None:
    """Also on a sheet that is read."""
    assert register(reference, scan).notes == ()
    cut = register(reference, scan[:, : round(0.92 * scan.shape[1])].copy())
    assert cut.doubt is not None
    assert "of the sheet is not in the picture" in cut.doubt
    soft = np.asarray(cv2.GaussianBlur(scan, (0, 0), 1.5), np.uint8)  # another scan
    assert register(reference, np.hstack([scan, soft])).notes == (SECOND,)


def test_a_table_moved_by_one_row_is_refused(reference: Reference) -> None:
    sheet_HW = np.array(Image.open(reference.form.reference).resize((620, 877)))
    task = next(one for one in reference.form.fields if one.name == "task1_a")
    row = round((task.box[3] - task.box[1]) * len(sheet_HW) / 297)
    top = round((task.box[1] - 6) * len(sheet_HW) / 297)
    moved_HW = sheet_HW.copy()
    moved_HW[top:] = 255
    moved_HW[top + row :] = sheet_HW[top:-row]
    with pytest.raises(FormError, match=r"print|quarter|place"):
        register(reference, cv2.merge([moved_HW] * 3))


def test_another_title_is_noticed(reference: Reference) -> None:
    sheet_HW = np.array(Image.open(reference.form.reference).resize((620, 877)))
    sheet_HW[45:85, 50:400] = sheet_HW[45:85, 50:400][:, ::-1].copy()  # the title, mirrored
    try:
        said = register(reference, cv2.merge([sheet_HW] * 3)).doubt or ""
    except FormError as error:  # refused, if enough of it is other print
        said = str(error)
    assert "print" in said


def test_a_blank_page_is_refused(reference: Reference) -> None:
    with pytest.raises(FormError, match="not found"):
        register(reference, np.full((900, 640, 3), 250, np.uint8))


def draw_lattice(path: Path, *, marks: bool) -> Form:
    """A form of nothing but cells, or of cells and corner marks, one unlike the others."""
    sheet_HW = np.full((700, 500), 255, np.uint8)
    fields = []
    for row in range(8):
        for column in range(5):
            left, top = 75 + 70 * column, 90 + 65 * row
            cv2.rectangle(sheet_HW, (left, top), (left + 70, top + 65), 0, 2)
            box = (left / 500, top / 700, (left + 70) / 500, (top + 65) / 700)
            fields.append(Field(f"row{row}_column{column}", box))
    if marks:
        for x, y in ((30, 30), (450, 30), (30, 650)):
            cv2.rectangle(sheet_HW, (x, y), (x + 20, y + 20), 0, -1)
        cv2.circle(sheet_HW, (460, 660), 11, 0, -1)
        cv2.putText(sheet_HW, "Form 7", (200, 50), cv2.FONT_HERSHEY_SIMPLEX, 1, 0, 2)
    Image.fromarray(sheet_HW).save(path)
    return Form("lattice", path, tuple(fields))


def test_a_form_that_looks_the_same_upside_down_is_refused(tmp_path: Path) -> None:
    form = draw_lattice(tmp_path / "lattice.png", marks=False)
    with pytest.raises(FormError, match=r"upside down|shifted"):
        load_reference(form)


def test_cells_alike_are_told_by_corner_marks(tmp_path: Path) -> None:
    form = draw_lattice(tmp_path / "lattice.png", marks=True)
    reference = load_reference(form)
    sheet_HW = np.array(Image.open(form.reference))
    cv2.putText(sheet_HW, "538", (90, 140), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 60, 3)
    turn = cv2.getRotationMatrix2D((250, 350), 93, 0.9)
    turn[:, 2] += (150, 0)
    turned_HW = cv2.warpAffine(sheet_HW, turn, (800, 700), borderValue=255)
    found = register(reference, cv2.merge([turned_HW] * 3))
    expected = turn @ (75, 90, 1)
    assert math.dist(get_corner(reference, found), expected) < 2
    # The same cells a row further down, with the same marks, are another form.
    moved_HW = sheet_HW.copy()
    moved_HW[80:640, 70:430] = 255
    moved_HW[80 + 65 : 640, 70:430] = sheet_HW[80 : 640 - 65, 70:430]
    with pytest.raises(FormError, match=r"version|print"):
        register(reference, cv2.merge([moved_HW] * 3))


def test_a_picture_of_other_proportions_is_no_reference(form: Form) -> None:
    with pytest.raises(FormError, match="size_mm"):
        load_reference(replace(form, size_mm=(210, 210)))
