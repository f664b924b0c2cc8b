"""Which images a worker reads in place, while its event loop waits, and which in its thread."""

import asyncio
import io
import threading
from typing import Any

import numpy as np
import pytest
from PIL import Image

from images import to_png
from servers import draw_dense_page
from tenfold.data.mnist import LabelledImages
from tenfold.reading.reader import Reader
from tenfold.serving.answering import ReadingService
from tenfold.serving.uploads import Options, Upload


def encode(image_HW: np.ndarray, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image_HW).save(file, kind, **options)
    return file.getvalue()


def is_read_in_place(data: bytes, monkeypatch: pytest.MonkeyPatch, *, stages: bool = False) -> bool:
    threads = []
    read = Reader._read_decoded

    def read_decoded(self: Reader, *arguments: Any, **named: Any) -> Any:
        threads.append(threading.current_thread())
        return read(self, *arguments, **named)

    monkeypatch.setattr(Reader, "_read_decoded", read_decoded)
    service = ReadingService(Reader())
    asyncio.run(service.answer(Upload([(None, data)], is_list=False), Options(stages=stages)))
    assert len(set(threads)) == 1
    return threads[0] is threading.main_thread()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "PPM"])
def test_images_as_in_mnist_are_read_in_place(
    kind: str, test_images: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encode(test_images.images_NHW[0], kind)
    assert is_read_in_place(data, monkeypatch)
    assert not is_read_in_place(data, monkeypatch, stages=True)


def test_an_image_that_may_take_long_is_read_in_the_thread(
    test_images: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    digit_HW = test_images.images_NHW[0]
    pages = [Image.fromarray(digit_HW)] * 20
    for data in (
        to_png(draw_dense_page()),
        to_png(np.pad(digit_HW, 10)),
        encode(digit_HW, "TIFF", save_all=True, append_images=pages),
        encode(digit_HW, "GIF", save_all=True, append_images=pages),
        encode(digit_HW, "PNG") + bytes(10_000),
    ):
        assert not is_read_in_place(data, monkeypatch)
