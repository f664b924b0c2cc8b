"""Golden photos are read as recorded, faults included.

After a change that is meant to change a reading, record the readings again with
golden/make_photos.py. A wrong reading has the truth beside it as `expected`.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tenfold.reading.reader import Reader
from tenfold.reading.result import Status

GOLDEN = Path(__file__).parent / "golden"
ENTRIES: dict[str, dict[str, Any]] = json.loads((GOLDEN / "readings.json").read_text())
CONFIDENCE_TOLERANCE = 1e-3  # processors differ in the last bits of a network's sums


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


@pytest.mark.parametrize("name", ENTRIES)
def test_a_photo_is_read_as_recorded(name: str, reader: Reader) -> None:
    recorded = ENTRIES[name]["reading"]
    reading = reader.read(GOLDEN / name, single=ENTRIES[name]["single"]).to_json()
    expected, found = (each.pop("digits") + each.pop("signs") for each in (recorded, reading))
    if recorded["status"] == Status.ERROR:  # the reason is in Pillow's words
        del recorded["message"], reading["message"]
    assert reading == recorded
    confidences = [one.pop("confidence") for one in expected]
    assert [one.pop("confidence") for one in found] == pytest.approx(
        confidences, abs=CONFIDENCE_TOLERANCE
    )
    assert found == expected


def test_every_photo_is_recorded() -> None:
    photos = {path.name for path in GOLDEN.iterdir() if path.suffix in (".png", ".jpg")}
    assert photos == set(ENTRIES)
