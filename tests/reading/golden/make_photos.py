"""Draws the golden photos and records how the reader reads them today.

    PYTHONPATH=tests python -m reading.golden.make_photos             draw, and record the readings
    PYTHONPATH=tests python -m reading.golden.make_photos --readings  only record the readings

A photo is written numbers on rendered paper: strokes of our own, or digits of MNIST's test images,
with light, shadow, ruled lines, noise and a camera. `readings.json` keeps for each photo what the
reader returns. Where that is wrong, the truth is beside it as `expected`.

Photos need not be drawn again when the reader changes; its changed readings are recorded, and the
difference in `readings.json` is reviewed like any other change.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from reading.golden.photo_steps import (
    BLUE,
    RED,
    encode,
    encode_jpeg,
    find_mnist,
    light,
    make_paper,
    paint,
    rule,
    shade,
    shoot,
    write,
)
from tenfold.reading.reader import Reader

FOLDER = Path(__file__).parent
READINGS = FOLDER / "readings.json"


def draw_light_7() -> bytes:
    size = (360, 300)
    ink_HW = write("7", size, 1, at=(130, 70), height=150, width=9)
    return encode_jpeg(shoot(light(paint(ink_HW, make_paper(size)), 0.45, 30)))


def draw_shadow_38() -> bytes:
    size = (400, 300)
    ink_HW = write("38", size, 2, at=(90, 80), height=130, width=8)
    return encode_jpeg(shoot(shade(paint(ink_HW, make_paper(size)), 0.5)))


def draw_ruled_1906() -> bytes:
    size = (480, 300)
    paper = rule(make_paper(size), 45)
    ink_HW = write("1906", size, 3, at=(60, 100), height=95, width=6)
    return encode_jpeg(shoot(light(paint(ink_HW, paper, BLUE), 0.8, 0)))


def draw_squared_2745() -> bytes:
    size = (480, 300)
    paper = rule(make_paper(size), 24, squared=True)
    ink_HW = write("2745", size, 4, at=(40, 95), height=85, width=6)
    return encode_jpeg(shoot(paint(ink_HW, paper)))


def draw_red_604() -> bytes:
    size = (420, 280)
    paper = make_paper(size, colour=(245, 232, 170))
    ink_HW = write("604", size, 5, at=(80, 80), height=110, width=7)
    return encode_jpeg(shoot(paint(ink_HW, paper, RED)))


def draw_turned_52() -> bytes:
    """A phone was held upright: the pixels lie on their side and EXIF says so."""
    size = (360, 300)
    ink_HW = write("52", size, 6, at=(80, 80), height=120, width=8)
    photo = shoot(paint(ink_HW, make_paper(size), BLUE))
    exif = Image.Exif()
    exif[0x0112] = 6
    return encode_jpeg(photo.transpose(Image.Transpose.ROTATE_90), exif=exif)


def draw_small_19() -> bytes:
    size = (320, 240)
    ink_HW = write("19", size, 7, at=(80, 50), height=130, width=12)
    photo = shoot(light(paint(ink_HW, make_paper(size)), 0.7, 90))
    return encode(photo.resize((40, 30), Image.Resampling.BOX), "PNG")


def draw_blank_page() -> bytes:
    return encode_jpeg(shoot(light(make_paper((400, 300)), 0.7, 45)))


def draw_blank_ruled_page() -> bytes:
    return encode_jpeg(shoot(rule(make_paper((400, 300)), 40)))


def draw_letters() -> bytes:
    size = (480, 260)
    ink_HW = write("HAKM", size, 8, at=(60, 70), height=110, width=7)
    return encode_jpeg(shoot(paint(ink_HW, make_paper(size))))


def draw_noise() -> bytes:
    random = np.random.default_rng(9)
    return encode(Image.fromarray(random.integers(0, 256, (120, 160), np.uint8)), "PNG")


def draw_scribble() -> bytes:
    size = (360, 280)
    random = np.random.default_rng(10)
    points = np.cumsum(random.normal(0, 45, (24, 2)), axis=0)
    points = np.clip(points - points.mean(axis=0) + (180, 140), 30, (330, 250))
    ink_HW = np.zeros((size[1], size[0]), np.uint8)
    cv2.polylines(ink_HW, [points.astype(np.int32)], False, 255, 5, cv2.LINE_AA)
    return encode_jpeg(shoot(paint(ink_HW / 255.0, make_paper(size), BLUE)))


def draw_board_83() -> bytes:
    """Chalk on a board."""
    size = (400, 280)
    board = make_paper(size, colour=(34, 52, 44))
    ink_HW = write("83", size, 11, at=(90, 70), height=130, width=8)[:, :, None]
    return encode_jpeg(shoot(board * (1 - 0.85 * ink_HW) + 235 * 0.85 * ink_HW, noise=5))


def draw_phone_number() -> bytes:
    size = (680, 200)
    ink_HW = write("0612845937", size, 12, at=(30, 65), height=70, width=5, gap=0.22)
    return encode_jpeg(shoot(paint(ink_HW, make_paper(size), BLUE)))


def draw_amount_125_00() -> bytes:
    size = (480, 220)
    ink_HW = write("125.00", size, 13, at=(50, 65), height=90, width=6, gap=0.2)
    return encode_jpeg(shoot(paint(ink_HW, make_paper(size), BLUE)))


def draw_comma_1_5() -> bytes:
    size = (300, 220)
    ink_HW = write("1,5", size, 14, at=(80, 60), height=90, width=6, gap=0.25)
    return encode_jpeg(shoot(paint(ink_HW, make_paper(size))))


def draw_three_lines() -> bytes:
    size = (420, 420)
    ink_HW = write("482\n9136\n507", size, 15, at=(70, 60), height=70, width=5)
    return encode_jpeg(shoot(light(paint(ink_HW, make_paper(size)), 0.7, 120)))


def draw_two_numbers() -> bytes:
    size = (520, 200)
    ink_HW = write("12 345", size, 16, at=(50, 60), height=80, width=6, gap=0.2)
    return encode_jpeg(shoot(paint(ink_HW, make_paper(size))))


def draw_tilted_407() -> bytes:
    size = (440, 320)
    ink_HW = write("407", size, 17, at=(110, 70), height=100, width=7, tilt=12)
    return encode_jpeg(shoot(paint(ink_HW, make_paper(size))))


def draw_steep_2583() -> bytes:
    size = (480, 400)
    ink_HW = write("2583", size, 18, at=(100, 70), height=90, width=6, tilt=20)
    return encode_jpeg(shoot(paint(ink_HW, make_paper(size))))


def draw_touching_36() -> bytes:
    """Two of MNIST's digits that run into one another, as a scan."""
    sheet_HW = np.zeros((48, 70), np.uint8)
    for digit_HW, left in zip(find_mnist("36"), (8, 25), strict=True):
        place_HW = sheet_HW[10:38, left : left + 28]
        np.maximum(place_HW, digit_HW, out=place_HW)
    return encode(Image.fromarray(255 - sheet_HW).resize((280, 192)), "PNG")


