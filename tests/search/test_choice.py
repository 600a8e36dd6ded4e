"""Which trial wins: limits, repeats, fronts, preferences, and what may not win."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.plan import Configuration, Goal, Prefer
from automl.search.choice import (
    broken,
    choose,
    contenders,
    costs,
    feasible,
    pareto,
    shortlist,
    values,
)
from automl.search.trial import Evaluation, StudyTrial

GOAL = Goal("macro_f1", "maximize")
SMALL = replace(GOAL, subject_to=("parameters <= 100M",))
TWO = replace(GOAL, also={"latency_ms": "minimize"})


def trial(number: int, *seen: float, state: Any = "complete", **changes: Any) -> StudyTrial:
    evaluations = tuple(
        Evaluation(step, 100 * step, value) for step, value in enumerate(seen, start=1)
    )
    made = StudyTrial(number, Configuration("small", {"epochs": 3}), state, evaluations)
    return replace(made, **changes)


def repeat(number: int, of: int, *seen: float, **changes: Any) -> StudyTrial:
    return trial(number, *seen, repeat_of=of, seed=100 + number, **changes)


def chosen(*trials: StudyTrial, goal: Goal = GOAL) -> int | None:
    found = choose(trials, goal)
    return None if found is None else found.number


def test_the_best_evaluation_of_any_moment_decides():
    assert chosen(trial(0, 0.5, 0.8, 0.6), trial(1, 0.7, 0.7)) == 0


def test_smaller_wins_when_minimizing():
    goal = Goal("log_loss", "minimize")
    assert chosen(trial(0, 0.5, 0.3), trial(1, 0.4, 0.2), goal=goal) == 1


def test_the_earlier_of_equal_trials_wins():
    assert chosen(trial(1, 0.7), trial(0, 0.7)) == 0


def test_nothing_wins_where_nothing_was_evaluated_or_all_failed():
    assert chosen() is None
    assert chosen(trial(0), trial(1, 0.9, state="failed")) is None


def test_a_pruned_trial_may_win():
    assert chosen(trial(0, 0.5), trial(1, 0.9, state="pruned")) == 1


def test_a_trial_that_has_not_ended_wins_where_it_was_measured_best():
    waiting = trial(0, 0.9, state="running", paused=True)
    assert chosen(waiting, trial(1, 0.8, state="pruned"), trial(2, 0.5)) == 0


def test_what_breaks_a_limit_cannot_win():
    large, fits = trial(0, 0.9, costs={"parameters": 2e8}), trial(1, 0.7, costs={"parameters": 5e7})
    assert chosen(large, fits, goal=SMALL) == 1
    assert chosen(large, goal=SMALL) is None
    assert broken(large.costs, SMALL) == ("parameters <= 100M",)


def test_a_cost_that_was_not_measured_is_not_held_against_a_trial():
    assert feasible(trial(0, 0.9), SMALL)
    assert feasible(trial(0, 0.9, costs={"disk": 9e9}), SMALL)


def test_a_complete_trial_that_breaks_a_limit_does_not_shut_others_out():
    large = trial(0, 0.9, costs={"parameters": 2e8})
    assert chosen(large, trial(1, 0.6, state="running"), goal=SMALL) == 1


def test_the_mean_over_seeds_decides_once_configurations_were_repeated():
    lucky, steady = trial(0, 0.90), trial(1, 0.89)
    repeats = repeat(2, 0, 0.80), repeat(3, 1, 0.88)
    assert chosen(lucky, steady, *repeats) == 1


def test_what_was_seen_once_wins_over_what_was_repeated_only_by_more_than_seeds_make_out():
    assert chosen(trial(0, 0.80), trial(1, 0.82), repeat(2, 0, 0.83)) == 2
    assert chosen(trial(0, 0.80), trial(1, 0.95), repeat(2, 0, 0.83)) == 1


def test_of_the_winning_configuration_the_seed_with_the_best_evaluation_leaves():
    assert chosen(trial(0, 0.85), repeat(1, 0, 0.90), repeat(2, 0, 0.80)) == 1


@pytest.mark.parametrize("state", ["running", "failed", "pruned"])
def test_a_repeat_that_was_not_completed_counts_for_nothing(state):
    assert chosen(trial(0, 0.8), trial(1, 0.9), repeat(2, 0, 0.99, state=state)) == 1


def test_a_repeat_whose_original_failed_is_not_a_contender():
    assert chosen(trial(0, 0.9, state="failed"), repeat(1, 0, 0.9), trial(2, 0.1)) == 2


def test_values_are_means_over_a_configuration_and_its_own_without_the_others():
    first = trial(0, 0.8, costs={"latency_ms": 10.0})
    again = repeat(1, 0, 0.6, costs={"latency_ms": 20.0})
    assert values(first, GOAL) == {"macro_f1": 0.8, "latency_ms": 10.0}
    for one in (first, again):
        assert values(one, GOAL, (first, again)) == pytest.approx(
            {"macro_f1": 0.7, "latency_ms": 15.0}
        )
    assert values(trial(3), GOAL) == {}


def test_further_metrics_are_those_of_the_best_evaluation():
    seen = (
        Evaluation(1, 100, 0.9, {"accuracy": 0.7}),
        Evaluation(2, 200, 0.8, {"accuracy": 0.99}),
    )
    assert values(trial(0, evaluations=seen), GOAL)["accuracy"] == 0.7


def test_the_least_latency_of_an_architecture_holds_for_all_its_trials():
    large = Configuration("large", {})
    trials = (
        trial(0, 0.9, costs={"latency_ms": 30.0, "parameters": 7.0}),
        trial(1, 0.8, costs={"latency_ms": 10.0, "parameters": 7.0}),
        trial(2, 0.7, costs={"latency_ms": 5.0, "parameters": 4.0}),
        trial(3, 0.6, costs={"latency_ms": 4.0, "parameters": 7.0}, configuration=large),
        trial(4, 0.5, costs={"latency_ms": 8.0}),
        trial(5, 0.4),
    )
    found = costs(trials)
    assert [found[number].get("latency_ms") for number in range(6)] == [10, 10, 5, 4, 8, None]
    goal = replace(GOAL, subject_to=("latency_ms <= 20",))
    assert chosen(*trials, goal=goal) == 0
    assert values(trials[0], goal, trials)["latency_ms"] == 10


def fast(number: int, value: float, latency: float) -> StudyTrial:
    return trial(number, value, costs={"latency_ms": latency})


def test_the_front_holds_what_nothing_beats_in_everything_best_first():
    found = pareto((fast(0, 0.8, 5), fast(1, 0.9, 9), fast(2, 0.7, 6), fast(3, 0.9, 9)), TWO)
    assert [one.number for one in found] == [1, 0]


def test_trials_without_a_measured_objective_are_not_on_the_front():
    assert pareto((trial(0, 0.9),), TWO) == ()
    assert chosen(trial(0, 0.9), goal=TWO) == 0


def test_without_a_preference_the_best_by_the_first_objective_is_chosen():
    assert chosen(fast(0, 0.8, 5), fast(1, 0.9, 9), goal=TWO) == 1


@pytest.mark.parametrize(("within", "winner"), [(0.0, 2), (0.02, 1), (0.5, 0)])
def test_prefer_takes_the_best_in_another_metric_within_a_distance(within, winner):
    goal = replace(TWO, prefer=Prefer("latency_ms", within))
    assert chosen(fast(0, 0.7, 1), fast(1, 0.89, 5), fast(2, 0.9, 9), goal=goal) == winner


def test_prefer_looks_at_means_where_there_are_repeats():
    goal = replace(TWO, prefer=Prefer("latency_ms", 0.05))
    quick = fast(0, 0.9, 1), repeat(2, 0, 0.7, costs={"latency_ms": 1})
    slow = fast(1, 0.9, 9), repeat(3, 1, 0.88, costs={"latency_ms": 9})
    assert chosen(*quick, *slow, goal=goal) == 1


def test_the_shortlist_is_what_would_win_one_after_the_other():
    trials = (trial(0, 0.5), trial(1, 0.9), trial(2, 0.7), trial(3, 0.8, state="failed"))
    assert [one.number for one in shortlist(trials, GOAL, 2)] == [1, 2]
    assert [one.number for one in shortlist(trials, GOAL, 9)] == [1, 2, 0]
    goal = replace(TWO, prefer=Prefer("latency_ms", 0.05))
    costly = (fast(0, 0.9, 9), fast(1, 0.88, 3), fast(2, 0.6, 1))
    assert [one.number for one in shortlist(costly, goal, 3)] == [1, 0, 2]


points = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12)


@given(points)
def test_every_trial_is_on_the_front_or_beaten_by_one_that_is(found):
    trials = [fast(n, value / 10, latency) for n, (value, latency) in enumerate(found)]
    front = {one.number for one in pareto(trials, TWO)}
    for number, (value, latency) in enumerate(found):
        beaten = [n for n in front - {number} if found[n][0] >= value and found[n][1] <= latency]
        assert bool(beaten) != (number in front)


@given(points, st.floats(0, 0.5))
def test_the_choice_is_on_the_front_and_within_the_distance(found, within):
    trials = [fast(n, value / 10, latency) for n, (value, latency) in enumerate(found)]
    goal = replace(TWO, prefer=Prefer("latency_ms", within))
    winner = choose(trials, goal)
    assert winner in pareto(trials, goal)
    best = max(value for value, _ in found) / 10
    assert winner.evaluations[0].value >= best - within - 1e-9  # a rounding is no distance


@given(st.permutations(range(6)))
def test_the_order_of_trials_changes_nothing(order):
    trials = [trial(0, 0.9), trial(1, 0.9), trial(2, 0.8), repeat(3, 0, 0.7), repeat(4, 1, 0.7),
              trial(5, 0.95, state="running")]  # fmt: skip
    assert choose([trials[n] for n in order], GOAL) == choose(trials, GOAL)


def test_contenders_show_all_that_was_evaluated():
    trials = (trial(0, 0.9, costs={"parameters": 2e8}), repeat(1, 0, 0.7), trial(2), trial(3, 0.1))
    found = contenders(trials, SMALL)
    assert [(one.original.number, len(one.trials), one.feasible) for one in found] == [
        (0, 2, False), (3, 1, True),
    ]  # fmt: skip


def test_choosing_among_ten_times_the_trials_takes_no_more_than_some_ten_times_the_work():
    def calls(count: int) -> int:
        trials = [fast(n, (n * 7919 % 5000) / 5000, (n * 104729 % 5000)) for n in range(count)]
        goal = replace(TWO, prefer=Prefer("latency_ms", 0.1))
        seen = 0

        def count_one(frame: Any, event: str, argument: Any) -> None:
            nonlocal seen
            seen += event in ("call", "c_call")

        sys.setprofile(count_one)
        try:
            assert choose(trials, goal) is not None
        finally:
            sys.setprofile(None)
        return seen

    assert calls(2000) < 15 * calls(200)


def test_values_of_a_configuration_leave_repeats_out_that_are_not_complete():
    first, running = trial(0, 0.8), repeat(1, 0, 0.2, state="running")
    assert values(first, GOAL, (first, running)) == {"macro_f1": 0.8}
    assert values(running, GOAL) == {"macro_f1": 0.2}


def test_a_probe_needs_no_repeat_to_win_since_no_seed_changes_it():
    probe = trial(2, 0.95, configuration=Configuration("small", {"method": "probe"}))
    assert chosen(trial(0, 0.90), repeat(1, 0, 0.80), probe) == 2
