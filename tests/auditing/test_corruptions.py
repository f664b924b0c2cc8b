import numpy as np
import pytest

from tenfold.auditing.corruptions import CORRUPTIONS, corrupt
from tenfold.data.mnist import LabelledImages

RANDOM = CORRUPTIONS.keys() - {"scale", "brightness", "stripe", "canny_edges"}


def test_the_names_are_those_of_mnist_c() -> None:
    assert " ".join(CORRUPTIONS) == (
        "shot_noise impulse_noise glass_blur motion_blur shear scale rotate brightness translate "
        "stripe fog spatter dotted_line zigzag canny_edges"
    )


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_deterministic_and_changes_every_image(
    name: str, test_images: LabelledImages
) -> None:
    images = test_images.images_NHW[:40]
    before = images.copy()
    corrupted = corrupt(name, images)
    assert (images == before).all()
    assert (corrupted.shape, corrupted.dtype) == (images.shape, np.uint8)
    assert (corrupted == corrupt(name, images)).all()
    assert (corrupted != images).any(axis=(1, 2)).all()
    assert (corrupted != corrupt(name, images, seed=1)).any() == (name in RANDOM)
