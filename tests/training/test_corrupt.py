import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from tenfold.data.mnist import LabelledImages
from tenfold.recipes.catalogue import RECIPES
from tenfold.training.augment import Augmentation
from tenfold.training.corrupt import CHANCES, NUM_DRAWS, corrupt, draw_corruptions

ROBUST = RECIPES["robust"].augmentation


@pytest.fixture(scope="module")
def images(test_images: LabelledImages) -> Tensor:
    return torch.tensor(test_images.images_NHW[:60]) / 255


def draw(kind: int | None, num: int) -> Tensor:
    """Draws with one kind only."""
    generator = np.random.default_rng(2)
    draws = torch.from_numpy(draw_corruptions(num, np.ones(num, bool), generator))
    draws[:, : len(CHANCES)] = 0
    if kind is not None:
        draws[:, kind] = 1
    return draws


@pytest.mark.parametrize("kind", range(len(CHANCES)))
def test_each_kind_changes_most_images_and_keeps_them_in_range(kind: int, images: Tensor) -> None:
    before = images.clone()
    corrupted = corrupt(images, draw(kind, len(images)))
    assert torch.equal(images, before)
    assert corrupted.shape == images.shape
    assert corrupted.min() >= 0
    assert corrupted.max() <= 1
    assert ((corrupted - images).abs().amax((1, 2)) > 0.05).float().mean() > 0.8


def test_an_image_without_a_kind_stays_as_it_is(images: Tensor) -> None:
    assert torch.equal(corrupt(images, draw(None, len(images))), images)
    draws = draw(1, len(images))
    draws[::2, : len(CHANCES)] = 0
    assert torch.equal(corrupt(images, draws)[::2], images[::2])


def test_an_image_does_not_depend_on_its_batch(images: Tensor) -> None:
    draws = torch.from_numpy(draw_corruptions(60, np.ones(60, bool), np.random.default_rng(0)))
    assert draws.shape == (60, NUM_DRAWS)
    torch.testing.assert_close(corrupt(images, draws)[:7], corrupt(images[:7], draws[:7]))


def test_the_other_images_are_augmented_as_without_corruption(images: Tensor) -> None:
    plain = dataclasses.replace(ROBUST, corrupted_share=0.0)
    draws, others = (
        Augmentation(config).draw(60, np.random.default_rng(5)) for config in (ROBUST, plain)
    )
    assert draws.corruptions_NC is not None
    assert others.corruptions_NC is None
    is_same = (draws.fields_N2C == others.fields_N2C).all(2).all(1)
    assert 15 < int(is_same.sum()) < 45
    assert not draws.corruptions_NC[is_same][:, : len(CHANCES)].any()
    augmented, expected = (
        Augmentation(config).apply(images, each)
        for config, each in ((ROBUST, draws), (plain, others))
    )
    assert torch.equal(augmented[is_same], expected[is_same])