def draw_touching_8204() -> bytes:
    size = (420, 220)
    ink_HW = write("8204", size, 19, at=(80, 60), height=90, width=6, gap=-0.04)
    return encode_jpeg(shoot(paint(ink_HW, make_paper(size), BLUE)))


def draw_mnist_4() -> bytes:
    """28x28 pixels, white on black, as the files of a data set are."""
    return encode(Image.fromarray(find_mnist("4")[0]), "PNG")


def draw_single_5() -> bytes:
    """A digit beside a neighbour's stroke that was cut off."""
    size = (220, 220)
    ink_HW = write("5", size, 20, at=(70, 50), height=110, width=7)
    ink_HW[40:180, 0:6] = 0.8
    return encode_jpeg(shoot(paint(ink_HW, make_paper(size))))


def draw_single_faint_9() -> bytes:
    size = (240, 240)
    ink_HW = 0.25 * write("9", size, 21, at=(80, 55), height=120, width=5)
    return encode_jpeg(shoot(light(paint(ink_HW, make_paper(size)), 0.8, 60), noise=2))


def draw_transparent_57() -> bytes:
    """Ink on nothing, as drawing programs save it."""
    ink_HW = write("57", (340, 200), 22, at=(70, 45), height=100, width=7)
    pixels_HWC = np.zeros((*ink_HW.shape, 4), np.uint8)
    pixels_HWC[:, :, :3] = (20, 30, 90)
    pixels_HWC[:, :, 3] = np.rint(255 * ink_HW)
    return encode(Image.fromarray(pixels_HWC), "PNG")


def draw_deep_21() -> bytes:
    """A scan of 16 bits a pixel."""
    size = (200, 140)
    ink_HW = write("21", size, 23, at=(50, 30), height=75, width=6)
    grey_HW = paint(ink_HW, make_paper(size))[:, :, 0]
    return encode(Image.fromarray(np.rint(grey_HW * 257).astype(np.uint16)), "PNG")


