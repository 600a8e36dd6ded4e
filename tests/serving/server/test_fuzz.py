"""Whatever is sent, what comes back is documented: schemathesis asks by the OpenAPI description."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import CHECKS, load_all_checks

from automl import tasks
from automl.serving.server.settings import Settings
from tests.serving.server.live import bundle_of, live

TASKS = ("text-classification", "question-answering", "image-classification", "text-generation")
load_all_checks()
MEANING = CHECKS.get_one("positive_data_acceptance")
"""Not asked for: base64 that is no picture, and a conversation that has its answer, fit the schema
and are refused with 422, as documented."""


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_every_answer_is_one_that_is_documented(name, tmp_path):
    bundle = bundle_of(tasks.get(name), tmp_path)
    statuses = set()
    with live(bundle, Settings(drain=0, max_rows=8)) as (url, _):
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        for result in schema.get_all_operations():
            operation = result.ok()

            @given(case=operation.as_strategy())
            @settings(
                max_examples=30,
                deadline=None,
                database=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            )
            def asked(case):
                response = case.call()
                statuses.add(response.status_code)
                case.validate_response(response, excluded_checks=[MEANING])

            asked()
    assert 200 in statuses
    assert not statuses & {500, 503, 504}
