"""Signs between digits as pen strokes."""

import numpy as np
import pytest

from tenfold.reading.line_reader import SIGNS
from tenfold.synthetic.hands import render
from tenfold.synthetic.signs import draw_sign


@pytest.mark.parametrize("sign", SIGNS)
def test_every_sign_of_the_line_reader_is_drawn(sign: str) -> None:
    drawn = [draw_sign(sign, np.random.default_rng(seed)) for seed in range(20)]
    for strokes in drawn:
        points = np.concatenate(strokes)
        assert points.shape[1] == 2
        assert (points > -0.5).all()
        assert (points < 1.5).all()
        assert render(strokes, 40, 3).max() > 0.9
    assert len({np.concatenate(strokes).tobytes() for strokes in drawn}) == len(drawn)


def test_signs_have_their_place_beside_a_digit() -> None:
    def find_middle(sign: str) -> float:
        ys = [
            np.concatenate(draw_sign(sign, np.random.default_rng(seed)))[:, 1] for seed in range(50)
        ]
        return float(np.mean([(y.min() + y.max()) / 2 for y in ys]))

    assert 0.9 < find_middle(".") < find_middle(",") < 1.2
    for sign in "-+=/:$#%":
        assert 0.4 < find_middle(sign) < 0.75
