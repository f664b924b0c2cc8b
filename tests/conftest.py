"""What many tests share: the embedded MNIST, loaded once."""

import pytest
from hypothesis import settings

from tenfold.data.mnist import LabelledImages, load_part

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
