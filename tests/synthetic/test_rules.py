"""Ruled lines: combs, tables and frames."""

import numpy as np

from tenfold.synthetic.rules import RuleLayer


def build_layer() -> RuleLayer:
    return RuleLayer(np.zeros((60, 120), np.float32), np.random.default_rng(0))


def test_the_teeth_of_a_comb_rise_from_its_base_line() -> None:
    layer = build_layer()
    layer.draw_comb(np.array([10, 40, 70, 100]), 10, 50, tooth=15, side=40, thickness=1)
    is_rule_HW = layer.ink_HW > 0.3
    assert is_rule_HW[50, 10:101].all()
    assert np.flatnonzero(is_rule_HW[40]).tolist() == [10, 40, 70, 100]
    assert np.flatnonzero(is_rule_HW[30]).tolist() == [10, 100]  # higher at the ends
    assert not is_rule_HW[:9].any()


def test_a_frame_encloses_its_box() -> None:
    layer = build_layer()
    layer.draw_frame((20, 10, 90, 50), thickness=1)
    ys, xs = np.nonzero(layer.ink_HW > 0.3)
    assert (xs.min(), ys.min(), xs.max(), ys.max()) == (20, 10, 90, 50)
    assert not layer.ink_HW[13:48, 23:88].any()


def test_a_faint_line_lies_behind_a_strong_one() -> None:
    layer = build_layer()
    layer.draw_line((60, 0), (60, 59), 2)
    layer.draw_line((0, 30), (119, 30), 2, strength=0.4)
    assert layer.ink_HW[30, 60] == 1
    assert layer.ink_HW[30, 10] == np.float32(0.4)
