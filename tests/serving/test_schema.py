"""The API held to its own description, by requests made up from it."""

import contextlib
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.specs.openapi.checks import positive_data_acceptance

from servers import Served

FEW, MANY = 25, 400
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
ADDRESSES = {
    *("POST /v1/read", "POST /v1/session", "GET /v1/model", "GET /v1/runs", "GET /metrics"),
    *("GET /v1/runs/{name}/losses", "GET /runs/{name}/report"),
    *("GET /health/live", "GET /health/ready"),
}
pytestmark = pytest.mark.filterwarnings("ignore")  # schemathesis' own


def check_every_address(address: str, num_requests: int) -> None:
    """As described, for requests that are and for ones that are not."""
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    seen = set()
    for result in schema.get_all_operations():
        operation = result.ok()  # type: ignore[union-attr]
        seen.add(operation.label)
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(max_examples=num_requests, suppress_health_check=QUIET, database=None)
            def check(case: Any) -> None:
                # That bytes are no image is not to be told from their schema.
                excluded = [positive_data_acceptance] if case.method == "POST" else []
                case.call_and_validate(excluded_checks=excluded)

            # Of an address without parameters and body nothing can be wrong.
            with contextlib.suppress(Unsatisfiable):
                check()
    assert seen == ADDRESSES


def test_every_route_conforms_to_its_schema(served: Served) -> None:
    check_every_address(served.address, FEW)


@pytest.mark.heavy
def test_every_route_conforms_to_its_schema_at_length(served: Served) -> None:
    check_every_address(served.address, MANY)
