"""Lines of MNIST's digits with signs by pen, for tests."""

import cv2
import numpy as np

from reading.pages import Map, cut, enlarge, paint
from tenfold.data.mnist import LabelledImages
from tenfold.reading.decoding import Pixels

HEIGHT, BASE, MARGIN, GAP = 100, 80, 40, 12
# The strokes of a pen, and the radius of its dots.
PEN, DOT = 6, 5
STROKES = {
    ".": ([], [(5, 76)]),
    ",": ([((10, 74), (4, 90))], []),
    "-": ([((4, 50), (30, 50))], []),
    "/": ([((34, 10), (6, 92))], []),
    ":": ([], [(5, 50), (5, 76)]),
    # What is neither a digit nor a sign that is read.
    "=": ([((4, 42), (34, 42)), ((4, 60), (34, 60))], []),
    "x": ([((4, 44), (34, 80)), ((34, 44), (4, 80))], []),
    "A": ([((3, 80), (19, 16)), ((19, 16), (37, 80)), ((9, 58), (31, 58))], []),
    "(": ([((26, 6), (14, 28)), ((14, 28), (14, 72)), ((14, 72), (26, 94))], []),
    ")": ([((5, 6), (17, 28)), ((17, 28), (17, 72)), ((17, 72), (5, 94))], []),
}


def draw_sign(sign: str) -> Map:
    lines, dots = STROKES[sign]
    ink_HW = np.zeros((HEIGHT, 40), np.float32)
    for start, end in lines:
        cv2.line(ink_HW, start, end, 1.0, PEN, cv2.LINE_AA)
    for middle in dots:
        cv2.circle(ink_HW, middle, DOT, 1.0, -1, cv2.LINE_AA)
    return ink_HW[:, : np.flatnonzero(ink_HW.any(axis=0))[-1] + 1]


def write_signed(images: LabelledImages, text: str) -> tuple[Pixels, list[tuple[int, int]]]:
    """A line of the first test digits and signs; the columns where its signs begin and end."""
    parts = [np.zeros((HEIGHT, MARGIN), np.float32)]
    ends = []
    samples = {str(digit): list(np.flatnonzero(images.labels_N == digit)) for digit in range(10)}
    for character in text:
        if character.isdigit():
            glyph_HW = cut(enlarge(images.images_NHW[samples[character].pop(0)], 3))
            above = BASE - len(glyph_HW)
            part_HW = np.pad(glyph_HW, ((above, HEIGHT - BASE), (0, 0)))
        else:
            part_HW = draw_sign(character)
            first = int(np.flatnonzero((part_HW > 0.5).any(axis=0))[0])
            start = sum(part.shape[1] for part in parts)
            ends.append((start + first, start + part_HW.shape[1]))
        parts += [part_HW, np.zeros((HEIGHT, GAP), np.float32)]
    row_HW = np.concatenate([*parts, parts[0]], axis=1)
    return paint(np.pad(row_HW, ((20, 20), (0, 0)))), ends
