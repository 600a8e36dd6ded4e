"""Documents: what is written comes back; what is not ours is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl import documents
from automl.errors import InputError
from automl.plan import Configuration, Parameter, Plan
from tests import factories

TEXT = st.text(max_size=20)


@settings(max_examples=60, deadline=None)
@given(
    name=TEXT,
    labels=st.lists(TEXT, max_size=4),
    low=st.floats(1e-9, 1.0),
    trials=st.integers(1, 99),
)
def test_plan_round_trips_byte_for_byte(name: str, labels: list[str], low: float, trials: int):
    from dataclasses import replace

    space = (Parameter("learning_rate", "float", low, low, low * 10, log=True, prior=low * 2),)
    made = factories.plan(factories.candidate("a", space=space), name=name)
    made = replace(
        made,
        data=replace(made.data, labels=tuple(labels)),
        budget=replace(made.budget, trials=trials),
    )
    data = documents.to_json(made)
    back = documents.from_json(Plan, data)
    assert back == made
    assert documents.to_json(back) == data


def test_newer_version_is_refused_with_what_to_do():
    plain = json.loads(documents.to_json(factories.plan()))
    with pytest.raises(InputError, match="version 2; this automl reads up to 1: upgrade"):
        documents.from_json(Plan, json.dumps({**plain, "version": 2}), source="plan.json")


@pytest.mark.parametrize(
    "data", ["[]", "{}", '{"schema": "automl/lock", "version": 1}', "nonsense"]
)
def test_another_document_is_refused_by_name(data: str):
    with pytest.raises(InputError, match=r"plan\.json"):
        documents.from_json(Plan, data, source="plan.json")


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "plan.json"
    documents.write(path, factories.plan())
    before = path.read_bytes()
    with pytest.raises(TypeError):
        documents.write_bytes(path, "text, not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_line_is_one_line():
    line = documents.to_line(Configuration("a\nb", {"x": 1}))
    assert line.count("\n") == 1
    assert line.endswith("\n")
