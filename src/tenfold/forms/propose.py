"""Propose the fields of a form from the boxes that are printed on a sheet.

Array names carry their axes: H rows, W columns, C colours, M boxes.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tenfold.errors import FormError
from tenfold.forms.boxes import Pixels, find_boxes, has_ink_in
from tenfold.forms.form import Box, Field, Form
from tenfold.forms.reference import Mask, find_print

SHEETS_MM = {"A4": (210.0, 297.0), "Letter": (215.9, 279.4), "A5": (148.0, 210.0)}
MAX_ASPECT_ERROR = 0.012
PICTURE_PX = 2_200_000  # of the picture that is kept: A4 at 150 dpi
# Of the sheet's diagonal (A4: 364 mm): the width of a line between boxes, and the largest box to
# tick.
APART, TICK = 0.006, 0.021
MIN_COMB, COMB_ASPECT, COMB_WIDTH, SAME = 3, 1.25, 0.028, 0.2
FILLED = 0.12  # of the boxes of a filled sheet
MAX_SLOPE_DEGREES = 8.0
MAX_GREY = 40  # levels between the colours of a grey picture


@dataclass(frozen=True)
class Proposal:
    """Fields found on a sheet, with boxes as shares of it, and whether it is filled in."""

    fields: tuple[Field, ...]
    filled: bool


def find_size(width: int, height: int) -> tuple[str, tuple[float, float]] | None:
    """The name and the millimetres of the sheet whose sides have this ratio, if any."""
    for name, (across, down) in SHEETS_MM.items():
        for size_mm in ((across, down), (down, across)):
            if abs(width / height / (size_mm[0] / size_mm[1]) - 1) < MAX_ASPECT_ERROR:
                return name, size_mm
    return None


def straighten(pixels_HWC: Mask) -> Mask:
    """A sheet turned so that its printed lines are level, at the size that is kept."""
    height, width = pixels_HWC.shape[:2]
    scale = min(1.0, math.sqrt(PICTURE_PX / (height * width)))
    size = (round(scale * width), round(scale * height))
    if scale < 1:
        pixels_HWC = np.asarray(cv2.resize(pixels_HWC, size, interpolation=cv2.INTER_AREA))
    ink_HW = find_print(pixels_HWC)
    found = cv2.createLineSegmentDetector(cv2.LSD_REFINE_NONE).detect(ink_HW)[0]
    if found is None:
        return pixels_HWC
    ends_M4 = found.reshape(-1, 4)
    across_M, down_M = ends_M4[:, 2] - ends_M4[:, 0], ends_M4[:, 3] - ends_M4[:, 1]
    lengths_M = np.hypot(across_M, down_M)
    angles_M = np.degrees(np.arctan2(down_M, across_M))
    angles_M = (angles_M + 45) % 90 - 45
    is_long_M = (lengths_M > 0.05 * width) & (np.abs(angles_M) < MAX_SLOPE_DEGREES)
    if is_long_M.sum() < 4:
        return pixels_HWC
    order = np.argsort(angles_M[is_long_M])
    sums = np.cumsum(lengths_M[is_long_M][order])
    middle = int(np.searchsorted(sums, sums[-1] / 2))
    slope = float(angles_M[is_long_M][order][middle])
    turn = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), slope, 1)
    turned = cv2.warpAffine(
        pixels_HWC, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(turned, np.uint8)


def propose_form(
    pixels_HWC: Mask, name: str, picture: Path, size_mm: tuple[float, float] | None = None
) -> tuple[Form, bytes]:
    """The form of a sheet, with the fields that are proposed, and a PNG file of its picture.

    The form has no fields if there is no printed box on the sheet.
    """
    pixels_HWC = straighten(pixels_HWC)
    height, width = pixels_HWC.shape[:2]
    try:
        proposal = propose_fields(pixels_HWC)
    except FormError:
        proposal = Proposal((), filled=False)
    if size_mm is None:
        known = find_size(width, height)
        size_mm = None if known is None else known[1]
    fields = (
        replace(one, box=_scale(one.box, *(size_mm or (1.0, 1.0)))) for one in proposal.fields
    )
    is_grey = int((pixels_HWC.max(axis=2) - pixels_HWC.min(axis=2)).max()) < MAX_GREY
    content = io.BytesIO()
    Image.fromarray(pixels_HWC).convert("L" if is_grey else "RGB").save(content, "PNG")
    return Form(name, picture, tuple(fields), size_mm, proposal.filled), content.getvalue()


def _scale(box: Box, width: float, height: float) -> Box:
    """A box in shares of a sheet of that size in its unit."""
    return box[0] * width, box[1] * height, box[2] * width, box[3] * height


def propose_fields(pixels_HWC: Mask) -> Proposal:
    """The fields of a straightened sheet. Raises FormError if there is no printed box on it."""
    ink_HW = find_print(pixels_HWC)
    boxes = find_boxes(ink_HW)
    if not boxes:
        raise FormError(
            "no printed boxes were found; write the fields by hand, as docs/forms.md shows, "
            "or use a sharper scan"
        )
    height, width = ink_HW.shape
    diagonal = math.hypot(height, width)
    groups = _group(boxes, APART * diagonal)
    has_ink = {box: has_ink_in(ink_HW, box) for box in boxes}
    combs = [group for group in groups if _is_comb(group, diagonal)]
    grids = [group for group in groups if len(group) > 1 and group not in combs]
    alone = [group[0] for group in groups if len(group) == 1]
    heads = {box for grid in grids for place, box in _number(grid) if 1 in place}
    others = [box for box in boxes if box not in heads] or boxes
    filled = sum(has_ink[box] for box in others) > FILLED * len(others)
    label_boxes = {box for grid in grids for box in _find_labels(grid, has_ink)}
    named: list[tuple[str, Pixels, dict[str, object]]] = []
    for number, comb in enumerate(combs, 1):
        named.append((f"comb{number}", _unite(comb), {"digits": len(comb)}))
    for number, grid in enumerate(grids, 1):
        prefix = f"table{number}_" if len(grids) > 1 else ""
        for (row, column), box in _number([box for box in grid if box not in label_boxes]):
            # On a blank sheet, a box with print in it is a label.
            if filled or not has_ink[box]:
                named.append((f"{prefix}row{row}_column{column}", box, {}))
    num_ticks = num_boxes = 0
    for box in alone:
        if max(box[2] - box[0], box[3] - box[1]) <= TICK * diagonal:
            num_ticks += 1
            named.append((f"tick{num_ticks}", box, {"kind": "tick"}))
        elif filled or not has_ink[box]:
            num_boxes += 1
            named.append((f"box{num_boxes}", box, {}))
    fields = tuple(
        Field(name, _to_shares(box, width, height), **extra)  # type: ignore[arg-type]
        for name, box, extra in named
    )
    if not fields:
        raise FormError("all printed boxes have print in them; write the fields by hand")
    return Proposal(fields, filled)


def _to_shares(box: Pixels, width: int, height: int) -> Box:
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height


def _group(boxes: Sequence[Pixels], apart: float) -> list[list[Pixels]]:
    """Boxes that touch, directly or through others, in the order of their first."""
    groups: list[list[Pixels]] = []
    for box in boxes:
        near = [group for group in groups if any(_touch(box, other, apart) for other in group)]
        joined = [box]
        for group in near:
            joined = group + joined
            groups.remove(group)
        groups.append(joined)
    return sorted(sorted(group, key=lambda box: (box[1], box[0])) for group in groups)


def _touch(one: Pixels, other: Pixels, apart: float) -> bool:
    """Whether two boxes share most of a side."""
    gap_x = max(one[0], other[0]) - min(one[2], other[2])
    gap_y = max(one[1], other[1]) - min(one[3], other[3])
    least = min(one[2] - one[0], other[2] - other[0]), min(one[3] - one[1], other[3] - other[1])
    beside = gap_x <= apart and -gap_y > 0.6 * least[1]
    above = gap_y <= apart and -gap_x > 0.6 * least[0]
    return beside or above


def _is_comb(group: Sequence[Pixels], diagonal: float) -> bool:
    """Whether boxes are one row of narrow compartments of one size."""
    if len(group) < MIN_COMB:
        return False
    widths = np.array([box[2] - box[0] for box in group])
    heights = np.array([box[3] - box[1] for box in group])
    is_row = np.ptp([box[1] for box in group]) < 0.5 * heights.min()
    is_even = np.ptp(widths) < max(5.0, SAME * widths.mean())
    is_narrow = widths.mean() < min(COMB_ASPECT * heights.mean(), COMB_WIDTH * diagonal)
    return bool(is_row and is_even and is_narrow)


def _unite(group: Sequence[Pixels]) -> Pixels:
    sides = np.array(group)
    left, top = sides[:, :2].min(axis=0).tolist()
    right, bottom = sides[:, 2:].max(axis=0).tolist()
    return left, top, right, bottom


def _number(grid: Sequence[Pixels]) -> list[tuple[tuple[int, int], Pixels]]:
    """Each box of a grid with its row and column, from 1, by rows."""
    places = []
    for axis in (1, 0):
        starts = sorted({box[axis] for box in grid})
        least = min(box[axis + 2] - box[axis] for box in grid)
        number, last, numbers = 0, -math.inf, {}
        for start in starts:
            if start > last + 0.4 * least:
                number, last = number + 1, start
            numbers[start] = number
        places.append(numbers)
    rows, columns = places
    return sorted(((rows[box[1]], columns[box[0]]), box) for box in grid)


def _find_labels(grid: Sequence[Pixels], has_ink: dict[Pixels, bool]) -> list[Pixels]:
    """The boxes of the first column, if it alone has ink in each."""
    columns: dict[int, list[Pixels]] = {}
    for (_, column), box in _number(grid):
        columns.setdefault(column, []).append(box)
    is_full = {column: all(has_ink[box] for box in found) for column, found in columns.items()}
    is_label = len(columns) > 1 and is_full.pop(1) and not any(is_full.values())
    return columns[1] if is_label else []
