import dataclasses
import json
import re
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import pytest

from made_studies import build_evaluation, build_study, miss
from tenfold.runs.results import Calibration, Evaluation
from tenfold.studies.claims import find_claims
from tenfold.studies.statistics import summarize
from tenfold.studies.summary import Summary
from tenfold.system.json_types import OMIT_DEFAULT, from_json, to_json

LABELS_N = np.arange(60).astype(np.uint8) % 10


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: float
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outer:
    count: Annotated[int, range(1, 10)]
    parts: tuple[Inner, ...]
    pairs: dict[str, tuple[int, float]]
    extra: Inner | None = field(default=None, metadata=OMIT_DEFAULT)
    names: tuple[str, ...] = field(default=(), metadata=OMIT_DEFAULT)


VALUES: dict[str, Any] = {
    "count": 3,
    "parts": [{"size": 1.5, "note": None}],
    "pairs": {"a": [1, 2.5]},
}
OUTER = Outer(count=3, parts=(Inner(size=1.5),), pairs={"a": (1, 2.5)})


def test_a_dataclass_is_restored_from_its_json() -> None:
    assert to_json(OUTER) == VALUES
    assert list(to_json(OUTER)) == ["count", "parts", "pairs"]
    assert from_json(Outer, VALUES) == OUTER


def test_an_optional_field_with_its_default_is_left_out() -> None:
    full = dataclasses.replace(OUTER, extra=Inner(size=2.0), names=("x",))
    values = {**VALUES, "extra": {"size": 2.0, "note": None}, "names": ["x"]}
    assert to_json(full) == values
    assert from_json(Outer, values) == full


def test_whole_numbers_become_floats_for_float_fields() -> None:
    size = from_json(Inner, {"size": 2}).size
    assert (size, type(size)) == (2.0, float)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"count": 0}, "count must be a whole number from 1 to 9, not 0"),
        ({"count": True}, "count must be a whole number, not True"),
        ({"parts": [{}]}, "parts[0].size: missing"),
        ({"parts": [{"size": "x"}]}, "parts[0].size must be a number, not 'x'"),
        ({"parts": [{"size": 1.0, "note": 3}]}, "parts[0].note must be text or null, not 3"),
        ({"pairs": {"a": [1]}}, "pairs.a must be an array of 2, not [1]"),
        ({"pairs": {"a": [1.5, 1]}}, "pairs.a[0] must be a whole number, not 1.5"),
        ({"extra": 3}, "extra must be an object or null, not 3"),
        ({"colour": "red"}, "colour: unknown field"),
    ],
)
def test_a_value_of_another_type_is_refused_naming_the_field(
    changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        from_json(Outer, {**VALUES, **changed})


def test_results_are_restored_from_json() -> None:
    predicted_N = np.where(LABELS_N == 3, 8, LABELS_N).astype(np.int64)
    evaluation = build_evaluation(LABELS_N, predicted_N, np.full(60, 0.5))
    study = build_study(LABELS_N, miss(LABELS_N, [[1, 2], [2]]))
    study = dataclasses.replace(study, longer=study)
    summary = summarize(study, LABELS_N, is_mnist=False)
    summary = dataclasses.replace(summary, findings=find_claims(summary, is_mnist=False))
    calibration = Calibration(temperature=1.5, read=0.9, not_digit=1.0, turned_away=0.01)
    for kind, value in ((Evaluation, evaluation), (Summary, summary), (Calibration, calibration)):
        values = json.loads(json.dumps(to_json(value)))
        assert from_json(kind, values) == value
        assert to_json(from_json(kind, values)) == values
