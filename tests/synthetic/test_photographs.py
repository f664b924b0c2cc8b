"""Photographs of pages."""

import numpy as np

from tenfold.reading.page_segmenter import PAPER, RULE, TEXT
from tenfold.synthetic.photographs import photograph

HEIGHT, WIDTH = 64, 96
NUM_PHOTOS = 60


def test_classes_are_those_of_the_layers_of_ink() -> None:
    text_HW, rules_HW, pattern_HW = np.zeros((3, HEIGHT, WIDTH), np.float32)
    text_HW[20:40, 30:34] = 1
    rules_HW[30:32] = 1
    pattern_HW[::4] = 0.5
    num_whole = 0
    for seed in range(NUM_PHOTOS):
        layers = (text_HW.copy(), rules_HW.copy(), pattern_HW.copy())
        picture, classes_HW = photograph(*layers, np.random.default_rng(seed))
        assert picture.shape == (HEIGHT, WIDTH, 3)
        assert picture.dtype == np.uint8
        assert (classes_HW[20:40, 30:34] == TEXT).all()  # writing lies on top of a rule
        assert set(np.unique(classes_HW[30:32])) <= {PAPER, TEXT, RULE}
        beside_HW = np.delete(classes_HW, slice(30, 32), axis=0)
        assert (beside_HW == RULE).sum() == 0
        assert (beside_HW == TEXT).sum() == 18 * 4
        num_whole += (classes_HW[30:32] != PAPER).all()
        assert all(map(np.array_equal, layers, (text_HW, rules_HW, pattern_HW)))
    # Where the sheet ends, so do its rules.
    assert 0.8 * NUM_PHOTOS < num_whole < NUM_PHOTOS


def test_a_faint_rule_that_a_black_and_white_scan_loses_is_paper() -> None:
    text_HW, rules_HW, nothing_HW = np.zeros((3, HEIGHT, WIDTH), np.float32)
    text_HW[10:50, 40:50] = 1
    rules_HW[56:59] = 0.7
    num_scans = num_lost = 0
    for seed in range(200):
        picture, classes_HW = photograph(text_HW, rules_HW, nothing_HW, np.random.default_rng(seed))
        if set(np.unique(picture)) == {0, 255}:
            num_scans += 1
            num_lost += not (classes_HW == RULE).any()
            assert (picture[classes_HW == RULE] == 0).all()
            assert (classes_HW[10:50, 40:50] == TEXT).all()
    assert 0 < num_lost < num_scans


def test_photographs_vary_in_brightness_contrast_and_colour() -> None:
    text_HW, nothing_HW = np.zeros((2, HEIGHT, WIDTH), np.float32)
    text_HW[10:50, 40:50] = 1
    papers, inks, colours = [], [], []
    for seed in range(NUM_PHOTOS):
        picture, classes_HW = photograph(
            text_HW, nothing_HW, nothing_HW, np.random.default_rng(seed)
        )
        papers.append(np.median(picture[classes_HW == PAPER]))
        inks.append(np.median(picture[classes_HW == TEXT]))
        colours.append(np.ptp(picture.astype(int), axis=2).max())
    assert 0.05 < np.mean(np.array(inks) > papers) < 0.35  # bright writing on dark paper
    assert np.ptp(papers) > 150
    assert 0.05 < np.mean(np.array(colours) == 0) < 0.6  # grey, or black and white
