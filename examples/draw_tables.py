"""Draw the pictures of examples/score-card and examples/meter-list with MNIST's test digits.

python examples/draw_tables.py
"""

from pathlib import Path

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

import tenfold

EXAMPLES = Path(__file__).parent
FONTS = Path(matplotlib.get_data_path(), "fonts", "ttf")
PAPER, PRINT, BLUE, BLACK = 244, (70, 74, 80), (45, 60, 140), (60, 62, 70)
SCORES = ("454365444", "563465354", "444454335", "655376455")
METERS = (("02", "0417", "18204"), ("02", "0418", "07735"), ("05", "0423", "21960"),
          ("09", "0431", "00486"), ("09", "0432", "13052"), ("14", "0440", "30917"),
          ("16", "0455", "05641"))  # fmt: skip

Sheet = Image.Image
Box = tuple[float, float, float, float]


class Writer:
    """Writes numbers with digits of MNIST's test part, those of one seed."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        _, (self.images_NHW, self.labels_N) = tenfold.load_mnist()

    def write(self, sheet: Sheet, text: str, box: Box, digit_px: int, pen: tuple[int, ...]) -> None:
        """Write a number into a box, not quite in its middle."""
        random, images = self.random, []
        for character in text:
            of_digit = np.flatnonzero(self.labels_N == int(character))
            digit_HW = self.images_NHW[random.choice(of_digit)]
            columns = np.flatnonzero(digit_HW.max(axis=0) > 60)
            digit_HW = digit_HW[4:24, columns[0] : columns[-1] + 1]
            scale = digit_px / 20 * random.uniform(0.92, 1.08)
            large_HW = cv2.resize(digit_HW, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
            ink_HW = np.clip((large_HW / np.float32(255) - 0.35) * 4 + 0.5, 0, 1)
            images.append(Image.fromarray((ink_HW * 235).astype(np.uint8)))
        gap = round(digit_px * 0.16)
        width = sum(image.width for image in images) + gap * (len(images) - 1)
        x = (box[0] + box[2] - width) / 2 + random.normal(0, digit_px / 9)
        for image in images:
            y = (box[1] + box[3] - image.height) / 2 + random.normal(0, digit_px / 14)
            sheet.paste(pen, (round(x), round(y)), image)
            x += image.width + gap


def choose_font(size: int, *, is_bold: bool = False) -> ImageFont.FreeTypeFont:
    """The font of the print."""
    return ImageFont.truetype(str(FONTS / f"DejaVuSans{'-Bold' * is_bold}.ttf"), size)


def draw_grid(pen: ImageDraw.ImageDraw, xs: list[int], ys: list[int], width: int) -> None:
    """Rule the lines of a table."""
    for y in ys:
        pen.line([(xs[0], y), (xs[-1], y)], PRINT, width)
    for x in xs:
        pen.line([(x, ys[0]), (x, ys[-1])], PRINT, width)


def draw_score_card() -> Sheet:
    """A golf score card of four players, nine holes and their sums."""
    writer = Writer(18)
    sheet = Image.new("RGB", (1500, 760), (PAPER, PAPER, PAPER - 10))
    pen = ImageDraw.Draw(sheet)
    pen.text((70, 40), "Willow Creek Golf Club", PRINT, choose_font(46, is_bold=True))
    pen.text((1080, 52), "White tees, front nine", PRINT, choose_font(28))
    xs, ys = (
        [70, 310, *(310 + 104 * i for i in range(1, 10)), 1390],
        [130, 210, *range(310, 711, 100)],
    )
    pen.rectangle((xs[0], ys[0], xs[-1], ys[1]), (214, 226, 214))
    draw_grid(pen, xs, ys, 3)
    names = ("Player", "Anna", "Ben", "Clara", "David")
    for y, name in zip(ys, names, strict=False):
        pen.text((xs[0] + 18, y + 22), name, PRINT, choose_font(36))
    holes = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "out")
    for x, hole in zip(xs[1:], holes, strict=False):
        pen.text((x + 14, ys[0] + 26), hole, PRINT, choose_font(24))
    for y, below, scores in zip(ys[1:], ys[2:], SCORES, strict=False):
        texts = [*scores, str(sum(map(int, scores)))]
        for x, right, text in zip(xs[1:], xs[2:], texts, strict=False):
            writer.write(sheet, text, (x, y, right, below), 56, BLACK)
    return sheet


def draw_meter_list() -> Sheet:
    """A caretaker's list of meters: the day, the number of the flat, and the reading."""
    writer = Writer(7)
    sheet = Image.new("RGB", (1050, 1240), (PAPER, PAPER, PAPER))
    pen = ImageDraw.Draw(sheet)
    pen.text((90, 70), "Water meters", PRINT, choose_font(44, is_bold=True))
    pen.text((90, 136), "Harbour Street, north stairs, March", PRINT, choose_font(28))
    xs, ys = [90, 290, 560, 960], [220, *range(300, 1201, 110)]
    draw_grid(pen, xs, ys, 2)
    for x, name in zip(xs, ("Day", "Flat", "Cubic metres"), strict=False):
        pen.text((x + 20, ys[0] + 20), name, PRINT, choose_font(32))
    for y, below, row in zip(ys[1:], ys[2:], METERS, strict=False):
        for x, right, text in zip(xs, xs[1:], row, strict=False):
            writer.write(sheet, text, (x, y, right, below), 58, BLUE)
    return sheet


