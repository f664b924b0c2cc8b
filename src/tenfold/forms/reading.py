"""Read a sheet of a form: register it, cut its fields out, and read them together."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.errors import FormError, ImageError, MissingExtraError
from tenfold.forms.beside import find_writing_beside
from tenfold.forms.form import Box, Field, Form
from tenfold.forms.marks import read_bubbles, read_tick
from tenfold.forms.reference import Floats, Mask, Reference, load_reference
from tenfold.forms.registration import Registration, register
from tenfold.forms.result import FieldReading, FormReading
from tenfold.forms.values import join_comb, split_comb, to_field
from tenfold.reading.decoding import Decoded
from tenfold.reading.reader import Reader
from tenfold.reading.result import Reading, Status
from tenfold.reading.sources import Page, Source, decode_source

# Of a field's lower side: what is cut out around it for reading, and shown of a doubtful field.
CONTEXT, SHOWN, SHOWN_BESIDE = 0.06, 0.35, 0.9
EDGE, COMB_INSET = 0.05, 0.04  # of it, not searched for ink; left out of a compartment
MAX_CROP_PX, MIN_CROP_PX = 1600, 8
MIN_INK_MM2, MM_ON_A4 = 0.3, 364.0  # less ink is none; the diagonal of A4, for sheets of no size
MIN_SIDE_SHARE, MIN_SIDE_INK = 0.5, 0.4  # of a printed side found again; of a side that is printed
# Of the sheet's diagonal: how near a printed side is, and how near a field without any has some.
NEAR_SIDE, NEAR_PRINT = 0.0025, 0.012

MAX_UNREAD = 0.3  # of a digit's ink, outside of the digits that were read
MARK_HEIGHT = 0.6  # of the height of all ink: a mark that may be a digit
MAX_OVERLAP = 0.3  # of the narrower of two marks side by side, which may lean

UNREAD = "some of the writing was not read"
BESIDE = "there is writing beside the box of this field"
NOT_SEEN = "outside of the picture"
OTHER_PRINT = "the printed box of this field is not found here; is it this version of the form?"
NO_PRINT = "nothing is written here, where the form has no printed box; is the field's box right?"
NOTHING = ("", "no")  # values of fields in which nothing is written


class FormReader:
    """Reads sheets of one form. Raises FormError if the form's reference cannot be used."""

    def __init__(self, reader: Reader, form: Form) -> None:
        self.reader, self.form = reader, form
        self.reference = load_reference(form)

    def read(self, source: Source) -> FormReading:
        """Read a sheet; one that does not match, or is no image, has the status error."""
        try:
            decoded = decode_source(source)
        except (ImageError, MissingExtraError) as error:
            page = (source.number, source.num_pages) if isinstance(source, Page) else (None, None)
            return FormReading(self.form.name, Status.ERROR, (), str(error), *page)
        try:
            registration = register(self.reference, decoded.pixels_HWC)
        except FormError as error:
            refusal = f"the sheet does not match the form {self.form.name}: {error}"
            sheet = FormReading(self.form.name, Status.ERROR, (), refusal)
        else:
            fields = _Sheet(self.reader, self.reference, registration, decoded).read()
            doubt = registration.doubt
            is_sure = doubt is None and all(one.is_sure for one in fields)
            status = Status.READ if is_sure else Status.UNCERTAIN
            message = "; ".join(filter(None, (doubt, decoded.note))) or None
            sheet = FormReading(self.form.name, status, fields, message)
        return replace(sheet, page=decoded.page, num_pages=decoded.num_pages)


def read_form(reader: Reader, form: Form, source: Source) -> FormReading:
    """Read one sheet of a form; for many, make one `FormReader`, which prepares the form once.

    `source` is as of `Reader.read`. Raises FormError if the form's reference cannot be used.
    """
    return FormReader(reader, form).read(source)


def read_crops(
    reader: Reader, crops: Sequence[Mask], expected: Sequence[str | None], *, single: bool = False
) -> list[Reading]:
    """The readings of fields or compartments that were cut out; those alike are read together."""
    readings: dict[int, Reading] = {}
    for expect in dict.fromkeys(expected):
        numbers = [i for i, other in enumerate(expected) if other == expect]
        found = reader.read_many([crops[i] for i in numbers], single=single, expect=expect)
        readings.update(zip(numbers, found, strict=True))
    return [readings[i] for i in range(len(crops))]


