import math

import numpy as np
import pytest

from tenfold.errors import RecipeError
from tenfold.workflow.arguments import check_integer


def test_integers_in_range_are_accepted() -> None:
    assert check_integer("--seed", np.uint8(7), range(8)) == 7
    assert type(check_integer("--seed", np.uint8(7), range(8))) is int
    for value in (8, -1, 3.0, True, "3", None, math.nan):
        with pytest.raises(RecipeError) as raised:
            check_integer("--seed", value, range(8))
        assert str(raised.value) == f"--seed must be a whole number from 0 to 7, not {value!r}"
