"""The work of a worker process, which loads the networks, decodes images and reads them."""

import gc
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from tenfold.errors import ImageError, MissingExtraError
from tenfold.reading.decoding import FORMATS, decode
from tenfold.reading.digit_classifier import Classifier
from tenfold.reading.line_reader import LineReader
from tenfold.reading.reader import Reader
from tenfold.reading.result import Reading, Status
from tenfold.serving.explaining import explain
from tenfold.serving.settings import MIB
from tenfold.serving.sizes import is_heif

# The serving process goes first on cores that both need: it feeds the workers, takes what they say,
# and refuses whom they have no time for.
NICENESS = 10
MAX_TOGETHER = 4  # images that a worker gets at once
# An image that may take more than some milliseconds is large.
MAX_SMALL_PIXELS, MAX_SMALL_BYTES = 320 * 320, 256 * 1024

Answer = dict[str, Any]

_reader: Reader | None = None


@dataclass(frozen=True)
class Question:
    """The bytes of an image, and the options of its request."""

    data: bytes
    single: bool
    stages: bool


@dataclass(frozen=True)
class Setup:
    """The bytes of both model files, and how many MiB of memory a worker may use beside them."""

    model: bytes
    lines: bytes
    mib: int


def prepare(setup: Setup) -> None:
    """Load the networks, then limit the memory."""
    import cv2

    global _reader
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    cv2.setNumThreads(1)
    classifier = Classifier(setup.model, "the model")
    _reader = Reader(classifier, lines=LineReader(setup.lines, "the model of lines"))
    _warm_up(_reader)
    gc.freeze()  # modules and networks stay, so the garbage collector need not scan them
    _limit_memory(setup.mib)


def answer_small(questions: list[Question]) -> list[Answer | None]:
    """The answers, without stages; None for images that are not small.

    All digit images are classified in one batch.
    """
    assert _reader is not None
    answers: list[Answer | None] = [None] * len(questions)
    for single in (False, True):
        numbers = [
            number
            for number, one in enumerate(questions)
            if one.single == single and _is_small(one.data)
        ]
        images = (questions[number].data for number in numbers)
        for number, reading in zip(numbers, _reader.read_many(images, single=single), strict=True):
            answers[number] = reading.to_json()
    return answers


def answer_large(question: Question) -> Answer:
    """The answer for an image of any size."""
    assert _reader is not None
    return answer(_reader, question)


def answer(reader: Reader, question: Question) -> Answer:
    """A reading as JSON values, as `tenfold read --json` prints it, without the file's name."""
    try:
        decoded = decode(question.data)
    except (ImageError, MissingExtraError) as error:
        return Reading(Status.ERROR, message=str(error)).to_json()
    reading = reader.read_decoded(decoded, single=question.single)
    explained = explain(decoded, reading, reader) if question.stages else {}
    return reading.to_json() | explained


def _is_small(data: bytes) -> bool:
    """Whether, by its header, an image is decoded and read in a few milliseconds."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return image.width * image.height <= MAX_SMALL_PIXELS
    except Image.DecompressionBombError:
        return False
    except Exception:  # it is no such image: to be found out costs nothing
        return not is_heif(data)


def _limit_memory(mib: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit; time and pixels are bounded there, too
        return
    pages = Path("/proc/self/statm")
    if not pages.exists():
        return
    used = int(pages.read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + mib * MIB, hard))


def _warm_up(reader: Reader) -> None:
    """Run the networks once, as the first run is slow."""
    import numpy as np

    page = np.full((40, 60), 255, np.uint8)
    page[10:30, 15:18] = page[10:30, 40:43] = 0
    reader.read(page)
    reader.read(page, single=True)