@dataclass(frozen=True)
class _Sheet:
    """A registered sheet."""

    reader: Reader
    reference: Reference
    registration: Registration
    decoded: Decoded

    def read(self) -> tuple[FieldReading, ...]:
        """What is in each field."""
        found = [self._read_marks(field) for field in self.reference.form.fields]
        fields = self.reference.form.fields
        waiting = [i for i, one in enumerate(found) if one is None]
        whole = [i for i in waiting if fields[i].digits is None]
        crops = [self.cut(fields[i].box, CONTEXT) for i in whole]
        readings = read_crops(self.reader, crops, [fields[i].expect for i in whole])
        for i, reading in zip(whole, readings, strict=True):
            one = to_field(fields[i], reading, is_filled_form=self.reference.form.filled)
            found[i] = self._doubt_unread(fields[i], reading, one)
        combs = [i for i in waiting if fields[i].digits is not None]
        for i, field_reading in zip(
            combs, self._read_combs([fields[i] for i in combs]), strict=True
        ):
            found[i] = field_reading
        return tuple(
            self._finish(field, reading)
            for field, reading in zip(self.reference.form.fields, found, strict=True)
            if reading is not None
        )

    def _read_combs(self, fields: Sequence[Field]) -> Iterator[FieldReading]:
        """The readings of combs, each compartment read as one digit."""
        boxes = [split_comb(field) for field in fields]
        empty = [[self._is_empty(box, COMB_INSET) for box in each] for each in boxes]
        crops = [
            self.cut(box, -COMB_INSET)
            for each, is_empty in zip(boxes, empty, strict=True)
            for box, is_none in zip(each, is_empty, strict=True)
            if not is_none
        ]
        readings = iter(read_crops(self.reader, crops, [None] * len(crops), single=True))
        for field, is_empty in zip(fields, empty, strict=True):
            found = [None if is_none else next(readings) for is_none in is_empty]
            if self.reference.form.filled:
                found = [one if one and one.status != Status.BLANK else None for one in found]
            yield join_comb(field, found)

    def _read_marks(self, field: Field) -> FieldReading | None:
        """The reading of a field that needs no network; None for digits."""
        if not self._is_seen(field):
            return FieldReading(field.name, field.kind, "", Status.UNCERTAIN, NOT_SEEN)
        box = self.reference.to_pixels(field.box)
        ink_HW, known_HW = (
            _crop(layer_HW, box)
            for layer_HW in (self.registration.print_HW, self.reference.whole_HW)
        )
        if self.reference.form.filled:
            known_HW = np.zeros_like(known_HW)
        if field.kind == "tick":
            return read_tick(field, ink_HW, known_HW, self._strength)
        if field.kind == "bubbles":
            return read_bubbles(field, ink_HW, known_HW, self._strength)
        if self._is_empty(field.box, EDGE):
            return FieldReading(field.name, field.kind, "", Status.BLANK)
        return None

    @cached_property
    def _strength(self) -> float:
        """How dark print is on this sheet."""
        is_print_HW = self.reference.print_HW > 128
        return max(60.0, float(np.median(self.registration.print_HW[is_print_HW])))

    @cached_property
    def _beside(self) -> frozenset[str]:
        """The fields beside whose boxes something is written."""
        return find_writing_beside(self.reference, self.registration, self._strength)

    def _is_empty(self, box: Box, edge: float) -> bool:
        """Whether a box, without its edge, has nothing but the printed form's ink.

        Never, if only a filled form is known.
        """
        if self.reference.form.filled:
            return False
        num_new = np.count_nonzero(self._find_new_ink(box, edge))
        return bool(num_new < MIN_INK_MM2 * self._pixels_per_mm**2)

    def _find_new_ink(self, box: Box, edge: float) -> npt.NDArray[np.bool_]:
        """Ink in a box that is not the printed form's, leaving out its edge."""
        pixels = self.reference.to_pixels(box)
        ink_HW, known_HW = (
            _crop(layer_HW, pixels)
            for layer_HW in (self.registration.print_HW, self.reference.whole_HW)
        )
        near_HW = cv2.dilate(known_HW, np.ones((5, 5), np.uint8))
        is_new_HW = (ink_HW > max(25.0, 0.3 * self._strength)) & (near_HW < 40)
        inset = max(1, round(edge * min(ink_HW.shape)))
        is_new_HW[:inset] = is_new_HW[-inset:] = False
        is_new_HW[:, :inset] = is_new_HW[:, -inset:] = False
        return np.asarray(is_new_HW)

    def _doubt_unread(self, field: Field, reading: Reading, found: FieldReading) -> FieldReading:
        """The reading, doubted if there is ink of a digit beside those that were read."""
        if not found.is_sure or self.reference.form.filled or not reading.digits:
            return found
        is_new_HW = self._find_new_ink(field.box, EDGE)
        num_all, num_marks = int(is_new_HW.sum()), count_marks(is_new_HW)
        left, top, right, bottom = self.reference.to_pixels(field.box)
        corners_42 = self._locate(field.box, CONTEXT)
        more = CONTEXT * min(right - left, bottom - top)
        across = (right - left + 2 * more) / _measure_sides(corners_42)[0]
        down = (bottom - top + 2 * more) / _measure_sides(corners_42)[1]
        for digit in reading.digits:
            x0, y0, x1, y1 = digit.box
            rows = slice(max(0, round(y0 * down - more) - 1), max(0, round(y1 * down - more) + 2))
            columns = slice(
                max(0, round(x0 * across - more) - 1), max(0, round(x1 * across - more) + 2)
            )
            is_new_HW[rows, columns] = False
        num_unread = int(is_new_HW.sum())
        is_little = num_unread < MAX_UNREAD * (num_all - num_unread) / len(reading.digits)
        if is_little and num_marks <= len(reading.digits):
            return found
        return replace(found, status=Status.UNCERTAIN, message=UNREAD)

    @property
    def _pixels_per_mm(self) -> float:
        """Of the reference."""
        size_mm = self.reference.form.size_mm
        diagonal = MM_ON_A4 if size_mm is None else math.hypot(*size_mm)
        return math.hypot(*self.reference.size) / diagonal

    def _is_seen(self, field: Field) -> bool:
        seen_HW = _crop(self.registration.seen_HW, self.reference.to_pixels(field.box))
        return bool(seen_HW.size) and int(seen_HW.min()) > 250

    def _locate(self, box: Box, context: float) -> Floats:
        """The corners of a box with its context, in pixels of the decoded sheet."""
        left, top, right, bottom = self.reference.to_pixels(box)
        more = context * min(right - left, bottom - top)
        left, top, right, bottom = left - more, top - more, right + more, bottom + more
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        return self.registration.locate(corners)

    def cut(self, box: Box, context: float) -> Mask:
        """The pixels of a box with its context, upright."""
        return cut_out(self.decoded.pixels_HWC, self._locate(box, context))

    def _finish(self, field: Field, reading: FieldReading) -> FieldReading:
        """The reading with its place, doubted if the print around it is not the form's."""
        if reading.message != NOT_SEEN:
            is_found = self._finds_print(field)
            if is_found is False:
                reading = replace(reading, status=Status.UNCERTAIN, message=OTHER_PRINT)
            elif is_found is None and reading.is_sure and reading.value in NOTHING:
                reading = replace(reading, status=Status.UNCERTAIN, message=NO_PRINT)
            is_ticked = field.kind == "tick" and reading.value == "yes"  # its tick may be long
            if reading.is_sure and field.name in self._beside and not is_ticked:
                reading = replace(reading, status=Status.UNCERTAIN, message=BESIDE)
        corners = self._locate(field.box, 0) * self.decoded.reduction
        reading = replace(reading, corners=tuple(map(tuple, corners.tolist())))
        if reading.is_sure:
            return reading
        shown = SHOWN_BESIDE if reading.message == BESIDE else SHOWN
        return replace(reading, picture=encode(self.cut(field.box, shown)))

    def _finds_print(self, field: Field) -> bool | None:
        """Whether most of a field's print is on the sheet; None if the form has none there.

        This is each printed side, or the outlines of bubbles.
        """
        is_known_HW = self.reference.print_HW > 60
        is_ink_HW = self.registration.print_HW > max(20.0, 0.25 * self._strength)
        if field.kind == "bubbles" and not self.reference.form.filled:
            box = self.reference.to_pixels(field.box)
            known_HW = _crop(self.reference.whole_HW, box) > 100
            ink_HW = cv2.dilate(_crop(is_ink_HW.view(np.uint8), box), np.ones((5, 5), np.uint8))
            return bool(ink_HW[known_HW].mean() >= MIN_SIDE_SHARE) if known_HW.any() else None
        diagonal = math.hypot(*self.reference.size)
        near = max(2.0, NEAR_SIDE * diagonal)
        sides = (self._look_along(field, near, layer_HW) for layer_HW in (is_known_HW, is_ink_HW))
        for known, seen in zip(*sides, strict=True):
            if known.mean() >= MIN_SIDE_INK and seen[known].mean() < MIN_SIDE_SHARE:
                return False
        around = self._look_along(field, NEAR_PRINT * diagonal, is_known_HW)
        return any(known.mean() >= MIN_SIDE_INK for known in around) or None

    def _look_along(
        self, field: Field, near: float, is_found_HW: npt.NDArray[np.bool_]
    ) -> list[npt.NDArray[np.bool_]]:
        """For each side of a field, where along it something is found near it."""
        left, top, right, bottom = self.reference.to_pixels(field.box)
        found = []
        for x0, y0, x1, y1, axis in (
            (left, top - near, right, top + near, 0),
            (left, bottom - near, right, bottom + near, 0),
            (left - near, top, left + near, bottom, 1),
            (right - near, top, right + near, bottom, 1),
        ):
            rows = slice(max(0, round(y0)), round(y1) + 1)
            columns = slice(max(0, round(x0)), round(x1) + 1)
            found.append(np.asarray(is_found_HW[rows, columns].any(axis=axis)))
        return found


