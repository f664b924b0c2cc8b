import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenfold.data.batches import build_order, count_batches


@given(seed=st.integers(0, 2**64), epoch=st.integers(0, 10_000), num_images=st.integers(1, 300))
def test_an_order_holds_every_image_once(seed: int, epoch: int, num_images: int) -> None:
    order = build_order(seed, epoch, num_images)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(num_images))


def test_an_order_depends_on_seed_and_epoch_alone() -> None:
    order = build_order(3, 1, 1000)
    np.random.default_rng(0).random(10)
    np.testing.assert_array_equal(order, build_order(3, 1, 1000))


def test_orders_differ_between_seeds_and_epochs() -> None:
    orders = {build_order(seed, epoch, 1000).tobytes() for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


def test_an_order_stays_what_it_is_from_release_to_release() -> None:
    # Written down when the order was chosen: another one would make old runs unrepeatable.
    assert build_order(0, 0, 10).tolist() == [4, 6, 2, 7, 3, 5, 9, 0, 8, 1]
    assert build_order(1, 2, 10).tolist() == [8, 5, 6, 0, 9, 1, 4, 3, 7, 2]


@pytest.mark.parametrize(
    ("num_images", "batch_size", "expected"),
    [(60_000, 100, 600), (50_000, 100, 500), (10, 3, 4), (9, 3, 3), (1, 100, 1), (100, 1, 100)],
)
def test_batches_are_counted_with_the_smaller_last_one(
    num_images: int, batch_size: int, expected: int
) -> None:
    assert count_batches(num_images, batch_size) == expected


@given(num_images=st.integers(1, 10_000), batch_size=st.integers(1, 10_000))
def test_count_is_that_of_cutting_the_order(num_images: int, batch_size: int) -> None:
    assert count_batches(num_images, batch_size) == len(range(0, num_images, batch_size))
