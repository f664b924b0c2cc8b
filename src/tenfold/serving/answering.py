"""Reading the images of requests in a worker process.

An image of the size of MNIST's is read in place: the event loop does nothing else for about two
milliseconds, or a fifth of a second if the image was made to take long. Everything else goes to a
thread with a lower priority, an image at a time; OpenCV and ONNX Runtime, where most of its time
goes, let the event loop run meanwhile.
"""

import asyncio
import base64
import io
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any

import PIL.Image

from tenfold.forms.reading import FormReader
from tenfold.reading.explain import read_explained
from tenfold.reading.reader import Reader
from tenfold.serving.limits import refuse
from tenfold.serving.metrics import READINGS, SECONDS
from tenfold.serving.uploads import Options, Upload

# Images made to take long took 0.2 s of processor time with so many pixels, 0.4 s with 64 x 64.
MAX_SMALL_PIXELS = 32 * 32
MAX_SMALL_BYTES = 8 * 1024  # a PNG's metadata may unpack to a megabyte for each kilobyte
SMALL_FORMATS = ("PNG", "JPEG", "BMP", "PPM")  # those of one page
MAX_LARGE = 4  # requests that wait for the thread or are in it
NICENESS = 10

Answer = dict[str, Any]


class ReadingService:
    """Reads images for one event loop."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._num_large = 0
        self._executor = ThreadPoolExecutor(1, "large-images", initializer=_lower_priority)

    async def answer(self, upload: Upload, options: Options) -> list[Answer]:
        """An answer for each image. Raises Problem if too many large ones wait."""
        started = time.perf_counter()
        is_small = _is_small(upload, options)
        if is_small:
            reading = self.reader.read(upload.images[0][1], **options.reading)
            answers = [reading.to_json(top=options.top)]
        else:
            read = partial(read_explained, self.reader, **asdict(options))
            answers = await self._answer_large(upload, read)
        _count(answers, "small" if is_small else "large", started)
        return answers

    async def answer_tables(self, upload: Upload, options: Options) -> list[Answer]:
        """A table for each image. Raises Problem if too many large images wait."""

        def read(data: bytes) -> Answer:
            return self.reader.read_table(data, **options.reading).to_json()

        return await self.call(upload, read)

    async def answer_form(
        self, upload: Upload, form_reader: FormReader, *, with_pictures: bool = False
    ) -> list[Answer]:
        """An answer for each sheet of a form. Raises Problem if too many large images wait.

        With pictures, each doubtful field has one, as a data URL.
        """

        def read(data: bytes) -> Answer:
            sheet = form_reader.read(data)
            answer = sheet.to_json()
            for one, values in zip(sheet.fields, answer["fields"], strict=True):
                if with_pictures and one.picture is not None:
                    content = base64.b64encode(one.picture).decode()
                    values["picture"] = f"data:image/png;base64,{content}"
            return answer

        return await self.call(upload, read)

    async def call(self, upload: Upload, function: Callable[[bytes], Answer]) -> list[Answer]:
        """What a function answers to each image, in the thread of large ones. Raises Problem."""
        started = time.perf_counter()
        answers = await self._answer_large(upload, function)
        _count(answers, "large", started)
        return answers

    async def _answer_large(self, upload: Upload, read: Callable[[bytes], Answer]) -> list[Answer]:
        if self._num_large >= MAX_LARGE:
            raise refuse(MAX_LARGE)
        answers: list[Answer] = []
        self._num_large += 1
        try:
            loop = asyncio.get_running_loop()
            for file, data in upload.images:
                named = {"file": file} if upload.is_list and file else {}
                answers.append(named | await loop.run_in_executor(self._executor, read, data))
        finally:
            self._num_large -= 1
        return answers


def _count(answers: Sequence[Answer], size: str, started: float) -> None:
    SECONDS.labels(size).observe(time.perf_counter() - started)
    for answer in answers:
        if "status" in answer:  # a proposed form has none
            READINGS.labels(answer["status"]).inc()


def _is_small(upload: Upload, options: Options) -> bool:
    """Whether, by its header, an image cannot take long to decode and read."""
    data = upload.images[0][1]
    if upload.is_list or options.stages or options.boxes or len(data) > MAX_SMALL_BYTES:
        return False
    try:
        with PIL.Image.open(io.BytesIO(data), formats=SMALL_FORMATS) as image:
            return image.width * image.height <= MAX_SMALL_PIXELS
    except Exception:  # of another format, or damaged, for which there are many exceptions
        return False


def _lower_priority() -> None:
    """Let this thread come after others where cores are short."""
    with suppress(AttributeError, OSError):  # not on Windows
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