def count_marks(is_ink_HW: npt.NDArray[np.bool_]) -> int:
    """How many marks stand side by side that are about as high as all ink together."""
    table_M5 = cv2.connectedComponentsWithStats(is_ink_HW.view(np.uint8))[2][1:]
    rows = np.flatnonzero(is_ink_HW.any(axis=1))
    if not len(rows):
        return 0
    high_M5 = table_M5[table_M5[:, 3] >= MARK_HEIGHT * np.ptp(rows)]
    num_marks, end, last = 0, -math.inf, math.inf
    for left, _, width, _, _ in sorted(high_M5.tolist()):
        num_marks += left >= end - MAX_OVERLAP * min(width, last)
        end, last = max(end, left + width), width
    return num_marks


def _crop(layer_HW: Mask, box: Box) -> Mask:
    left, top, right, bottom = (max(0, round(side)) for side in box)
    return layer_HW[top:bottom, left:right]


def cut_out(pixels_HWC: Mask, corners_42: Floats) -> Mask:
    """The quadrangle of an image as an upright picture of about as many pixels."""
    across, down = _measure_sides(corners_42)
    scale = min(1.0, MAX_CROP_PX / max(across, down, 1.0))
    width, height = (max(MIN_CROP_PX, round(scale * side)) for side in (across, down))
    target = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(corners_42.astype(np.float32), target)
    found = cv2.warpPerspective(
        pixels_HWC, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(found, np.uint8)


def _measure_sides(corners_42: Floats) -> tuple[float, float]:
    """The width and height of a quadrangle: the longer of both sides."""
    top_left, top_right, bottom_right, bottom_left = corners_42.tolist()
    across = max(math.dist(top_left, top_right), math.dist(bottom_left, bottom_right))
    return across, max(math.dist(top_left, bottom_left), math.dist(top_right, bottom_right))


def encode(pixels_HWC: Mask) -> bytes:
    """A PNG file of RGB pixels."""
    _, data = cv2.imencode(".png", pixels_HWC[..., ::-1])
    return bytes(data)
