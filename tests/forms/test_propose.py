"""Fields proposed from a sheet's printed boxes."""

import numpy as np
import pytest

from forms.conftest import EXAMPLE
from tenfold.errors import FormError
from tenfold.forms.form import load_form
from tenfold.forms.propose import find_size, propose_fields, straighten
from tenfold.reading.sources import decode_source


def test_boxes_of_the_blank_sheet_are_found_where_they_are() -> None:
    form = load_form(EXAMPLE / "marks.toml")
    pixels_HWC = straighten(decode_source(form.reference).pixels_HWC)
    proposal = propose_fields(pixels_HWC)
    assert not proposal.filled
    combs = [one.digits for one in proposal.fields if one.digits]
    assert sorted(combs) == [3, 3, 7, 8]
    assert sum(one.kind == "tick" for one in proposal.fields) == 5
    names = [one.name for one in proposal.fields]
    assert {"row1_column1", "row12_column4"} <= set(names)
    assert "row13_column1" not in names
    drawn = [form.get_shares(one.box) for one in form.fields if one.kind != "bubbles"]
    for one in proposal.fields:
        assert min(np.abs(np.subtract(one.box, box)).max() for box in drawn) < 0.004, one.name


def test_a_filled_sheet_is_noticed() -> None:
    scan = decode_source(EXAMPLE / "sheets" / "scan-1.jpg").pixels_HWC
    proposal = propose_fields(straighten(scan))
    assert proposal.filled
    assert sum(one.digits is not None for one in proposal.fields) >= 3
    assert len(proposal.fields) >= 50


def test_a_page_without_boxes_is_refused() -> None:
    with pytest.raises(FormError, match="no printed boxes"):
        propose_fields(np.full((700, 500, 3), 255, np.uint8))


def test_sizes_are_found_by_proportions() -> None:
    assert find_size(1240, 1754) == ("A4", (210.0, 297.0))
    assert find_size(1650, 1275) == ("Letter", (279.4, 215.9))
    assert find_size(1000, 1000) is None
