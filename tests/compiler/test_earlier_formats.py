"""What an earlier automl wrote keeps loading: fixtures in the formats of their time."""

from __future__ import annotations

from dataclasses import replace

from automl import documents
from automl.compiler.drift import lock_drift, plan_changes
from automl.compiler.lock import make_lock, read_lock
from automl.plan import Plan
from tests.compiler.conftest import GOLDEN

EARLIER = GOLDEN / "plan-of-a-pruner.json"


def test_a_plan_with_a_pruner_and_without_rungs_loads():
    plan = documents.read(Plan, EARLIER)
    assert (plan.search.strategy, plan.search.sampler) == ("median", "tpe")
    assert (plan.search.rungs, plan.search.repeats, plan.screening) == ((), 0, ())
    assert all(each.portfolio == () for each in plan.candidates)
    assert not any(parameter.when for each in plan.candidates for parameter in each.space)
    assert documents.from_json(Plan, documents.to_json(plan)) == plan


def test_a_study_of_that_time_may_go_on_under_todays_plan():
    earlier = documents.read(Plan, EARLIER)
    today = replace(documents.read(Plan, GOLDEN / "plan.json"), versions=earlier.versions)
    changes = plan_changes(earlier, today)
    assert changes.refused == ()
    said = " ".join(changes.allowed)
    assert "search.strategy changed: median → promotion" in said
    assert "pooling changed: not searched → mean, stock" in said


def test_a_lock_of_that_time_loads_and_names_what_is_new():
    lock = read_lock(GOLDEN / "lock-of-a-pruner.lock")
    assert lock == make_lock(documents.read(Plan, EARLIER))
    drift = lock_drift(lock, documents.read(Plan, GOLDEN / "plan.json"))
    assert "tiny-bert: pooling changed: not searched → mean, stock" in drift
    assert not any("learning_rate" in each for each in drift)
