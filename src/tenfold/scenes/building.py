"""Many scenes, drawn by all cores: the images that a recipe with scenes trains on.

In: labelled digit images, how many scenes, a seed. Out: digit images with labels 0 to 10. However
many processes draw, a scene is the same.
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from tenfold.reading.bulk import count_cores
from tenfold.scenes.forms import Images, Labels
from tenfold.scenes.scene import build_scene

CHUNK = 500
FEWEST_FOR_PROCESSES = 2000

_source: tuple[Images, Labels] | None = None  # a worker's own


def build_scenes(
    images_NHW: Images,
    labels_N: Labels,
    num_scenes: int,
    seed: int,
    *,
    processes: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> tuple[Images, Labels]:
    """Scenes 0 to `num_scenes` as digit images, uint8 [num_scenes, 28, 28], and labels.

    `on_progress` is told now and then how many there are.
    """
    processes = processes or count_cores()
    scenes_NHW = np.empty((num_scenes, 28, 28), np.uint8)
    scene_labels_N = np.empty(num_scenes, np.uint8)
    chunks = [range(i, min(i + CHUNK, num_scenes)) for i in range(0, num_scenes, CHUNK)]

    def keep(chunk: range, built: tuple[Images, Labels]) -> None:
        scenes_NHW[chunk.start : chunk.stop], scene_labels_N[chunk.start : chunk.stop] = built
        if on_progress is not None:
            on_progress(chunk.stop)

    if processes == 1 or num_scenes < FEWEST_FOR_PROCESSES:
        for chunk in chunks:
            keep(chunk, _build(images_NHW, labels_N, seed, chunk))
        return scenes_NHW, scene_labels_N
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _start_worker, (images_NHW, labels_N)) as pool:
        try:
            futures = [pool.submit(_build_in_worker, seed, chunk) for chunk in chunks]
            for chunk, future in zip(chunks, futures, strict=True):
                keep(chunk, future.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return scenes_NHW, scene_labels_N


def _start_worker(images_NHW: Images, labels_N: Labels) -> None:
    import signal

    import cv2

    global _source
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one stops it
    _source = images_NHW, labels_N


def _build_in_worker(seed: int, indices: range) -> tuple[Images, Labels]:
    assert _source is not None
    return _build(*_source, seed, indices)


def _build(
    images_NHW: Images, labels_N: Labels, seed: int, indices: range
) -> tuple[Images, Labels]:
    built = [build_scene(images_NHW, labels_N, seed, index) for index in indices]
    return np.stack([image for image, _ in built]), np.array(
        [label for _, label in built], np.uint8
    )
