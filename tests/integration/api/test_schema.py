"""Whatever is asked, answers are what the OpenAPI document says and never a failure of the server."""

import json
import os

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.config import SchemathesisConfig

from services.api.app import ENDPOINTS
from services.api.openapi import document
from tests.integration.api.running import Running

EXAMPLES = 200 if os.environ.get("ANOMALY_TUI_FAULTS") == "full" else 8
CHECKS = {
    # What a filter, a cursor or a decision may be is more than a schema can say.
    "positive_data_acceptance": {"enabled": False},
    "negative_data_rejection": {"expected-statuses": [400, 404, 405, 413, 415, 422]},
}

# A stream never ends, so that there is no whole answer to compare.
described = schemathesis.openapi.from_dict(
    json.loads(document(ENDPOINTS, "1")), config=SchemathesisConfig.from_dict({"checks": CHECKS})
).exclude(path="/api/stream")


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")
@described.parametrize()
@settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
def test_an_answer_is_as_described(case: Case, engine: Running) -> None:
    case.call_and_validate(base_url=str(engine.client.base_url), timeout=60)


def test_the_document_is_served(engine: Running) -> None:
    assert engine.get("/api/openapi.json")["paths"] == described.raw_schema["paths"]
