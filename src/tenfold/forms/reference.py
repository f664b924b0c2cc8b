"""The printed form as its reference picture shows it, prepared for registering sheets to it.

Array names carry their axes: H rows, W columns, C colours, N features, T tiles.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.errors import FormError, ImageError, MissingExtraError
from tenfold.forms.boxes import Mask as Mask
from tenfold.forms.boxes import Pixels, find_boxes, has_ink_in
from tenfold.forms.form import Box, Form
from tenfold.reading.sources import decode_source

AREA_PX = 900_000  # of the reference picture: A4 with four pixels to a millimetre
MAX_FEATURES = 3000
# Of the sheet's diagonal: how far field interiors are from their printed sides, a tile's side, and
# the way that a tile may be off before it is aligned. A4 has a diagonal of 364 mm.
SIDE, TILE, REACH = 0.0025, 0.045, 0.012
MIN_TILE_INK, UNIQUE = 0.02, 0.75  # mean ink of a tile; correlation with what is beside it
MAX_TILES, MIN_TILES = 220, 10
# Repetition: autocorrelation from which the form counts as like itself elsewhere, how many places
# are kept, and the share of the print that must tell it from each.
MIN_LIKENESS, MAX_RIVALS, MIN_TELLING = 0.3, 32, 0.004

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rival:
    """A way in which the form resembles itself: turned by so many quarters, then shifted.

    `only_form_HW` marks print that the form alone has, `only_rival_HW` print that would be there
    if the sheet lay in that way.
    """

    shift: tuple[int, int]
    quarters: int
    only_form_HW: Mask
    only_rival_HW: Mask


@dataclass(frozen=True)
class Reference:
    """The print of a form, uint8 [H, W], with nothing inside its fields; and what is found by it.

    `open_HW` is 255 outside of the interiors of fields and of other empty boxes. Tiles are squares
    of print at `corners_T2` (x, y) that differ from everything near them.
    """

    form: Form
    print_HW: Mask
    open_HW: Mask
    whole_HW: Mask
    keypoints_N2: npt.NDArray[np.float32]
    descriptors_NK: npt.NDArray[np.float32]
    tile_px: int
    reach_px: int
    corners_T2: npt.NDArray[np.int64]
    rivals: tuple[Rival, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.print_HW.shape[1], self.print_HW.shape[0]

    def to_pixels(self, box: Box) -> Box:
        """The box of a field in pixels."""
        (width, height), shares = self.size, self.form.get_shares(box)
        return shares[0] * width, shares[1] * height, shares[2] * width, shares[3] * height


def load_reference(form: Form) -> Reference:
    """Prepare a form's reference picture. Raises FormError if sheets cannot be registered to it."""
    where = f"the reference picture {form.reference}"
    try:
        pixels_HWC = decode_source(form.reference).pixels_HWC
    except (ImageError, MissingExtraError) as error:
        raise FormError(f"{where}: {error}") from error
    height, width = pixels_HWC.shape[:2]
    if form.size_mm is not None:
        given, seen = form.size_mm[0] / form.size_mm[1], width / height
        if not 0.95 < given / seen < 1.05:
            raise FormError(
                f"{where} has {width} x {height} pixels, which are not the sides of a sheet of "
                f"{form.size_mm[0]:g} x {form.size_mm[1]:g} mm; mend size_mm or the picture"
            )
    scale = min(1.0, math.sqrt(AREA_PX / (height * width)))
    small_HWC = resize(pixels_HWC, scale)
    whole_HW = find_print(small_HWC)
    open_HW = _open_fields(form, whole_HW)
    print_HW = cv2.bitwise_and(whole_HW, open_HW)
    keypoints_N2, descriptors_NK = find_features(print_HW)
    diagonal = math.hypot(*print_HW.shape)
    tile_px, reach_px = round(TILE * diagonal), round(REACH * diagonal)
    corners_T2 = _find_tiles(print_HW, tile_px, reach_px)
    if len(corners_T2) < MIN_TILES:
        raise FormError(
            f"{where} shows too little print outside of the fields to find a sheet's place by "
            f"({len(corners_T2)} places of {MIN_TILES}); add a heading, labels or corner marks"
        )
    rivals = _find_rivals(print_HW, open_HW, where)
    return Reference(
        form,
        print_HW,
        open_HW,
        whole_HW,
        keypoints_N2,
        descriptors_NK,
        tile_px,
        reach_px,
        corners_T2,
        rivals,
    )


