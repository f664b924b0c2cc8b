import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tenfold.data.batches import build_order, count_batches


@given(seed=st.integers(0, 2**64), epoch=st.integers(0, 10_000), num_images=st.integers(1, 300))
def test_an_order_is_a_permutation(seed: int, epoch: int, num_images: int) -> None:
    order = build_order(seed, epoch, num_images)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(num_images))


def test_orders_do_not_change_between_releases() -> None:
    # With another order, old runs could not be repeated.
    assert build_order(0, 0, 10).tolist() == [4, 6, 2, 7, 3, 5, 9, 0, 8, 1]
    assert build_order(1, 2, 10).tolist() == [8, 5, 6, 0, 9, 1, 4, 3, 7, 2]


def test_an_order_depends_on_seed_and_epoch_alone() -> None:
    orders = {build_order(seed, epoch, 1000).tobytes() for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16
    np.random.default_rng(0).random(10)
    assert build_order(3, 1, 1000).tobytes() in orders


@given(num_images=st.integers(1, 10_000), batch_size=st.integers(1, 10_000))
def test_a_smaller_last_batch_is_counted(num_images: int, batch_size: int) -> None:
    assert count_batches(num_images, batch_size) == len(range(0, num_images, batch_size))
