"""Images of MNIST's test digits to read: files, photos, rows, cells, boxes, amounts, tight crops.

The bundled networks were not trained on these digits. Lines of digits are drawn here, and not by
the functions that draw training images; photos of one digit are drawn as in training.
"""

from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

from tenfold.data.mnist import LabelledImages, load_part
from tenfold.synthetic.canvas import InkMap, crop_to_ink, paste
from tenfold.synthetic.characters import enlarge
from tenfold.synthetic.photos import draw_photo

SEED = 20261122
SCALE = 4  # forms and their digits are drawn with pixels this small
HEIGHT = 20 * SCALE  # of most digits
MARGIN = 10 * SCALE
UPRIGHT_PX = 4  # a one of MNIST that is not wider is upright
# How much light of each colour they take away, in red, green and blue.
PEN_COLOURS = np.array(((1, 1, 1), (1, 0.85, 0.5), (0.9, 1, 1)))  # black, blue, brown
FORM_COLOURS = np.array(((1, 1, 1), (0.2, 0.7, 1), (1, 0.5, 0.7), (0.8, 0.5, 0.2)))

Pixels = npt.NDArray[np.uint8]
Gaps = npt.NDArray[np.int64]
Rng = np.random.Generator
LabelledPixels = tuple[str, Pixels]  # the text, RGB pixels


def build_sets(num_images: int) -> dict[str, list[LabelledPixels]]:
    """Test digits as they are, photographed or scanned, in rows, and on forms."""
    test = load_part(None, "test")
    random = np.random.default_rng(SEED)
    samples = random.permutation(len(test.labels_N))[: 3 * num_images]
    plain = [
        (str(test.labels_N[i]), cv2.merge([255 - test.images_NHW[i]] * 3))
        for i in samples[:num_images]
    ]
    photos = []
    for i in samples[num_images : 2 * num_images]:
        photo = draw_photo(enlarge(test.images_NHW[i], random), test.images_NHW, random)
        if photo is not None:
            pixels = photo.pixels_HWC if photo.is_dark else 255 - photo.pixels_HWC
            photos.append((str(test.labels_N[i]), pixels))
    sets = {"28x28 files": plain, "photos of one digit": photos}
    for title, draw in (
        ("rows of 3 to 6 digits", _draw_row),
        ("table cells", _draw_cell),
        ("boxes and combs", _draw_boxes),
        ("amounts", _draw_amount),
        ("tight crops", _draw_tight),
    ):
        sets[title] = [draw(test, random) for _ in range(num_images)]
    return sets


def build_signed_lines(num_images: int) -> list[LabelledPixels]:
    """Amounts, decimals, dates, times and signed numbers of test digits, with signs by pen.

    The strokes of the signs are drawn here, and not by the functions that draw training images.
    """
    test = load_part(None, "test")
    random = np.random.default_rng(SEED + 1)
    return [_draw_signed(test, random) for _ in range(num_images)]


def _draw_signed(test: LabelledImages, random: Rng) -> LabelledPixels:
    by_digit = [np.flatnonzero(test.labels_N == digit) for digit in range(10)]
    text = _sample_signed_text(random)
    samples = [int(random.choice(by_digit[int(each)])) for each in text if each.isdigit()]
    digits = iter(_draw_digits(test, samples, random))
    pen = int(random.integers(7, 11))
    height = 2 * HEIGHT
    canvas_HW = np.zeros((height, 2 * HEIGHT * (len(text) + 1)), np.float32)
    base, x = HEIGHT + HEIGHT // 2, MARGIN
    for each in text:
        if each.isdigit():
            digit_HW = next(digits)
            paste(canvas_HW, digit_HW, x, base - len(digit_HW) + int(random.integers(-4, 5)))
            x += digit_HW.shape[1] + int(random.integers(3, 18))
        else:
            x = _stroke_sign(canvas_HW, each, x, base, pen, random) + int(random.integers(6, 20))
    ink_HW = crop_to_ink(canvas_HW)
    assert ink_HW is not None, "digits have ink"
    ink_HW = np.pad(ink_HW, MARGIN)
    return text, _photograph(ink_HW, np.zeros_like(ink_HW), random)


