"""What many tests share: the embedded MNIST, loaded once."""

import signal
from pathlib import Path

import pytest
from hypothesis import settings

from tenfold.data.idx import dump_idx
from tenfold.data.mnist import LabelledImages, load_part

# A shell lets its background jobs ignore Ctrl-C; what tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more about the machine's other work than about Tenfold.
settings.register_profile("tenfold", deadline=None)
settings.load_profile("tenfold")


@pytest.fixture(scope="session")
def training() -> LabelledImages:
    """The 60,000 training images."""
    return load_part(None, "train")


@pytest.fixture(scope="session")
def test_images() -> LabelledImages:
    """The 10,000 test images."""
    return load_part(None, "test")


@pytest.fixture(scope="session")
def small_data(
    training: LabelledImages, test_images: LabelledImages, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """1,200 training and 500 test images of MNIST, as plain IDX files."""
    folder = tmp_path_factory.mktemp("small")
    for prefix, images, count in (("train", training, 1200), ("t10k", test_images, 500)):
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(dump_idx(images.images_NHW[:count]))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(dump_idx(images.labels_N[:count]))
    return folder
