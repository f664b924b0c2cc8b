"""Draw what reading did: boxes on the image, and every stage up to the digit image."""

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from tenfold.digits import IMAGE_SIZE_PX
from tenfold.reading.decoding import Decoded
from tenfold.reading.digit_image import BOX_PX
from tenfold.reading.ink import Ink
from tenfold.reading.reader import Reader
from tenfold.reading.result import Reading

SURE_COLOUR, DOUBTFUL_COLOUR = (0, 114, 178), (213, 94, 0)  # Okabe and Ito's blue and vermilion
ENLARGED = 10  # a pixel of a digit image is drawn this many pixels wide


def annotate(decoded: Decoded, reading: Reading) -> Image.Image:
    """The image with a box around each digit, and its label and confidence above.

    Digits that are not sure have a dashed box in another colour and a question mark.
    """
    image = Image.fromarray(decoded.pixels_HWC)
    scale = max(1.0, min(8.0, 320 / max(image.size)))  # labels do not fit on a few pixels
    if scale > 1:
        size = (round(image.width * scale), round(image.height * scale))
        image = image.resize(size, Image.Resampling.NEAREST)
    text_px = max(14, round(max(image.size) / 50))
    font = ImageFont.load_default(text_px)
    line_px = max(2, text_px // 8)
    status = str(reading.status).replace("_", " ")
    caption = reading.text.replace("\n", " / ") or status
    if reading.message:
        caption += f" ({reading.message})"
    margin = 2 * text_px
    canvas = Image.new("RGB", (max(image.width, 14 * text_px), image.height + 2 * margin), "white")
    canvas.paste(image, (0, margin))
    draw = ImageDraw.Draw(canvas)
    for y, text in ((0, status), (image.height + margin, caption)):
        draw.text((text_px // 3, y + text_px // 3), text, fill="black", font=font)
    for digit in reading.digits:
        left, top, right, bottom = (value / decoded.reduction * scale for value in digit.box)
        box = (left, top + margin, right, bottom + margin)
        colour = SURE_COLOUR if digit.is_sure else DOUBTFUL_COLOUR
        if digit.is_sure:
            draw.rectangle(box, outline=colour, width=line_px)
        else:
            _draw_dashed(draw, box, colour, line_px)
        label = f"{digit.digit}{'' if digit.is_sure else '?'}"
        with_confidence = f"{label} {100 * digit.confidence:.0f}%"
        if draw.textlength(with_confidence, font=font) < max(right - left, 0.1 * image.width):
            label = with_confidence
        at = (max(0.0, left), max(0.0, box[1] - 1.25 * text_px))
        draw.rectangle(draw.textbbox(at, label, font=font), fill="white")
        draw.text(at, label, fill=colour, font=font)
    return canvas


def _draw_dashed(
    draw: ImageDraw.ImageDraw,
    box: tuple[float, float, float, float],
    colour: tuple[int, int, int],
    line_px: int,
) -> None:
    left, top, right, bottom = box
    dash = 4 * line_px
    for x in np.arange(left, right, 2 * dash):
        for y in (top, bottom):
            draw.line((x, y, min(x + dash, right), y), fill=colour, width=line_px)
    for y in np.arange(top, bottom, 2 * dash):
        for x in (left, right):
            draw.line((x, y, x, min(y + dash, bottom)), fill=colour, width=line_px)


def draw_stages(decoded: Decoded, reader: Reader) -> dict[str, Image.Image]:
    """Every stage from an image of one digit to what the network sees, in order.

    An image without a digit has only the first three.
    """
    view = reader.find_single_digit(decoded)
    stages = draw_page_stages(decoded, reader, view.ink if view else None)
    if view is None:
        return stages
    left, top, right, bottom = view.glyph.box
    cut_HW = np.zeros(decoded.pixels_HWC.shape[:2], np.float32)
    cut_HW[top:bottom, left:right] = view.glyph.strength_HW
    stages["4-cut"] = Image.fromarray(_to_grey(cut_HW))
    rows, columns = (np.flatnonzero(view.image.any(axis=axis)) for axis in (1, 0))
    box_HW = view.image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    stages["5-boxed"] = _enlarge(box_HW, BOX_PX)
    stages["6-centred"] = _mark_centre(_enlarge(view.image, IMAGE_SIZE_PX))
    stages["7-network"] = Image.fromarray(view.image)
    return stages


def draw_page_stages(
    decoded: Decoded, reader: Reader, ink: Ink | None = None
) -> dict[str, Image.Image]:
    """The stages that every image goes through, up to its ink, in order."""
    ink = ink or reader.find_ink(decoded.pixels_HWC)
    grey_HW = cv2.cvtColor(decoded.pixels_HWC, cv2.COLOR_RGB2GRAY)
    return {
        "1-decoded": Image.fromarray(decoded.pixels_HWC),
        "2-bright-ink": Image.fromarray(255 - grey_HW if ink.is_dark else grey_HW),
        "3-without-paper": Image.fromarray(_to_grey(ink.strength_HW)),
    }


def _to_grey(strength_HW: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    return np.rint(strength_HW * 255).astype(np.uint8)


def _enlarge(image_HW: npt.NDArray[np.uint8], size_px: int) -> Image.Image:
    """Each pixel as a square, padded with black to at least `size_px` pixels."""
    height, width = image_HW.shape
    whole = Image.new("L", (max(size_px, width), max(size_px, height)))
    whole.paste(
        Image.fromarray(image_HW), ((whole.width - width) // 2, (whole.height - height) // 2)
    )
    size = (ENLARGED * whole.width, ENLARGED * whole.height)
    return whole.resize(size, Image.Resampling.NEAREST)


def _mark_centre(picture: Image.Image) -> Image.Image:
    """The picture with a cross at the centre of mass."""
    marked = picture.convert("RGB")
    draw = ImageDraw.Draw(marked)
    middle = ENLARGED * (IMAGE_SIZE_PX // 2) + ENLARGED // 2
    draw.line((middle, 0, middle, marked.height), fill=DOUBTFUL_COLOUR, width=1)
    draw.line((0, middle, marked.width, middle), fill=DOUBTFUL_COLOUR, width=1)
    return marked
