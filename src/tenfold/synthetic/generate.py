"""Many scenes or strips, drawn by all cores: the images that a recipe with scenes trains on.

In: labelled digit images, how many are wanted, a seed. Out: digit images with labels 0 to 10, or
strips with the digits on them. However many processes draw, each is the same.
"""

from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tenfold.errors import RunError
from tenfold.synthetic.characters import Images, Labels
from tenfold.synthetic.photos import build_scene
from tenfold.synthetic.text_lines import BANK_SIZE, Bank, build_strip
from tenfold.system.machine import count_cores
from tenfold.system.processes import KILLED, starting_pool

CHUNK = 500
FEWEST_FOR_PROCESSES = 2000


@dataclass(frozen=True)
class SceneSource:
    """Scenes by index, made of labelled digit images."""

    images_NHW: Images
    labels_N: Labels
    seed: int

    def build(self, index: int) -> tuple[Images, Labels]:
        """A digit image, uint8 [28, 28], and its label, uint8 []."""
        image, label = build_scene(self.images_NHW, self.labels_N, self.seed, index)
        return image, np.array(label, np.uint8)


@dataclass(frozen=True)
class StripSource:
    """Strips by index, made of labelled digit images."""

    images_NHW: Images
    labels_N: Labels
    seed: int
    bank_size: int = BANK_SIZE

    @classmethod
    def for_strips(
        cls, images_NHW: Images, labels_N: Labels, seed: int, num_strips: int
    ) -> "StripSource":
        """With as many forms as pay for so many strips: one has about ten digits."""
        return cls(images_NHW, labels_N, seed, bank_size=min(BANK_SIZE, 10 * num_strips))

    @cached_property
    def bank(self) -> Bank:
        """The forms that all strips are made of, drawn when the first is built."""
        return Bank(self.images_NHW, self.labels_N, self.seed, self.bank_size)

    def build(self, index: int) -> tuple[Images, Labels]:
        """A strip, uint8 [32, W], and its digits, uint8 [L]."""
        return build_strip(self.bank, self.seed, index)


Source = SceneSource | StripSource
_source: Source | None = None  # a worker's own


def build_many(
    source: Source,
    num_wanted: int,
    *,
    processes: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[Images, Labels]:
    """What a source has at 0 to `num_wanted`: images, uint8 [num_wanted, H, W], and labels.

    `on_progress` is called now and then with how many there are. Raises RunError if a worker
    process is killed.
    """
    processes = processes or count_cores()
    chunks = [range(i, min(i + CHUNK, num_wanted)) for i in range(0, num_wanted, CHUNK)]
    images: list[Images] = []
    labels: list[Labels] = []

    def keep(chunk: range, built: tuple[Images, Labels]) -> None:
        images.append(built[0])
        labels.append(built[1])
        if on_progress is not None:
            on_progress(chunk.stop)

    if processes == 1 or num_wanted < FEWEST_FOR_PROCESSES:
        for chunk in chunks:
            keep(chunk, _build(source, chunk))
        return np.concatenate(images), np.concatenate(labels)
    try:
        with starting_pool(processes, _prepare_worker, source) as pool:
            futures = [pool.submit(_build_in_worker, chunk) for chunk in chunks]
            for chunk in chunks:
                keep(chunk, futures.pop(0).result())
    except BrokenProcessPool as error:
        raise RunError(KILLED) from error
    return np.concatenate(images), np.concatenate(labels)


def _prepare_worker(source: Source) -> None:
    import cv2

    global _source
    cv2.setNumThreads(1)
    _source = source


def _build_in_worker(indices: range) -> tuple[Images, Labels]:
    assert _source is not None
    return _build(_source, indices)


def _build(source: Source, indices: range) -> tuple[Images, Labels]:
    built = [source.build(index) for index in indices]
    return np.stack([image for image, _ in built]), np.stack([label for _, label in built])
