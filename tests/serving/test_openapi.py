"""Valid and invalid requests generated from the OpenAPI document: responses match the document."""

import pytest

schemathesis = pytest.importorskip("schemathesis")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from schemathesis.checks import negative_data_rejection  # noqa: E402

MODES = {mode.name: mode for mode in schemathesis.GenerationMode}
OPERATIONS = ["POST /annotate", "GET /healthz", "GET /readyz", "GET /pipeline"]


@pytest.fixture(scope="module")
def operations(service):
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json")
    found = [result.ok() for result in schema.get_all_operations()]
    return {operation.label: operation for operation in found}


def test_all_operations_are_covered(operations):
    assert set(operations) == set(OPERATIONS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("label", "mode"),
    [(label, "POSITIVE") for label in OPERATIONS] + [("POST /annotate", "NEGATIVE")],
)
def test_responses_match_document(operations, label, mode):
    operation = operations[label]
    examples = 60 if "POST" in label else 3

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def check(data):
        case = data.draw(operation.as_strategy(generation_mode=MODES[mode]))
        # schemathesis expects 4xx codes other than 413 for long inputs.
        excluded = [negative_data_rejection] if mode == "NEGATIVE" else []
        response = case.call_and_validate(timeout=30, excluded_checks=excluded)
        expected = {200, 413} if mode == "POSITIVE" else {400, 405, 413, 415, 422}
        assert response.status_code in expected

    check()
