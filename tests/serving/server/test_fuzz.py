"""Whatever is sent, what comes back is documented: schemathesis asks by the OpenAPI description."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from automl import tasks
from automl.serving.server.settings import Settings
from tests.serving.server.live import bundle_of, live

TASKS = ("text-classification", "question-answering", "image-classification", "text-generation")


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_every_answer_is_one_that_is_documented(name, tmp_path):
    bundle = bundle_of(tasks.get(name), tmp_path)
    with live(bundle, Settings(drain=0, max_rows=8)) as (url, _):
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        for result in schema.get_all_operations():
            operation = result.ok()

            @settings(
                max_examples=25,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            def asked(case):
                response = case.call()
                assert response.status_code != 500
                case.validate_response(response)

            operation.as_strategy()
            schemathesis_test = _given(operation, asked)
            schemathesis_test()


def _given(operation, function):
    from hypothesis import given

    body = function
    inner = given(case=operation.as_strategy())(lambda case: body(case))
    return settings(
        max_examples=25,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )(inner)
