"""When a search ends before its budget, and when it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from automl.plan import Goal
from automl.search.noise import noise
from automl.search.stopping import settled
from automl.search.trial import StudyTrial
from tests.search.trials import PLAN, trial

ROWS = replace(PLAN.data, rows={"train": 100, "validation": 400, "test": 20})
WIDE = replace(PLAN, data=ROWS)
LIVE = ("small",)
# 400 rows at 0.8: the standard error is 0.02, half of it 0.01


def flat(count: int = 22, value: float = 0.8) -> list[StudyTrial]:
    """The first trial is the best and no later one is better."""
    return [trial(0, value, value, value, value, state="complete")] + [
        trial(n, value - 0.05, state="pruned") for n in range(1, count)
    ]


def test_a_search_without_a_gain_for_long_is_over_and_says_why():
    reason = settled(flat(), WIDE, LIVE)
    assert reason is not None
    assert "the last 11 of 22 configurations" in reason
    assert "0.01" in reason


def test_it_goes_on_while_there_are_too_few_to_tell():
    assert settled(flat(10), WIDE, LIVE) is None
    assert settled(flat(11), WIDE, LIVE) is not None


def test_a_late_gain_keeps_it_going_but_not_one_within_the_noise():
    late = [*flat(), trial(22, 0.82, state="pruned")]
    assert settled(late, WIDE, LIVE) is None
    lucky = [*flat(), trial(22, 0.805, state="pruned")]
    assert settled(lucky, WIDE, LIVE) is not None


def test_a_waiting_trial_that_may_still_win_keeps_it_going():
    gains = [trial(n, 0.5, 0.6, 0.7, 0.75, state="complete", passed=300) for n in (30, 31, 32)]
    trials = [*flat(), *gains]
    assert settled([*trials, trial(40, 0.5, paused=True)], WIDE, LIVE) is not None
    assert settled([*trials, trial(40, 0.6, paused=True)], WIDE, LIVE) is None


def test_nothing_is_settled_while_usual_gains_are_unknown_and_a_trial_waits():
    assert settled([*flat(), trial(40, 0.1, paused=True)], WIDE, LIVE) is None


def test_starting_points_are_tried_first():
    assert settled(flat(), WIDE, LIVE, starts=1) is None


def test_never_means_never():
    plan = replace(WIDE, search=replace(WIDE.search, stop="never"))
    assert settled(flat(), plan, LIVE) is None


def test_a_front_of_several_objectives_is_not_settled_by_its_best_point():
    plan = replace(WIDE, goal=Goal("macro_f1", "maximize", also={"latency_ms": "minimize"}))
    assert settled(flat(), plan, LIVE) is None


def test_trials_over_a_limit_are_no_best_to_be_beaten():
    plan = replace(WIDE, goal=Goal("macro_f1", "maximize", ("latency_ms <= 5",)))
    slow = [replace(each, costs={"latency_ms": 9.0}) for each in flat()]
    assert settled(slow, plan, LIVE) is None


def test_a_metric_to_be_minimised_settles_too():
    plan = replace(WIDE, goal=Goal("log_loss", "minimize"))
    worse = [replace(each, evaluations=trial(each.number, 0.9).evaluations) for each in flat()[1:]]
    assert settled([flat()[0], *worse], plan, LIVE) is not None
    better = trial(30, 0.7, state="pruned")
    assert settled([flat()[0], *worse, better], plan, LIVE) is None


@pytest.mark.parametrize(("value", "expected"), [(0.8, 0.02), (1.0, 0.0), (0.5, 0.025)])
def test_noise_of_a_share_is_its_standard_error(value: float, expected: float):
    assert noise(value, WIDE) == pytest.approx(expected)