def _sample_signed_text(random: Rng) -> str:
    def digits(least: int, most: int) -> str:
        num = int(random.integers(least, most + 1))
        return str(random.integers(1, 10)) + "".join(map(str, random.integers(0, 10, num - 1)))

    day, month = random.integers(1, 29), random.integers(1, 13)
    sign, stop = str(random.choice([".", ","])), str(random.choice([".", ",", ":"]))
    two = f"{random.integers(0, 100):02d}"
    thousands = digits(1, 3) + sign + f"{random.integers(0, 1000):03d}"
    return [
        digits(1, 4) + sign + two,
        thousands,
        thousands + ("." if sign == "," else ",") + two,
        f"-{digits(1, 3)}",
        f"{day:02d}{random.choice(list('/.-'))}{month:02d}{random.choice(list('/.-'))}2026",
        f"{random.integers(0, 24):02d}:{two}",
        f"{random.choice(list('+-'))}{digits(1, 2)}{stop if stop != ':' else '.'}{digits(1, 1)}",
        digits(2, 6),
        f"{digits(1, 2)}/{digits(1, 2)}",
    ][int(random.integers(9))]


def _stroke_sign(canvas_HW: InkMap, sign: str, x: int, base: int, pen: int, random: Rng) -> int:
    """Draw a sign with a round pen; return where it ends."""

    def shift(reach: int) -> int:
        return int(random.integers(-reach, reach + 1))

    def line(x0: float, y0: float, x1: float, y1: float) -> None:
        start, end = (round(x0) + shift(2), round(y0) + shift(2)), (round(x1), round(y1))
        cv2.line(canvas_HW, start, end, 1.0, pen, cv2.LINE_AA)

    middle, size = base - HEIGHT // 2, HEIGHT * random.uniform(0.3, 0.55)
    if sign == ".":
        cv2.circle(canvas_HW, (x + pen // 2, base - 2 + shift(3)), round(pen * 0.7), 1.0, -1)
        return x + pen
    if sign == ",":
        tail = HEIGHT * random.uniform(0.15, 0.28)
        line(x + pen, base - 3, x + pen - tail * random.uniform(0.2, 0.7), base + tail)
        return x + pen
    if sign == ":":
        for y in (base - 6, base - 0.55 * HEIGHT):
            cv2.circle(canvas_HW, (x + pen // 2, round(y) + shift(3)), round(pen * 0.7), 1.0, -1)
        return x + pen
    if sign == "/":
        lean = HEIGHT * random.uniform(0.3, 0.5)
        line(x + lean, base - HEIGHT * random.uniform(1.0, 1.15), x, base + HEIGHT * 0.12)
        return x + round(lean)
    line(x, middle + shift(6), x + size, middle + shift(6))
    if sign == "+":
        line(x + size / 2, middle - size / 2, x + size / 2, middle + size / 2)
    return x + round(size)


def _draw_row(test: LabelledImages, random: Rng) -> LabelledPixels:
    """Three to six digits side by side, hardly touching, on uneven paper with noise."""
    samples = random.integers(len(test), size=int(random.integers(3, 7)))
    pieces = []
    for i in samples:
        columns = np.flatnonzero(test.images_NHW[i].max(axis=0) > 60)
        piece = test.images_NHW[i][:, columns[0] : columns[-1] + 1]
        pieces += [piece, np.zeros((28, int(random.integers(1, 6))), np.uint8)]
    row = np.pad(np.concatenate(pieces, axis=1), 6)
    scale = random.uniform(1.5, 4)
    ink = cv2.resize(row, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) / 255
    light = 1 - random.uniform(0, 0.35) * np.linspace(0, 1, ink.shape[1])[None, :]
    grey = (235 - random.uniform(90, 200) * ink) * light + random.normal(0, 3, ink.shape)
    return _spell(test, samples), cv2.merge([np.clip(grey, 0, 255).astype(np.uint8)] * 3)


def _draw_cell(test: LabelledImages, random: Rng) -> LabelledPixels:
    """One to three digits in the cell of a table, cut out along its lines."""
    samples = random.integers(len(test), size=int(random.integers(1, 4)))
    row_HW = _join(
        _draw_digits(test, samples, random), random.integers(4, 24, len(samples)), random
    )
    left, right = random.integers(4, HEIGHT, 2)
    above, below = random.integers(2, HEIGHT // 2, 2)
    ink_HW = np.pad(row_HW, ((above, below), (left, right)))
    bottom, end = (MARGIN + length for length in ink_HW.shape)
    ink_HW = np.pad(ink_HW, MARGIN)
    form_HW = np.zeros_like(ink_HW)
    thickness = int(random.integers(2, 7))
    for x in (MARGIN, end):
        cv2.line(form_HW, (x, 0), (x, form_HW.shape[0]), 1.0, thickness)
    for y in (MARGIN, bottom):
        cv2.line(form_HW, (0, y), (form_HW.shape[1], y), 1.0, thickness)
    ink_HW, form_HW = _tilt((ink_HW, form_HW), random.normal(0, 0.4))
    edges = np.array((MARGIN, bottom, MARGIN, end)) + random.integers(-6, 7, 4)
    cell = (slice(*edges[:2]), slice(*edges[2:]))
    return _spell(test, samples), _photograph(ink_HW[cell], form_HW[cell], random)


def _draw_boxes(test: LabelledImages, random: Rng) -> LabelledPixels:
    """Eight digits, one in each compartment of a frame or a comb."""
    samples = random.integers(len(test), size=8)
    width, height = random.integers((80, 90), (130, 140))
    ink_HW = np.zeros((height + 2 * MARGIN, 8 * width + 2 * MARGIN), np.float32)
    form_HW = np.zeros_like(ink_HW)
    thickness, is_comb = int(random.integers(2, 6)), random.random() < 0.5
    bottom, end = MARGIN + height, MARGIN + 8 * width
    top = int(bottom - height * random.uniform(0.2, 0.6)) if is_comb else MARGIN
    for x in range(MARGIN, end + 1, width):
        cv2.line(form_HW, (x, top), (x, bottom), 1.0, thickness)
    for y in (bottom,) if is_comb else (top, bottom):
        cv2.line(form_HW, (MARGIN, y), (end, y), 1.0, thickness)
    for i, digit_HW in enumerate(_draw_digits(test, samples, random)):
        room = np.array((width - digit_HW.shape[1], height - digit_HW.shape[0]))
        left, above = (room / 2 + room * random.uniform(-0.35, 0.35, 2)).astype(int)
        paste(ink_HW, digit_HW, MARGIN + i * width + left, MARGIN + above)
    ink_HW, form_HW = _tilt((ink_HW, form_HW), random.normal(0, 0.4))
    return _spell(test, samples), _photograph(ink_HW, form_HW, random)


def _draw_amount(test: LabelledImages, random: Rng) -> LabelledPixels:
    """Three to seven digits, many touching or joined, over a printed pattern or on a ruled line."""
    samples = random.integers(len(test), size=int(random.integers(3, 8)))
    gaps = random.integers(-4, 12, len(samples))
    row_HW = _join(_draw_digits(test, samples, random), gaps, random, joined=0.15)
    ink_HW = np.pad(row_HW, MARGIN)
    height, width = ink_HW.shape
    form_HW = np.zeros_like(ink_HW)
    if random.random() < 0.5:
        y = int(height - MARGIN - random.uniform(-0.1, 0.3) * HEIGHT)
        cv2.line(form_HW, (0, y), (width, y + int(random.normal(0, 6))), 1.0, 4)
    else:  # wavy lines close together, as on cheques
        y_H, x_W = np.arange(height)[:, None], np.arange(width)
        wave_HW = y_H + random.uniform(4, 12) * np.sin(x_W / random.uniform(10, 40))
        form_HW[wave_HW % random.integers(10, 24) < 4] = random.uniform(0.3, 0.6)
    return _spell(test, samples), _photograph(ink_HW, form_HW, random)


def _draw_tight(test: LabelledImages, random: Rng) -> LabelledPixels:
    """Three to six digits cropped exactly to their ink, an upright one at one edge or both."""
    widths_N = (test.images_NHW.max(axis=1) > 60).sum(axis=1)
    upright = np.flatnonzero((test.labels_N == 1) & (widths_N <= UPRIGHT_PX))
    samples = random.integers(len(test), size=int(random.integers(3, 7)))
    for edge in ((0,), (-1,), (0, -1))[int(random.integers(3))]:
        samples[edge] = random.choice(upright)
    row_HW = _join(
        _draw_digits(test, samples, random), random.integers(4, 24, len(samples)), random
    )
    return _spell(test, samples), _photograph(row_HW, np.zeros_like(row_HW), random)


def _spell(test: LabelledImages, samples: Iterable[int]) -> str:
    return "".join(str(test.labels_N[i]) for i in samples)


def _draw_digits(test: LabelledImages, samples: Iterable[int], random: Rng) -> list[InkMap]:
    """Digits in the strokes of one pen, cropped to their ink."""
    level = random.uniform(0.3, 0.5)
    digits = []
    for i in samples:
        scale = SCALE * random.uniform(0.85, 1.1)
        large_HW = cv2.resize(
            test.images_NHW[i], None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC
        )
        ink_HW = np.clip((large_HW / np.float32(255) - level) * 4 + 0.5, 0, 1)
        cropped_HW = crop_to_ink(ink_HW)
        assert cropped_HW is not None, "every digit of MNIST has ink"
        digits.append(cropped_HW)
    return digits


def _join(digits: list[InkMap], gaps: Gaps, random: Rng, *, joined: float = 0) -> InkMap:
    """Digits in a row, cropped to its ink; `joined` is the share of pairs that a stroke joins.

    A gap is to the nearest ink in the same line of pixels; where it is negative, digits overlap.
    """
    height = max(len(digit_HW) for digit_HW in digits) + MARGIN // 2
    row_HW = np.zeros((height, 2 * HEIGHT * len(digits)), np.float32)
    ends_H = np.zeros(height, np.int64)
    for digit_HW, gap in zip(digits, gaps, strict=True):
        top = (height - len(digit_HW)) // 2 + int(random.integers(-MARGIN // 4, MARGIN // 4))
        is_ink = digit_HW > 0.4
        rows = np.flatnonzero(is_ink.any(axis=1))
        starts = is_ink[rows].argmax(axis=1)
        left = max(0, int((ends_H[top + rows] - starts).max() + gap))
        if ends_H.any() and random.random() < joined:
            tail = (int(ends_H.max()) - SCALE, int(ends_H.argmax()))
            cv2.line(row_HW, tail, (left + SCALE, top + int(rows[starts.argmin()])), 1.0, 2 * SCALE)
        paste(row_HW, digit_HW, left, top)
        ends_H[top + rows] = left + digit_HW.shape[1] - is_ink[rows, ::-1].argmax(axis=1)
    cropped_HW = crop_to_ink(row_HW)
    assert cropped_HW is not None, "digits have ink"
    return cropped_HW


def _tilt(layers: Iterable[InkMap], degrees: float) -> list[InkMap]:
    """Layers turned about their middle."""
    tilted = []
    for layer_HW in layers:
        height, width = layer_HW.shape
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        tilted.append(np.asarray(cv2.warpAffine(layer_HW, turn, (width, height))))
    return tilted


def _photograph(ink_HW: InkMap, form_HW: InkMap, random: Rng) -> Pixels:
    """Ink and print on paper, in uneven light, smaller, soft and noisy."""
    scale = random.uniform(0.3, 1)
    size = (round(scale * ink_HW.shape[1]), round(scale * ink_HW.shape[0]))
    pixels_HWC = random.uniform(200, 250) * random.uniform((1, 0.95, 0.9), 1)
    for layer_HW, colours, strength in (
        (form_HW, FORM_COLOURS, random.uniform(0.25, 0.8)),
        (ink_HW, PEN_COLOURS, random.uniform(0.5, 0.9)),
    ):
        small_HW = cv2.resize(layer_HW, size, interpolation=cv2.INTER_AREA)
        pixels_HWC = pixels_HWC * (1 - strength * small_HW[..., None] * random.choice(colours))
    slope = random.uniform(-0.2, 0.2, 2)
    light_HW = 0.9 + slope[0] * np.linspace(-1, 1, size[1])[:, None]
    light_HW = light_HW + slope[1] * np.linspace(-1, 1, size[0])
    pixels_HWC = cv2.GaussianBlur(pixels_HWC * light_HW[..., None], (0, 0), random.uniform(0.2, 1))
    pixels_HWC += random.normal(0, random.uniform(1, 6), pixels_HWC.shape)
    return np.asarray(np.clip(pixels_HWC, 0, 255), np.uint8)
