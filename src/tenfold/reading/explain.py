"""An explanation of a reading: its stages and what the network saw, as pictures in JSON.

Array names carry their axes: H rows, W columns, P places.
"""

import base64
import io
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt
from PIL import Image

from tenfold.digits import IMAGE_SIZE_PX
from tenfold.errors import ImageError, MissingExtraError
from tenfold.reading.annotate import annotate, draw_page_stages, draw_stages
from tenfold.reading.decoding import Decoded
from tenfold.reading.digit_classifier import Classifier
from tenfold.reading.digit_image import DigitImage
from tenfold.reading.reader import Reader
from tenfold.reading.result import ReadDigit, Reading, Status
from tenfold.reading.settings import ReadingOptions
from tenfold.reading.sources import decode_source

MAX_DIGITS = 40  # of a page of digits, so many are explained
MAX_SIDE_PX, MAX_BOXES_SIDE_PX = 480, 1600  # of a stage's picture, of one with boxes
MAX_PNG_PIXELS = 100 * 100
PATCH_PX = 7  # of a square that hides a part of a digit image
# How far such squares lie apart. Each is as much work as a digit; of many digits they are fewer.
STEP_PX, STEP_OF_MANY_PX, MANY_DIGITS = 2, 4, 10
FROM_COLOUR, TO_COLOUR = (38, 52, 92), (255, 176, 64)  # of what hardly matters, of what does most


def read_explained(
    reader: Reader,
    data: bytes,
    *,
    stages: bool,
    boxes: bool,
    top: int = 0,
    **options: Unpack[ReadingOptions],
) -> dict[str, Any]:
    """A reading as `tenfold read --json` prints it, with its stages and a picture with boxes."""
    try:
        decoded = decode_source(data)
    except (ImageError, MissingExtraError) as error:
        return Reading(Status.ERROR, message=str(error)).to_json()
    reading = reader.read_decoded(decoded, **options)
    answer = reading.to_json(top=top)
    if stages:
        answer |= explain(decoded, reading, reader)
    if boxes:
        answer["boxes"] = encode_picture(annotate(decoded, reading), MAX_BOXES_SIDE_PX)
    return answer


def explain(decoded: Decoded, reading: Reading, reader: Reader) -> dict[str, Any]:
    """The members `stages` and `seen` of an answer, for 40 digits at most.

    A stage has a name and a picture. For each digit, `seen` has ten probabilities, the probability
    of rejection, the digit image, and its occlusion map. Pictures are data URLs.
    """
    is_one = len(reading.digits) == 1
    digits = reading.digits[:MAX_DIGITS]
    step_px = STEP_PX if len(digits) <= MANY_DIGITS else STEP_OF_MANY_PX
    stages = draw_stages(decoded, reader) if is_one else draw_page_stages(decoded, reader)
    return {
        "stages": [
            {"name": name.partition("-")[2], "picture": encode_picture(picture)}
            for name, picture in stages.items()
        ],
        "seen": [_describe(one, reader.classifier, step_px) for one in digits],
    }


def measure_occlusion(
    image_HW: DigitImage, digit: int, classifier: Classifier, step_px: int = STEP_PX
) -> npt.NDArray[np.float32]:
    """The occlusion map: the probability lost where a square hides the digit, float32 [28, 28].

    A pixel has the mean over the squares that hide it (Zeiler and Fergus 2014, "Visualizing and
    understanding convolutional networks", section 4.2).
    """
    starts = range(1 - PATCH_PX + STEP_PX, IMAGE_SIZE_PX, step_px)
    hidden_PHW = np.array([(y, x) for y in starts for x in starts])
    images_PHW = np.repeat(image_HW[None], len(hidden_PHW), axis=0)
    masks_PHW = np.zeros(images_PHW.shape, np.float32)
    for number, (y, x) in enumerate(hidden_PHW):
        masks_PHW[number, max(0, y) : y + PATCH_PX, max(0, x) : x + PATCH_PX] = 1
    images_PHW[masks_PHW > 0] = 0
    # Where nothing is hidden the answer stays as it is.
    matters_P = (images_PHW != image_HW).any(axis=(1, 2))
    whole = classifier.classify(image_HW[None])[0, digit]
    lost_P = np.zeros(len(images_PHW), np.float32)
    if matters_P.any():
        lost_P[matters_P] = whole - classifier.classify(images_PHW[matters_P])[:, digit]
    lost_HW = (masks_PHW * np.maximum(lost_P, 0)[:, None, None]).sum(axis=0)
    mean_HW: npt.NDArray[np.float32] = lost_HW / np.maximum(masks_PHW.sum(axis=0), 1)
    return mean_HW


def encode_picture(picture: Image.Image, max_side_px: int = MAX_SIDE_PX) -> str:
    """A data URL with a PNG, or for a large picture with a JPEG, which is a tenth of the size."""
    scale = max_side_px / max(picture.size)
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BOX)
    kind = "png" if picture.width * picture.height <= MAX_PNG_PIXELS else "jpeg"
    file = io.BytesIO()
    picture.save(file, kind)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def _describe(one: ReadDigit, classifier: Classifier, step_px: int) -> dict[str, Any]:
    lost_HW = measure_occlusion(one.image, one.digit, classifier, step_px)
    return {
        "probabilities": [round(value, 6) for value in one.probabilities],
        "none": round(max(0.0, 1 - sum(one.probabilities)), 6),
        "image": encode_picture(Image.fromarray(one.image)),
        "occlusion": encode_picture(_paint(one.image, lost_HW)),
    }


def _paint(image_HW: DigitImage, lost_HW: npt.NDArray[np.float32]) -> Image.Image:
    """The digit image coloured by its occlusion map."""
    share_HW1 = (lost_HW / max(float(lost_HW.max()), 1e-6))[:, :, None]
    colours_HWC = (1 - share_HW1) * np.array(FROM_COLOUR) + share_HW1 * np.array(TO_COLOUR)
    # Ink is as bright as it is; paper where it matters shows faintly.
    ink_HW1 = np.maximum(image_HW[:, :, None] / 255, 0.35 * share_HW1)
    return Image.fromarray(np.rint(colours_HWC * ink_HW1).astype(np.uint8))
