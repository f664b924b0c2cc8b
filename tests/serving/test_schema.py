"""The API compared with its OpenAPI description, by generated requests."""

import contextlib
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from servers import Served

FEW, MANY = 25, 400
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
ADDRESSES = {
    *(
        "POST /v1/read",
        "POST /v1/table",
        "GET /v1/model",
        "GET /metrics",
        "GET /health/live",
        "GET /health/ready",
    ),
}
pytestmark = pytest.mark.filterwarnings("ignore")  # schemathesis' own


def check_every_endpoint(address: str, num_requests: int) -> None:
    """Check each endpoint with valid and invalid requests."""
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    seen = set()
    for result in schema.get_all_operations():
        operation = result.ok()  # type: ignore[union-attr]
        seen.add(operation.label)
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(max_examples=num_requests, suppress_health_check=QUIET, database=None)
            def check(case: Any) -> None:
                # The schema cannot tell which bytes are an image, nor how a wrong value that
                # leaves nothing in the query differs from none.
                excluded = [positive_data_acceptance, negative_data_rejection]
                case.call_and_validate(excluded_checks=excluded if case.method == "POST" else [])

            # An endpoint without parameters and body has no invalid requests.
            with contextlib.suppress(Unsatisfiable):
                check()
    assert seen == ADDRESSES


def test_every_endpoint_matches_its_openapi_description(served: Served) -> None:
    check_every_endpoint(served.address, FEW)


@pytest.mark.heavy
def test_every_endpoint_matches_its_openapi_description_for_many_requests(served: Served) -> None:
    check_every_endpoint(served.address, MANY)