def draw_palette_66() -> bytes:
    size = (300, 200)
    ink_HW = write("66", size, 24, at=(70, 45), height=100, width=7)
    photo = shoot(paint(ink_HW, make_paper(size), RED), noise=0)
    return encode(photo.quantize(16), "PNG")


def draw_sheet() -> bytes:
    size = (560, 420)
    lines = "31415926\n53589793\n23846264\n33832795"
    ink_HW = write(lines, size, 25, at=(40, 45), height=50, width=4, gap=0.45)
    return encode_jpeg(shoot(shade(paint(ink_HW, make_paper(size)), 0.7, 0.75)))


def draw_blurred_846() -> bytes:
    size = (400, 240)
    ink_HW = write("846", size, 26, at=(70, 60), height=100, width=7)
    return encode_jpeg(shoot(paint(ink_HW, make_paper(size)), blur=4))


def draw_cut_off() -> bytes:
    """A JPEG file without its last third."""
    data = draw_red_604()
    return data[: len(data) * 2 // 3]


# How each photo is drawn, and what is written on it; None if the file is damaged.
PHOTOS: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "light-7.jpg": (draw_light_7, "7"),
    "shadow-38.jpg": (draw_shadow_38, "38"),
    "ruled-1906.jpg": (draw_ruled_1906, "1906"),
    "squared-2745.jpg": (draw_squared_2745, "2745"),
    "red-604.jpg": (draw_red_604, "604"),
    "turned-52.jpg": (draw_turned_52, "52"),
    "small-19.png": (draw_small_19, "19"),
    "blank-page.jpg": (draw_blank_page, ""),
    "blank-ruled-page.jpg": (draw_blank_ruled_page, ""),
    "letters.jpg": (draw_letters, ""),
    "noise.png": (draw_noise, ""),
    "scribble.jpg": (draw_scribble, ""),
    "board-83.jpg": (draw_board_83, "83"),
    "phone-number.jpg": (draw_phone_number, "0612845937"),
    "amount-125.00.jpg": (draw_amount_125_00, "12500"),
    "comma-1,5.jpg": (draw_comma_1_5, "15"),
    "three-lines.jpg": (draw_three_lines, "482\n9136\n507"),
    "two-numbers.jpg": (draw_two_numbers, "12 345"),
    "tilted-407.jpg": (draw_tilted_407, "407"),
    "steep-2583.jpg": (draw_steep_2583, "2583"),
    "touching-36.png": (draw_touching_36, "36"),
    "touching-8204.jpg": (draw_touching_8204, "8204"),
    "mnist-4.png": (draw_mnist_4, "4"),
    "single-5.jpg": (draw_single_5, "5"),
    "single-faint-9.jpg": (draw_single_faint_9, "9"),
    "transparent-57.png": (draw_transparent_57, "57"),
    "deep-21.png": (draw_deep_21, "21"),
    "palette-66.png": (draw_palette_66, "66"),
    "sheet.jpg": (draw_sheet, "31415926\n53589793\n23846264\n33832795"),
    "blurred-846.jpg": (draw_blurred_846, "846"),
    "cut-off.jpg": (draw_cut_off, None),
}
# Photos that are read wrongly, and what is written on them.
CASES = {
    "frame-5.png": "5",
    "circled-7.png": "7",
    "two-lines-5-6.png": "5\n6",
    "tight-21.png": "21",
}


def record(reader: Reader, path: Path, truth: str | None) -> dict[str, Any]:
    """How the reader reads a photo, and the truth if that is another; `single` by its name."""
    single = path.name.startswith("single-")
    reading = reader.read(path, single=single).to_json()
    entry: dict[str, Any] = {"single": single, "reading": reading}
    if truth is not None and reading["text"] != truth:
        entry["expected"] = truth
    return entry


def main() -> None:
    """Draw the photos, unless --readings is given, and record the readings."""
    if "--readings" not in sys.argv[1:]:
        for name, (draw, _) in PHOTOS.items():
            (FOLDER / name).write_bytes(draw())
    reader = Reader()
    truths = {name: truth for name, (_, truth) in PHOTOS.items()} | CASES
    entries = {name: record(reader, FOLDER / name, truth) for name, truth in truths.items()}
    lines = (f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items())
    READINGS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
