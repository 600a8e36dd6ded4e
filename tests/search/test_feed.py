"""What the sampler learns from: which rung, which rows, what they say."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from automl.plan import Goal, Plan
from automl.search import feed
from automl.search.feed import Feed
from automl.search.trial import StudyTrial
from tests.search.trials import PLAN, trial

LIVE = ("small",)


def rows(trials: list[StudyTrial], plan: Plan = PLAN) -> list[FrozenTrial]:
    return list(Feed(plan).study(trials, LIVE).trials)


def ended(number: int, *seen: float, **changes: Any) -> StudyTrial:
    return trial(number, *seen, state="complete", **changes)


def test_the_highest_rung_with_enough_configurations_is_looked_at():
    low = [trial(n, 0.5, state="pruned") for n in range(feed.ENOUGH)]
    high = [trial(n, 0.5, 0.5, 0.6, state="pruned") for n in range(20, 20 + feed.ENOUGH)]
    full = [ended(n, 0.5, 0.5, 0.6, 0.7) for n in range(40, 40 + feed.ENOUGH)]
    found = Feed(PLAN)
    assert found.level([]) == 100
    assert found.level(low) == 100
    assert found.level([*low, *high[1:]]) == 100
    assert found.level([*low, *high]) == 300
    assert found.level([*low, *high, *full]) == math.inf


def test_a_row_has_the_best_value_up_to_the_rung_it_is_judged_at():
    assert [row.value for row in rows([trial(0, 0.5, 0.9, 0.95)])] == [0.5]
    ten = [trial(n, 0.5, 0.9, 0.6, 0.99) for n in range(feed.ENOUGH)]
    assert {row.value for row in rows(ten)} == {0.9}


def test_a_trial_that_has_trained_to_its_end_has_come_everywhere():
    short = ended(0, 0.5, 0.6)
    ten = [trial(n, 0.5, 0.9, 0.6) for n in range(1, 1 + feed.ENOUGH)]
    assert rows([short, *ten])[0].value == 0.6


def test_one_row_a_configuration_and_none_of_repeats_probes_and_failures():
    trials = [
        ended(0, 0.5),
        ended(1, 0.6, repeat_of=0),
        ended(2, 0.7, method="probe"),
        trial(3, 0.8, state="failed"),
    ]
    assert [row.value for row in rows(trials)] == [0.5]


def test_who_was_given_up_or_waits_below_counts_as_under_way():
    ten = [trial(n, 0.5, 0.5, 0.6, state="pruned") for n in range(feed.ENOUGH)]
    rest = [trial(20, 0.9, state="pruned"), trial(21, 0.9, paused=True), trial(22)]
    found = rows([*ten, *rest])[feed.ENOUGH :]
    assert [row.state for row in found] == [TrialState.RUNNING] * 3


def test_costs_beyond_their_limits_are_told_as_constraints():
    plan = replace(PLAN, goal=Goal("macro_f1", "maximize", ("latency_ms <= 5",)))
    slow, fast = (ended(n, 0.5, costs={"latency_ms": ms}) for n, ms in enumerate((9.0, 1.0)))
    assert [bool(row.constraints) for row in rows([slow, fast], plan)] == [True, False]


def test_several_objectives_are_all_told_and_unknown_ones_are_waited_for():
    plan = replace(PLAN, goal=Goal("macro_f1", "maximize", also={"latency_ms": "minimize"}))
    known, unknown = ended(0, 0.5, costs={"latency_ms": 3.0}), ended(1, 0.6)
    found = rows([known, unknown], plan)
    assert found[0].values == [0.5, 3.0]
    assert found[1].state is TrialState.RUNNING


def test_a_long_study_is_cut_to_its_best_and_its_newest():
    values = [(n * 37 % 1000) / 1000 for n in range(1000)]
    trials = [ended(n, value, rate=1e-4) for n, value in enumerate(values)]
    found = rows(trials)
    assert len(found) == feed.MOST_ROWS
    told = [row.value for row in found]
    assert set(sorted(values)[-feed.BEST_ROWS :]) <= set(told)
    assert told[-100:] == values[-100:]


def test_configurations_outside_todays_space_are_left_out():
    far = trial(0, 0.5, rate=0.5)
    assert rows([far, trial(1, 0.6)])[0].value == 0.6
    assert len(rows([far, trial(1, 0.6)])) == 1
    assert len(rows([trial(0, 0.5, candidate="gone"), trial(1, 0.6)])) == 1


def test_without_rungs_only_ended_trials_are_compared():
    plan = replace(PLAN, search=replace(PLAN.search, strategy="median", rungs=()))
    found = rows([ended(0, 0.5), trial(1, 0.6), trial(2, 0.7, state="pruned")], plan)
    assert [row.state for row in found] == [
        TrialState.COMPLETE,
        TrialState.RUNNING,
        TrialState.PRUNED,
    ]