def photograph(sheet: Sheet, corners: list[tuple[int, int]], size: tuple[int, int]) -> Sheet:
    """A photo of a sheet on a wooden table: its corners, from the left at the top clockwise."""
    random = np.random.default_rng(3)
    width, height = sheet.size
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    matrix = cv2.getPerspectiveTransform(source, np.array(corners, np.float32))
    grain = cv2.GaussianBlur(random.normal(0, 40, size[::-1]), (0, 0), sigmaX=60, sigmaY=2)
    table = np.array((150, 112, 78)) + grain[..., None] * np.array((1, 0.8, 0.6))
    is_sheet = cv2.warpPerspective(np.ones((height, width)), matrix, size)[..., None]
    seen = cv2.warpPerspective(np.asarray(sheet, np.float64), matrix, size, flags=cv2.INTER_AREA)
    shadow = cv2.GaussianBlur(is_sheet[..., 0], (0, 0), 12)
    picture = seen + (1 - is_sheet) * table * (1 - 0.4 * shadow[..., None])
    light = 0.98 - 0.3 * np.linspace(0, 1, size[0]) * np.linspace(0.4, 1, size[1])[:, None]
    return finish(picture * light[..., None] * (1, 0.98, 0.94), 0.8, random)


def scan(sheet: Sheet) -> Sheet:
    """A scan, a little aslant."""
    turned = sheet.rotate(0.7, Image.Resampling.BICUBIC, fillcolor=(PAPER, PAPER, PAPER))
    small = turned.resize((sheet.width * 3 // 4, sheet.height * 3 // 4), Image.Resampling.BOX)
    return finish(np.asarray(small, np.float64), 0.4, np.random.default_rng(4))


def finish(picture: npt.NDArray[np.float64], blur: float, random: np.random.Generator) -> Sheet:
    """Blur and noise of a lens and a sensor."""
    picture = cv2.GaussianBlur(picture, (0, 0), blur) + random.normal(0, 2, picture.shape)
    return Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))


def main() -> None:
    """Write both pictures."""
    corners = [(150, 110), (1270, 60), (1330, 700), (70, 730)]
    card = photograph(draw_score_card(), corners, (1400, 800))
    card.save(EXAMPLES / "score-card" / "score-card.jpg", quality=78)
    scan(draw_meter_list()).save(EXAMPLES / "meter-list" / "meter-list.jpg", quality=80)


if __name__ == "__main__":
    main()
