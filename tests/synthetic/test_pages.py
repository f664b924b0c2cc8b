"""Synthetic pages: reproducible, and with the class of every pixel."""

import cv2
import numpy as np
import pytest

from tenfold.reading.page_segmenter import PAPER, RULE, TEXT
from tenfold.synthetic.canvas import Images
from tenfold.synthetic.hands import load_handwriting
from tenfold.synthetic.pages import SHAPES, _Page, build_page, choose_shape
from tenfold.synthetic.samples import SampleBank

NUM_PAGES, NUM_SAMPLES = 100, 30


@pytest.fixture(scope="module")
def bank() -> SampleBank:
    return SampleBank(load_handwriting(), 0, 0, NUM_SAMPLES)


@pytest.fixture(scope="module")
def pages(bank: SampleBank) -> list[tuple[Images, Images]]:
    return [build_page(bank, 0, index) for index in range(NUM_PAGES)]


def test_pages_have_the_chosen_shapes_and_all_classes(pages: list[tuple[Images, Images]]) -> None:
    for index, (page_HWC, classes_HW) in enumerate(pages):
        assert page_HWC.shape == (*choose_shape(0, index), 3)
        assert classes_HW.shape == page_HWC.shape[:2]
        assert page_HWC.dtype == classes_HW.dtype == np.uint8
        assert classes_HW.max() <= RULE
    assert {classes_HW.shape for _, classes_HW in pages} == set(SHAPES)
    shares = np.array([[np.mean(classes == k) for k in range(3)] for _, classes in pages])
    assert shares[:, PAPER].min() > 0.3
    assert 0.02 < np.mean(shares[:, TEXT]) < 0.2
    assert 0.02 < np.mean(shares[:, RULE]) < 0.2
    assert 0.02 < np.mean(shares[:, TEXT] == 0) < 0.3  # blank pages
    assert 0.2 < np.mean(shares[:, RULE] == 0) < 0.8


def test_a_page_depends_on_its_bank_seed_and_index_alone(
    bank: SampleBank, pages: list[tuple[Images, Images]]
) -> None:
    again = SampleBank(load_handwriting(), 0, 0, NUM_SAMPLES)
    for index in (3, 40):
        assert all(map(np.array_equal, build_page(again, 0, index), pages[index]))
    everything = {page_HWC.tobytes() for page_HWC, _ in pages}
    assert len(everything) == NUM_PAGES
    assert build_page(bank, 1, 3)[0].tobytes() not in everything
    other = SampleBank(load_handwriting(), 0, 1, NUM_SAMPLES)
    first, second = ([sample.ink_HW.tobytes() for sample in b.digits] for b in (bank, other))
    assert not set(first) & set(second)


# Some rules are printed in nearly the paper's colour.
@pytest.mark.parametrize(("kind", "least"), [(TEXT, 0.9), (RULE, 0.75)])
def test_pixels_of_writing_and_rules_differ_from_the_paper_beside_them(
    pages: list[tuple[Images, Images]], kind: int, least: float
) -> None:
    differences = []
    for page_HWC, classes_HW in pages:
        is_kind_HW = classes_HW == kind
        near_HW = cv2.dilate(is_kind_HW.view(np.uint8), np.ones((9, 9), np.uint8)) > 0
        beside_HW = near_HW & (classes_HW == PAPER)
        if is_kind_HW.sum() < 50 or beside_HW.sum() < 50:
            continue
        inside, outside = (np.median(page_HWC[mask], axis=0) for mask in (is_kind_HW, beside_HW))
        differences.append(np.abs(inside - outside).max())
    assert len(differences) > 0.3 * NUM_PAGES
    assert np.mean(np.array(differences) > 12) > least


def test_samples_are_scaled_to_the_height_of_digits_and_fit_the_width(bank: SampleBank) -> None:
    rng = np.random.default_rng(0)
    heights = [len(bank.draw(50, rng, is_digit=True)) for _ in range(100)]
    assert 35 < np.median(heights) < 70
    assert max(bank.draw(50, rng, max_width=90).shape[1] for _ in range(50)) <= 90


def test_digits_in_boxes_and_combs_stand_close_to_their_lines_and_touch_some(
    bank: SampleBank,
) -> None:
    num_pages, num_touching, num_without_top = 40, 0, 0
    for seed in range(num_pages):
        page = _Page(bank, (128, 192), np.random.default_rng(seed))
        page._fill_boxes()
        rules_HW, text_HW = page.rules.ink_HW > 0.5, page.text_HW > 0.5
        assert rules_HW.any()
        num_touching += bool((rules_HW & text_HW).any())
        rows = np.flatnonzero(rules_HW.any(axis=1))
        num_without_top += bool(text_HW[: rows[0]].any())
    assert num_touching > 0.5 * num_pages
    # Teeth of combs are lower than the digits between them.
    assert 0.1 * num_pages < num_without_top < 0.7 * num_pages