def resize(pixels: Mask, scale: float) -> Mask:
    """Pixels reduced by averaging."""
    if scale >= 1:
        return pixels
    size = tuple(max(1, round(side * scale)) for side in pixels.shape[1::-1])
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def find_print(pixels_HWC: Mask) -> Mask:
    """How much darker than the paper around it each pixel is, uint8 [H, W].

    255 means half as bright, or darker; colours count as dark as their darkest channel.
    """
    grey_HW = pixels_HWC.min(axis=2)
    height, width = grey_HW.shape
    step = max(1, round(max(height, width) / 300))
    small = cv2.resize(grey_HW, (max(1, width // step), max(1, height // step)))
    reach = max(3, round(max(small.shape) / 30)) | 1
    small = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
    paper_HW = cv2.resize(cv2.blur(small, (reach, reach)), (width, height)).astype(np.float32)
    ratio_HW = grey_HW / np.maximum(paper_HW, 1)
    return np.asarray(np.clip((0.97 - ratio_HW) * 510, 0, 255), np.uint8)


def find_features(ink_HW: Mask) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """SIFT features of print: places, [N, 2], and descriptors, [N, 128]."""
    soft_HW = cv2.GaussianBlur(ink_HW, (0, 0), 0.8)
    sift = cv2.SIFT.create(MAX_FEATURES, contrastThreshold=0.06)
    keypoints, descriptors_NK = sift.detectAndCompute(soft_HW, None)
    if descriptors_NK is None:
        return np.empty((0, 2), np.float32), np.empty((0, 128), np.float32)
    return np.array([each.pt for each in keypoints], np.float32), descriptors_NK


def _open_fields(form: Form, whole_HW: Mask) -> Mask:
    """255 everywhere but in the interior of boxes to write in, up to their printed sides.

    These are the fields, and the empty boxes that no field names: they may be written in, too.
    """
    height, width = whole_HW.shape
    open_HW = np.full(whole_HW.shape, 255, np.uint8)
    side = SIDE * math.hypot(height, width)
    shares = (form.get_shares(field.box) for field in form.fields)
    fields = [(x0 * width, y0 * height, x1 * width, y1 * height) for x0, y0, x1, y1 in shares]
    others = [
        box
        for box in find_boxes(whole_HW)
        if not has_ink_in(whole_HW, box) and not any(_is_middle_in(box, field) for field in fields)
    ]
    for left, top, right, bottom in [*fields, *others]:
        inset = min(side, 0.25 * (right - left), 0.25 * (bottom - top))
        rows = slice(round(top + inset), max(round(top + inset), round(bottom - inset)))
        columns = slice(round(left + inset), max(round(left + inset), round(right - inset)))
        open_HW[rows, columns] = 0
    return open_HW


def _is_middle_in(box: Pixels, field: Box) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return field[0] < x < field[2] and field[1] < y < field[3]


def _find_tiles(print_HW: Mask, tile_px: int, reach_px: int) -> npt.NDArray[np.int64]:
    """Corners of the tiles that resemble nothing within reach, those with most print first."""
    soft_HW = cv2.GaussianBlur(print_HW, (0, 0), 1)
    height, width = print_HW.shape
    step = round(0.7 * tile_px)
    found = []
    for y in range(reach_px, height - tile_px - reach_px, step):
        for x in range(reach_px, width - tile_px - reach_px, step):
            tile_HW = soft_HW[y : y + tile_px, x : x + tile_px]
            ink = float(tile_HW.mean()) / 255
            if ink < MIN_TILE_INK:
                continue
            around_HW = soft_HW[
                y - reach_px : y + tile_px + reach_px, x - reach_px : x + tile_px + reach_px
            ]
            scores = cv2.matchTemplate(around_HW, tile_HW, cv2.TM_CCOEFF_NORMED)
            near = slice(reach_px - 3, reach_px + 4)
            scores[near, near] = -1
            if scores.max() < UNIQUE:
                found.append((ink, x, y))
    found.sort(key=lambda each: (-each[0], each[2], each[1]))
    corners = [each[1:] for each in found[:MAX_TILES]]
    return np.array(corners, np.int64).reshape(-1, 2)


def _find_rivals(print_HW: Mask, open_HW: Mask, where: str) -> tuple[Rival, ...]:
    """The ways in which the form resembles itself. Raises FormError if one is the form itself."""
    soft_HW = cv2.GaussianBlur(print_HW, (0, 0), 1.5)
    small_HW = resize(soft_HW, 0.5).astype(np.float32)
    height, width = print_HW.shape
    turns = (0, 1, 2, 3) if 0.8 < width / height < 1.25 else (0, 2)
    found = []
    full = float((small_HW**2).sum())
    for quarters in turns:
        turned_HW = np.rot90(small_HW, quarters)
        found += [
            (likeness, quarters, shift)
            for likeness, shift in _correlate(small_HW, turned_HW, full)
            if quarters or max(map(abs, shift)) > 6
        ]
    found.sort(key=lambda each: -each[0])
    ink_HW = (print_HW > 60).view(np.uint8)
    near_HW = cv2.dilate(ink_HW, np.ones((7, 7), np.uint8))
    num_ink = int(ink_HW.sum())
    rivals = []
    for _, quarters, (x, y) in found[:MAX_RIVALS]:
        rival_HW, near_rival_HW = (
            _shift(np.rot90(layer_HW, quarters), (2 * x, 2 * y), print_HW.shape)
            for layer_HW in (ink_HW, near_HW)
        )
        only_form_HW = ink_HW & (near_rival_HW == 0)
        only_rival_HW = rival_HW & (near_HW == 0) & (open_HW > 0)
        if int(only_form_HW.sum()) + int(only_rival_HW.sum()) < max(60, MIN_TELLING * num_ink):
            how = "upside down" if quarters else f"shifted by {2 * x}, {2 * y} pixels"
            raise FormError(
                f"{where} looks the same {how}, so fields could be mixed up; "
                "print a heading or different corner marks on the form"
            )
        rivals.append(Rival((2 * x, 2 * y), quarters, only_form_HW, only_rival_HW))
    return tuple(rivals)


def _correlate(
    one_HW: npt.NDArray[np.float32], other_HW: npt.NDArray[np.float32], full: float
) -> list[tuple[float, tuple[int, int]]]:
    """How alike two pictures are where the second is shifted by (x, y): the best such places."""
    size = [cv2.getOptimalDFTSize(a + b) for a, b in zip(one_HW.shape, other_HW.shape, strict=True)]
    product = np.fft.rfft2(one_HW, size) * np.conj(np.fft.rfft2(other_HW, size))
    likeness_HW = np.asarray(np.fft.irfft2(product, size) / full, np.float32)
    is_peak_HW = likeness_HW >= cv2.dilate(likeness_HW, np.ones((15, 15), np.uint8))
    rows, columns = np.nonzero(is_peak_HW & (likeness_HW > MIN_LIKENESS))
    peaks = []
    for y, x in zip(rows.tolist(), columns.tolist(), strict=True):
        shift = tuple(
            at if at <= length // 2 else at - length for at, length in ((x, size[1]), (y, size[0]))
        )
        peaks.append((float(likeness_HW[y, x]), (shift[0], shift[1])))
    return peaks


def _shift(layer_HW: Mask, shift: tuple[int, int], shape: tuple[int, ...]) -> Mask:
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
    size = (shape[1], shape[0])
    moved = cv2.warpAffine(np.ascontiguousarray(layer_HW), matrix, size, flags=cv2.INTER_NEAREST)
    return np.asarray(moved, np.uint8)
