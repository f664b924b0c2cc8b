"""Steps of drawing a golden photo: writing, paper and its lines, light, camera, file."""

import io
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from tenfold.data.mnist import load_part
from tenfold.synthetic.allographs import draw_strokes
from tenfold.synthetic.strokes import Stroke

SHARPER = 3  # ink is drawn this many times as large, then reduced
PAPER, BLUE, BLACK, RED = (236, 232, 222), (35, 50, 130), (30, 30, 34), (190, 30, 45)
Ink = npt.NDArray[np.float64]  # [H, W]: from 0 (paper) to 1
Pixels = npt.NDArray[np.float64]  # [H, W, 3]: RGB from 0 to 255
# Signs and letters as polylines: x to the right and y down, 1 high.
SIGNS: dict[str, list[list[tuple[float, float]]]] = {
    ".": [[(0.08, 0.97), (0.11, 1.0)]],
    ",": [[(0.12, 0.92), (0.12, 1.02), (0.04, 1.15)]],
    "A": [[(0.0, 1.0), (0.3, 0.0), (0.62, 1.0)], [(0.12, 0.62), (0.5, 0.62)]],
    "H": [[(0.0, 0.0), (0.03, 1.0)], [(0.55, 0.0), (0.55, 1.0)], [(0.0, 0.5), (0.55, 0.47)]],
    "K": [[(0.0, 0.0), (0.0, 1.0)], [(0.55, 0.0), (0.02, 0.55), (0.6, 1.0)]],
    "M": [[(0.0, 1.0), (0.08, 0.0), (0.38, 0.7), (0.66, 0.0), (0.75, 1.0)]],
    "X": [[(0.0, 0.0), (0.55, 1.0)], [(0.55, 0.0), (0.0, 1.0)]],
}


def write(
    lines: str,
    size: tuple[int, int],
    seed: int,
    *,
    at: tuple[float, float],
    height: float = 80,
    width: float = 5,
    gap: float = 0.3,
    tilt: float = 0,
) -> Ink:
    """Ink of lines of digits, signs and spaces, the first at the left and top `at`, in pixels.

    `height` and `width` are those of digits and of the pen in pixels, `gap` between digits is a
    share of the height, `tilt` is in degrees, clockwise.
    """
    random = np.random.default_rng(seed)
    sheet_HW = np.zeros((SHARPER * size[1], SHARPER * size[0]), np.uint8)
    cosine, sine = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    y = 0.0
    for line in lines.split("\n"):
        x = 0.0
        for character in line:
            if character == " ":
                x += 0.6 * height
                continue
            if character in SIGNS:
                strokes: list[Stroke] = [np.array(stroke) for stroke in SIGNS[character]]
            else:
                strokes = draw_strokes(int(character), random)
            tallness = height * random.uniform(0.93, 1.05)
            left = min(stroke[:, 0].min() for stroke in strokes)
            drop = random.uniform(-0.03, 0.03) * height
            for stroke in strokes:
                across = x + (stroke[:, 0] - left) * tallness
                down = y + drop + stroke[:, 1] * tallness
                points = np.stack(
                    [at[0] + cosine * across - sine * down, at[1] + sine * across + cosine * down],
                    axis=1,
                )
                whole = np.rint(points * SHARPER * 16).astype(np.int32)
                thickness = round(width * SHARPER)
                cv2.polylines(sheet_HW, [whole], False, 255, thickness, cv2.LINE_AA, 4)
            right = max(stroke[:, 0].max() for stroke in strokes)
            x += (right - left) * tallness + gap * height * random.uniform(0.8, 1.2)
        y += 1.6 * height
    ink_HW: Ink = cv2.resize(sheet_HW, size, interpolation=cv2.INTER_AREA) / 255.0
    return ink_HW


def paint(ink_HW: Ink, paper: Pixels, colour: tuple[int, int, int] = BLACK) -> Pixels:
    """The ink on the paper, as a pen of that colour leaves it."""
    strength_HW1 = 0.92 * ink_HW[:, :, None]
    painted: Pixels = paper * (1 - strength_HW1 * (1 - np.array(colour) / 255))
    return painted


def make_paper(
    size: tuple[int, int], seed: int = 0, colour: tuple[int, int, int] = PAPER
) -> Pixels:
    """Paper with a faint grain."""
    random = np.random.default_rng(seed)
    grain_HW = cv2.GaussianBlur(random.normal(0, 6, (size[1], size[0])), (0, 0), 1.5)
    paper: Pixels = np.array(colour, float) + grain_HW[:, :, None]
    return paper


def rule(
    paper: Pixels, every: int, *, squared: bool = False, colour: tuple[int, int, int] = BLUE
) -> Pixels:
    """The paper with printed lines across, and for squared paper also down."""
    lines_HW = np.zeros(paper.shape[:2])
    lines_HW[every // 2 :: every] = 0.35
    if squared:
        lines_HW[:, every // 2 :: every] = 0.35
    return paint(cv2.GaussianBlur(lines_HW, (0, 0), 0.6), paper, colour)


def light(pixels: Pixels, darkest: float, angle: float) -> Pixels:
    """Light that falls off to a share across the photo, towards an angle in degrees."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    along = x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))
    along = (along - along.min()) / np.ptp(along)
    lit: Pixels = pixels * (1 - (1 - darkest) * along)[:, :, None]
    return lit


def shade(pixels: Pixels, where: float, depth: float = 0.6) -> Pixels:
    """A hand's shadow with a soft edge, aslant, from a share of the width on to the right."""
    height, width = pixels.shape[:2]
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    shadow = 1 / (1 + np.exp(-(x - where - 0.15 * (y - 0.5)) * 40))
    shaded: Pixels = pixels * (1 - (1 - depth) * shadow)[:, :, None]
    return shaded


def shoot(pixels: Pixels, seed: int = 0, *, blur: float = 0.8, noise: float = 3) -> Image.Image:
    """The photo that a camera takes: a little out of focus, with noise."""
    random = np.random.default_rng(seed)
    seen = cv2.GaussianBlur(pixels, (0, 0), blur) + random.normal(0, noise, pixels.shape)
    return Image.fromarray(np.clip(np.rint(seen), 0, 255).astype(np.uint8))


def find_mnist(digits: str) -> list[npt.NDArray[np.uint8]]:
    """MNIST test images of these digits, each the first that was not taken before."""
    test = load_part(None, "test")
    indices = [iter(np.flatnonzero(test.labels_N == digit)) for digit in range(10)]
    return [test.images_NHW[next(indices[int(digit)])] for digit in digits]


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    """The image as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def encode_jpeg(image: Image.Image, **options: Any) -> bytes:
    """The image as a JPEG file."""
    return encode(image, "JPEG", quality=82, **options)
