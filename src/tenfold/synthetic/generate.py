"""Many synthetic training images, drawn in parallel, from labelled digit images and a seed.

An image depends on the seed and its index alone, not on the number of worker processes.
"""

from collections.abc import Callable, Generator
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from tenfold.errors import RunError
from tenfold.synthetic.canvas import Images, Labels
from tenfold.synthetic.photos import build_digit_image
from tenfold.system.machine import count_cores
from tenfold.system.processes import KILLED, starting_pool

CHUNK_SIZE = 500
MIN_FOR_PROCESSES = 2000


@dataclass(frozen=True)
class DigitSource:
    """Digit images with labels 0 to 10, by index."""

    images_NHW: Images
    labels_N: Labels
    seed: int

    def build(self, index: int) -> tuple[Images, int]:
        """A digit image, uint8 [28, 28], and its label."""
        return build_digit_image(self.images_NHW, self.labels_N, self.seed, index)


_source: DigitSource | None = None  # of this worker process


def generate_images(
    source: DigitSource,
    num_images: int,
    *,
    processes: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[Images, Labels]:
    """The first images of a source, uint8 [num_images, 28, 28], and their labels.

    `on_progress` is called with the number of images so far. Raises RunError if a worker process is
    killed.
    """
    processes = processes or count_cores()
    chunks = [range(i, min(i + CHUNK_SIZE, num_images)) for i in range(0, num_images, CHUNK_SIZE)]
    images, labels = [], []
    is_parallel = processes > 1 and num_images >= MIN_FOR_PROCESSES
    with closing(_build_chunks(source, chunks, processes if is_parallel else 1)) as built:
        for chunk, (images_NHW, labels_of_chunk) in zip(chunks, built, strict=True):
            images.append(images_NHW)
            labels.append(labels_of_chunk)
            if on_progress is not None:
                on_progress(chunk.stop)
    return np.concatenate(images), np.concatenate(labels)


def _build_chunks(
    source: DigitSource, chunks: list[range], processes: int
) -> Generator[tuple[Images, Labels]]:
    if processes == 1:
        yield from (_build_chunk(source, chunk) for chunk in chunks)
        return
    try:
        with starting_pool(processes, _prepare_worker, source) as pool:
            yield from pool.map(_build_in_worker, chunks)
    except BrokenProcessPool as error:
        raise RunError(KILLED) from error


def _prepare_worker(source: DigitSource) -> None:
    import cv2

    global _source
    cv2.setNumThreads(1)
    _source = source


def _build_in_worker(indices: range) -> tuple[Images, Labels]:
    assert _source is not None
    return _build_chunk(_source, indices)


def _build_chunk(source: DigitSource, indices: range) -> tuple[Images, Labels]:
    images, labels = zip(*(source.build(index) for index in indices), strict=True)
    return np.stack(images), np.array(labels, np.uint8)
