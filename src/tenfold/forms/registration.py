"""Registration: where on a scan or photo each place of a form is.

Features of the print give a first homography, or else corner marks do. Tiles of print are then
found again, which refines it, shows how the paper is bent, and tells how far all can be trusted.
Each way in which the form resembles itself, such as a table shifted by a row, must be told from it.

Array names carry their axes: H rows, W columns, C colours, N features, T tiles.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.errors import FormError
from tenfold.forms.bend import Bend
from tenfold.forms.corner_marks import find_corner_marks, list_turns
from tenfold.forms.reference import Floats, Mask, Reference, find_features, find_print, resize

SHEET_PX = 1_300_000  # of the copy in which features are searched: a photo also shows a table
RATIO, RANSAC_PX, MIN_MATCHES = 0.8, 5.0, 10
MIN_SCALE, MAX_STRETCH = 0.45, 1.7  # pixels of the sheet for one of the reference; of sides
# Tiles: correlation and distance, in shares of the reach, of one that is found again; the share
# that must be, of all and in each quarter of the sheet, and the residual in pixels.
MIN_CORRELATION, MAX_OFF = 0.4, 0.25
MIN_FOUND, MIN_FOUND_QUARTER, MIN_QUARTER_TILES = 0.8, 0.5, 5
# Blocks: their side as a share of the diagonal, the print in one, the share of it that is found,
# and how many may be without it, as under a fold or a finger; more if the form's own picture has
# writing, some of it outside its fields.
BLOCK, MIN_BLOCK_PRINT, MIN_BLOCK_FOUND = 0.015, 0.03, 0.4
MAX_MISSING, MAX_MISSING_IF_FILLED, MAX_MISSING_BLOCKS = 0.006, 0.03, 2
MIN_MARGIN = 0.35  # of the share of print that a rival lacks over that which it would add
MAX_OTHER, MAX_OTHER_TILES = 0.015, 1  # tiles that are not found on a sheet without doubt
MIN_TILES_TO_FIT = 6
CUT_GRID, MIN_CUT = 40, 0.05  # places looked at in each direction; of a side, what is worth saying
MIN_SECOND = 0.5  # of the sheet's print: what is beside it, if there is a second sheet
SECOND = "a second sheet of this form is in the picture; only one is read"
MAP_STEP = 8  # pixels between the points at which the place on the sheet is computed


@dataclass(frozen=True)
class Registration:
    """Where the places of the reference are on a sheet, and what that rests on.

    `bend` moves places of the reference as the sheet's paper is bent, `matrix` is the homography
    from there to the sheet. `found_T` says which tiles were found again; `print_HW` is the sheet's
    print in the frame of the reference, and `seen_HW` 255 where it is in the picture.
    `notes` say what else is in doubt: that a part is cut off, or that there is a second sheet.
    """

    matrix: Floats
    bend: Bend
    found_T: npt.NDArray[np.bool_]
    print_HW: Mask
    seen_HW: Mask
    notes: tuple[str, ...] = ()

    @property
    def doubt(self) -> str | None:
        """The notes, and that some of the print looks different, as that of another title does."""
        num_all, num_other = len(self.found_T), int((~self.found_T).sum())
        other = f"{num_other} of {num_all} pieces of its print look different; is it this form?"
        is_other = num_other > max(MAX_OTHER_TILES, MAX_OTHER * num_all)
        return "; ".join((*self.notes, *[other] * is_other)) or None

    @property
    def share_found(self) -> float:
        """The share of tiles that were found again."""
        return float(self.found_T.mean())

    def locate(self, points_N2: Floats) -> Floats:
        """Where points of the reference are on the sheet."""
        return transform(self.bend.move(points_N2), self.matrix)


def transform(points_N2: Floats, matrix: Floats) -> Floats:
    """Points after a homography."""
    return np.asarray(cv2.perspectiveTransform(points_N2[None].astype(np.float64), matrix)[0])


def register(reference: Reference, pixels_HWC: Mask) -> Registration:
    """Register a sheet. Raises FormError, with what does not match, if it is not this form."""
    scale = min(1.0, math.sqrt(SHEET_PX / (pixels_HWC.shape[0] * pixels_HWC.shape[1])))
    sheet_HW = find_print(resize(pixels_HWC, scale))
    reasons = []
    for matrix in _list_candidates(reference, sheet_HW):
        reason = _describe_implausible(reference, matrix, sheet_HW.shape)
        if reason is None:
            refined = _refine(reference, sheet_HW, matrix)
            reason = _describe_mismatch(reference, refined)
            cut = _describe_cut(reference, refined.matrix, sheet_HW.shape)
            if reason is None:
                notes = cut, _describe_second(reference, refined.matrix, sheet_HW)
                noted = replace(refined, notes=tuple(filter(None, notes)))
                return _enlarge(noted, scale)
            reason = "; ".join(filter(None, (reason, cut)))
        reasons.append(reason)
    raise FormError(" or ".join(dict.fromkeys(reasons)) or "the printed form is not found on it")


def _enlarge(registration: Registration, scale: float) -> Registration:
    """The registration with a matrix to pixels of the sheet as it was given."""
    matrix = np.diag([1 / scale, 1 / scale, 1.0]) @ registration.matrix
    return Registration(**{**vars(registration), "matrix": matrix})


def _list_candidates(reference: Reference, sheet_HW: Mask) -> Iterator[Floats]:
    """Homographies from the reference to the sheet: by features, then by corner marks."""
    matrix = _match_features(reference, sheet_HW)
    if matrix is not None:
        yield matrix
    own = find_corner_marks(reference.whole_HW)
    if own is None:
        return
    others = find_corner_marks(sheet_HW)
    if others is None:
        return
    for turned in list_turns(others):
        corners = own.astype(np.float32), turned.astype(np.float32)
        yield np.asarray(cv2.getPerspectiveTransform(*corners), np.float64)


def _match_features(reference: Reference, sheet_HW: Mask) -> Floats | None:
    """The homography on which most features agree whose match is unlike all others."""
    keypoints_N2, descriptors_NK = find_features(sheet_HW)
    if min(len(keypoints_N2), len(reference.keypoints_N2)) < MIN_MATCHES:
        return None
    pairs = cv2.BFMatcher().knnMatch(reference.descriptors_NK, descriptors_NK, k=2)
    good = [one for one, other in pairs if one.distance < RATIO * other.distance]
    if len(good) < MIN_MATCHES:
        return None
    source = reference.keypoints_N2[[each.queryIdx for each in good]]
    target = keypoints_N2[[each.trainIdx for each in good]]
    cv2.setRNGSeed(0)
    matrix, is_inlier = cv2.findHomography(source, target, cv2.RANSAC, RANSAC_PX, maxIters=5000)
    if matrix is None or int(is_inlier.sum()) < MIN_MATCHES:
        return None
    return np.asarray(matrix)


def _describe_implausible(
    reference: Reference, matrix: Floats, shape: tuple[int, ...]
) -> str | None:
    """Why a sheet cannot lie so before a camera; None if it can."""
    width, height = reference.size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    depths = np.c_[corners, np.ones(4)] @ matrix[2]
    if not np.isfinite(matrix).all() or (depths * depths[0] <= 0).any():
        return "the printed form is not found on it as a whole"
    target = transform(corners, matrix)
    sides = np.roll(target, -1, axis=0) - target
    turns = sides[:, 0] * np.roll(sides, -1, axis=0)[:, 1]
    turns -= sides[:, 1] * np.roll(sides, -1, axis=0)[:, 0]
    if (turns <= 0).any():  # not convex, or mirrored
        return "the printed form is not found on it as a whole"
    lengths = np.hypot(*sides.T) / (width, height, width, height)
    if lengths.min() < MIN_SCALE:
        return "the sheet is too small in the picture"
    if lengths.max() > MAX_STRETCH * lengths.min():
        return "the sheet has other proportions"
    outside = np.clip(target, 0, shape[::-1]) - target
    if np.abs(outside).max() > 0.5 * max(target.max(axis=0) - target.min(axis=0)):
        cut = _describe_cut(reference, matrix, shape)
        return cut or "half of the sheet is not in the picture"
    return None


def _describe_cut(reference: Reference, matrix: Floats, shape: tuple[int, ...]) -> str | None:
    """Which part of the form lies outside of the picture; None if hardly any does."""
    places = (np.arange(CUT_GRID) + 0.5) / CUT_GRID
    points = np.stack(np.meshgrid(*(places * side for side in reference.size)), axis=-1)
    found = transform(points.reshape(-1, 2), matrix)
    x, y = found.T
    is_seen = (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])
    is_seen = is_seen.reshape(CUT_GRID, CUT_GRID)
    if not is_seen.any():
        return None
    rows, columns = is_seen.any(axis=1), is_seen.any(axis=0)
    ends = {"upper": rows, "lower": rows[::-1], "left": columns, "right": columns[::-1]}
    shares = {side: int(line.argmax()) / CUT_GRID for side, line in ends.items()}
    parts = [
        f"the {side} {100 * share:.0f} %" for side, share in shares.items() if share >= MIN_CUT
    ]
    return f"{' and '.join(parts)} of the sheet is not in the picture" if parts else None


def _describe_second(reference: Reference, matrix: Floats, sheet_HW: Mask) -> str | None:
    """That the form is found a second time beside the sheet; searched for only in much print."""
    width, height = reference.size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    rest_HW = sheet_HW.copy()
    cv2.fillConvexPoly(rest_HW, transform(corners, matrix).round().astype(np.int32), 0)
    num_all, num_rest = (np.count_nonzero(layer_HW > 60) for layer_HW in (sheet_HW, rest_HW))
    if num_rest < MIN_SECOND * (num_all - num_rest):
        return None
    other = _match_features(reference, rest_HW)
    if other is None or _describe_implausible(reference, other, sheet_HW.shape) is not None:
        return None
    return SECOND


def _refine(reference: Reference, sheet_HW: Mask, matrix: Floats) -> Registration:
    """Find the tiles again and again, and fit the homography, then the bend, to where they are."""
    middles_T2 = np.asarray(reference.corners_T2 + reference.tile_px / 2, np.float64)
    ink_HW = cv2.GaussianBlur(reference.print_HW, (0, 0), 1)
    bend = Bend.of_none(reference.size)
    reach_px = reference.reach_px
    for step in ("matrix", "matrix", "bend", "bend", "check"):
        flat_HW, seen_HW = _flatten(reference, sheet_HW, matrix, bend)
        soft_HW = cv2.GaussianBlur(cv2.bitwise_and(flat_HW, reference.open_HW), (0, 0), 1)
        offsets_T2, scores_T = _find_again(reference, ink_HW, soft_HW, reach_px)
        good_T = scores_T >= MIN_CORRELATION
        if step == "matrix" and good_T.sum() >= MIN_TILES_TO_FIT:
            change, _ = cv2.findHomography(
                middles_T2[good_T],
                (middles_T2 + offsets_T2)[good_T],
                cv2.RANSAC,
                MAX_OFF * reference.reach_px,
            )
            if change is not None:
                matrix = np.asarray(matrix @ change, np.float64)
        elif step == "bend":
            bend = bend.fit(middles_T2[good_T], offsets_T2[good_T], reference.reach_px)
            reach_px = reference.reach_px // 2
    near_T = np.hypot(*offsets_T2.T) <= max(2.0, MAX_OFF * reference.reach_px)
    return Registration(matrix, bend, good_T & near_T, flat_HW, seen_HW)


def _flatten(reference: Reference, sheet_HW: Mask, matrix: Floats, bend: Bend) -> tuple[Mask, Mask]:
    """The sheet in the frame of the reference, and where it is seen there."""
    width, height = reference.size
    columns, rows = (np.arange(0, side + MAP_STEP, MAP_STEP) for side in (width, height))
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2).astype(np.float64)
    coarse = transform(bend.move(grid), matrix).reshape(len(rows), len(columns), 2)
    # Between the points of the grid a homography is nearly linear.
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    maps = cv2.remap(coarse.astype(np.float32), x / MAP_STEP, y / MAP_STEP, cv2.INTER_LINEAR)
    flat_HW = cv2.remap(sheet_HW, maps, None, cv2.INTER_LINEAR)
    full_HW = np.full(sheet_HW.shape, 255, np.uint8)
    seen_HW = cv2.remap(full_HW, maps, None, cv2.INTER_LINEAR)
    return np.asarray(flat_HW, np.uint8), np.asarray(seen_HW, np.uint8)


def _find_again(
    reference: Reference, ink_HW: Mask, sheet_HW: Mask, reach_px: int
) -> tuple[Floats, Floats]:
    """Where each tile is on the flattened sheet, beside its place, and how well it correlates."""
    tile_px = reference.tile_px
    offsets, scores = [], []
    for x, y in reference.corners_T2.tolist():
        tile_HW = ink_HW[y : y + tile_px, x : x + tile_px]
        around_HW = sheet_HW[
            y - reach_px : y + tile_px + reach_px, x - reach_px : x + tile_px + reach_px
        ]
        found_HW = cv2.matchTemplate(around_HW, tile_HW, cv2.TM_CCOEFF_NORMED)
        found_HW[~np.isfinite(found_HW)] = 0
        _, best, _, (right, down) = cv2.minMaxLoc(found_HW)
        offsets.append((right - reach_px, down - reach_px))
        scores.append(best)
    return np.array(offsets, np.float64), np.array(scores, np.float64)


def _describe_mismatch(reference: Reference, registration: Registration) -> str | None:
    """Why a registered sheet is not the form, or not for certain; None if it is."""
    found_T = registration.found_T
    if registration.share_found < MIN_FOUND:
        return (
            f"only {100 * registration.share_found:.0f} % of the form's print is found on it, and "
            f"at least {100 * MIN_FOUND:.0f} % is needed"
        )
    is_right_T, is_low_T = (
        middles_T > side / 2
        for middles_T, side in zip(reference.corners_T2.T, reference.size, strict=True)
    )
    for is_low, where in ((False, "upper"), (True, "lower")):
        for is_right, side in ((False, "left"), (True, "right")):
            quarter_T = (is_low_T == is_low) & (is_right_T == is_right)
            is_enough = np.count_nonzero(quarter_T) >= MIN_QUARTER_TILES
            if is_enough and found_T[quarter_T].mean() < MIN_FOUND_QUARTER:
                return f"its {where} {side} quarter looks different"
    near_HW = _find_near_print(reference, registration.print_HW)
    num_missing, num_blocks = _count_missing(reference, registration.seen_HW, near_HW)
    most = MAX_MISSING_IF_FILLED if reference.form.filled else MAX_MISSING
    if num_missing > max(MAX_MISSING_BLOCKS, most * num_blocks):
        return (
            f"its print is missing in {num_missing} of {num_blocks} places; "
            "it may be another version of the form"
        )
    return _describe_rival(reference, near_HW)


def _find_near_print(reference: Reference, flat_HW: Mask) -> Mask:
    """1 where the flattened sheet has ink nearby that is as dark as its print."""
    strength = float(np.median(flat_HW[reference.print_HW > 128]))
    is_ink_HW = (flat_HW > max(20.0, 0.3 * strength)).view(np.uint8)
    return np.asarray(cv2.dilate(is_ink_HW, np.ones((5, 5), np.uint8)), np.uint8)


def _count_missing(reference: Reference, seen_HW: Mask, near_HW: Mask) -> tuple[int, int]:
    """In how many blocks of the sheet most of the form's print is missing, and of how many."""
    block = max(8, round(BLOCK * math.hypot(*reference.size)))
    size = (max(1, reference.size[0] // block), max(1, reference.size[1] // block))
    is_print_HW = ((reference.print_HW > 100) & (seen_HW > 250)).astype(np.float32)
    print_BB, found_BB = (
        cv2.resize(layer_HW, size, interpolation=cv2.INTER_AREA)
        for layer_HW in (is_print_HW, is_print_HW * near_HW)
    )
    is_block_BB = print_BB > MIN_BLOCK_PRINT
    is_missing_BB = is_block_BB & (found_BB < MIN_BLOCK_FOUND * print_BB)
    return int(is_missing_BB.sum()), int(is_block_BB.sum())


def _describe_rival(reference: Reference, near_HW: Mask) -> str | None:
    """The way in which the form resembles itself that the sheet may lie in as well, if any."""
    for rival in reference.rivals:
        own, other = (
            float(near_HW[only_HW > 0].mean()) if only_HW.any() else 0.0
            for only_HW in (rival.only_form_HW, rival.only_rival_HW)
        )
        if own - other < MIN_MARGIN:
            return "it may as well lie shifted along its own lines or upside down"
    return None
