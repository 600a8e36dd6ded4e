"""Who goes on past a rung, who waits, who is given up: decisions over trials alone."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.search import rungs
from automl.search.rungs import MOST_PAUSED, Outlook
from automl.search.trial import StudyTrial
from tests.search.trials import PLAN, trial, two_candidates

DONE = (0.5, 0.6, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7)


def leader(first: float = 0.01) -> StudyTrial:
    """A trial that has trained to its end, with ``first`` at its first rung."""
    return trial(0, first, *DONE[1:], state="complete", passed=300)


def waiting(*values: float) -> list[StudyTrial]:
    return [trial(n, value, paused=True) for n, value in enumerate(values, start=1)]


def waiting_from_zero(*values: float) -> list[StudyTrial]:
    return [trial(n, value, paused=True) for n, value in enumerate(values)]


def numbers(trials: list[StudyTrial]) -> list[int]:
    return [each.number for each in trials]


def test_rungs_beyond_a_trials_own_end_are_none_of_its():
    short = replace(trial(1), configuration=replace(trial(1).configuration))
    assert rungs.levels(short, PLAN) == (100, 300)
    quick = replace(PLAN, data=replace(PLAN.data, rows={"train": 20, "validation": 20}))
    assert rungs.levels(short, quick) == (100,)


def test_probes_and_repeats_have_no_rungs():
    assert rungs.levels(trial(1, method="probe"), PLAN) == ()
    assert rungs.levels(trial(1, repeat_of=0), PLAN) == ()


def test_other_strategies_have_no_rungs():
    plan = replace(PLAN, search=replace(PLAN.search, strategy="median"))
    assert rungs.levels(trial(1), plan) == ()


def test_rungs_that_were_passed_are_not_ahead():
    assert rungs.ahead(trial(1, 0.5, passed=100), PLAN) == (300,)


def test_the_value_at_a_rung_is_the_best_up_to_it():
    seen = trial(1, 0.5, 0.9, 0.4, 0.99)
    assert rungs.values(seen, PLAN) == [0.5, 0.9]
    lower = replace(PLAN, goal=replace(PLAN.goal, direction="minimize"))
    assert rungs.values(seen, lower) == [-0.5, -0.4]


def test_nothing_is_the_champion_once_a_trial_is_complete():
    assert rungs.champion([leader(), *waiting(0.9)], PLAN, Outlook(urgent=True)) is None


def test_the_best_of_the_first_three_becomes_the_champion():
    trials = waiting_from_zero(0.3, 0.2)
    assert rungs.champion(trials, PLAN, Outlook()) is None
    trials = waiting_from_zero(0.3, 0.2, 0.1)
    found = rungs.champion(trials, PLAN, Outlook())
    assert found is not None
    assert found.number == 0


def test_the_champion_passes_every_rung_until_it_is_complete():
    behind = [trial(n, 0.9, paused=True) for n in (1, 2)]
    trials = [trial(0, 0.2, 0.2, 0.2, passed=100), *behind]
    never = Outlook(fits=lambda _: False)
    assert rungs.decide(trials, PLAN, 0, never) == "continue"
    complete = trial(3, 0.1, 0.1, 0.1, 0.1, state="complete", passed=300)
    assert rungs.decide([*trials, complete], PLAN, 0, Outlook()) == "pause"


def test_when_the_champion_fails_the_next_best_takes_its_place():
    trials = [trial(0, 0.9, 0.9, 0.9, state="failed", passed=300), *waiting(0.3, 0.2, 0.1)]
    assert numbers(rungs.promotable(trials, PLAN, Outlook()))[0] == 1


def test_where_time_is_short_the_first_trial_of_all_goes_to_its_end():
    trials = [trial(0, 0.2)]
    assert rungs.decide(trials, PLAN, 0, Outlook()) == "pause"
    assert rungs.decide(trials, PLAN, 0, Outlook(urgent=True)) == "continue"
    assert rungs.decide(trials, PLAN, 0, Outlook(more=0)) == "continue"


def test_a_trial_that_could_not_even_leave_and_come_back_as_fast_goes_on():
    trials = [leader(), *waiting(0.3), trial(2, 0.2)]
    quick = Outlook(quick=lambda _: True)
    assert rungs.decide(trials, PLAN, 2, quick) == "continue"
    hopeless = replace(quick, more=0)
    assert rungs.decide([leader(0.9), *trials[1:]], PLAN, 2, hopeless) == "stop"


@pytest.mark.parametrize(
    ("values", "going"),
    [((0.1,), []), ((0.1, 0.2), [2]), ((0.1, 0.2, 0.3, 0.4), [4]), ((5, 4, 3, 2, 1), [1, 2])],
)
def test_one_in_three_of_those_at_a_rung_goes_on(values: tuple[float, ...], going: list[int]):
    assert numbers(rungs.promotable([leader(), *waiting(*values)], PLAN, Outlook())) == going


def test_the_higher_rung_goes_first_then_the_better_value():
    trials = [
        leader(),
        *(trial(n, 0.3, 0.4, 0.8 + n / 100, paused=True, passed=100) for n in (1, 2)),
        *(trial(n, 0.9 + n / 1000, paused=True) for n in range(3, 8)),
    ]
    assert numbers(rungs.promotable(trials, PLAN, Outlook())) == [2, 7, 6]


def test_a_trial_that_comes_among_the_best_third_continues_at_once():
    trials = [leader(), *waiting(0.3), trial(2, 0.9)]
    assert rungs.decide(trials, PLAN, 2, Outlook()) == "continue"
    trials[2] = trial(2, 0.2)
    assert rungs.decide(trials, PLAN, 2, Outlook()) == "pause"


def test_a_trial_that_can_never_be_among_the_best_third_stops():
    trials = [leader(0.9), *waiting(0.8, 0.7, 0.6), trial(4, 0.1)]
    assert rungs.decide(trials, PLAN, 4, Outlook(more=0)) == "stop"
    assert rungs.decide(trials, PLAN, 4, Outlook(more=9)) == "stop"
    assert rungs.decide(trials, PLAN, 4, Outlook(more=10)) == "pause"
    assert rungs.decide(trials, PLAN, 4, Outlook()) == "pause"


def test_at_least_one_goes_on_from_each_rung_when_nothing_more_comes():
    trials = [leader(), *waiting(0.5, 0.6)][1:]
    assert rungs.promotable(trials, PLAN, Outlook()) == []
    assert numbers(rungs.promotable(trials, PLAN, Outlook(more=0))) == [2]


def test_trials_whose_process_is_still_leaving_are_left_alone():
    trials = [leader(), *waiting(0.1, 0.2)]
    busy = Outlook(more=0, busy=frozenset({1, 2}))
    assert rungs.promotable(trials, PLAN, busy) == []
    assert rungs.hopeless(trials, PLAN, busy) == []


def test_what_does_not_fit_the_time_left_is_not_continued_unless_there_is_time_to_spare():
    trials = [leader(), *waiting(0.1, 0.2)]
    tight = Outlook(more=0, fits=lambda _: False)
    assert rungs.promotable(trials, PLAN, tight) == []
    assert numbers(rungs.promotable(trials, PLAN, replace(tight, spare=True))) == [2, 1]
    still = replace(tight, spare=True, moves=lambda _: False)
    assert rungs.promotable(trials, PLAN, still) == []


def test_time_to_spare_continues_everything_by_rank():
    trials = [leader(0.9), *waiting(0.1, 0.3, 0.2)]
    assert numbers(rungs.promotable(trials, PLAN, Outlook(more=0, spare=True))) == [2, 3, 1]


def test_nothing_is_given_up_for_want_of_time():
    trials = [leader(0.9), *waiting(0.1, 0.3, 0.2)]
    assert rungs.hopeless(trials, PLAN, Outlook(more=0, spare=True)) == []


def test_at_the_end_whoever_does_not_go_on_is_given_up():
    trials = [leader(0.9), *waiting(0.1, 0.3, 0.2)]
    outlook = Outlook(more=0)
    assert rungs.promotable(trials, PLAN, outlook) == []
    assert sorted(numbers(rungs.hopeless(trials, PLAN, outlook))) == [1, 2, 3]


def test_trials_on_their_way_to_a_rung_keep_those_that_wait_there():
    trials = [leader(0.2), *waiting(0.1, 0.3), *(trial(n) for n in (3, 4, 5))]
    assert numbers(rungs.hopeless(trials, PLAN, Outlook(more=0))) == [1]


def test_of_too_many_checkpoints_the_least_promising_go():
    trials = [leader(), *waiting(*(n / 100 for n in range(1, MOST_PAUSED + 4)))]
    assert sorted(numbers(rungs.hopeless(trials, PLAN, Outlook()))) == [1, 2, 3]


def test_the_bound_on_checkpoints_never_costs_a_promotion():
    trials = [leader(), *waiting(*(n / 100 for n in range(1, 60)))]
    going = set(numbers(rungs.promotable(trials, PLAN, Outlook())))
    lost = set(numbers(rungs.hopeless(trials, PLAN, Outlook())))
    assert len(going & lost) == len(going) - MOST_PAUSED
    assert max(lost & going) < min(set(numbers(trials[1:])) - lost)


# -- several candidates ---------------------------------------------------------------------


def test_candidates_are_ranked_apart():
    plan = two_candidates()
    small = waiting(0.1, 0.2, 0.3)
    large = [trial(n, 0.9 + n / 1000, candidate="large", paused=True) for n in (4, 5)]
    going = rungs.promotable([leader(), *small, *large], plan, Outlook())
    assert 3 in numbers(going) or numbers(going) == [5]
    alone = rungs.promotable([leader(), *small], plan, Outlook())
    assert numbers(alone) == [3]


def test_a_trial_beaten_at_equal_seconds_does_not_go_on():
    plan = two_candidates()
    fast = [trial(n, 0.6, 0.7, 0.8, state="pruned", passed=100) for n in (1, 2, 3, 4)]
    slow = [trial(n, 0.5, candidate="large", pace=3.0, paused=True) for n in (5, 6, 7)]
    trials = [leader(0.5), *fast, *slow]
    assert rungs.promotable(trials, plan, Outlook()) == []
    even = [replace(t, evaluations=trial(t.number, 0.95, pace=3.0).evaluations) for t in slow[:1]]
    assert numbers(rungs.promotable([*trials[:5], *even, *slow[1:]], plan, Outlook())) == [5]


def test_a_slow_candidates_first_trial_gets_the_benefit_of_the_doubt_after_all_others():
    plan = two_candidates()
    fast = [trial(n, 0.6, 0.7, 0.8, state="pruned", passed=100) for n in (1, 2)]
    slow = trial(3, 0.5, candidate="large", pace=3.0, paused=True)
    assert numbers(rungs.promotable([leader(0.5), *fast, slow], plan, Outlook())) == [3]
    better = [trial(n, 0.9, paused=True) for n in (4, 5)]
    assert 3 not in numbers(rungs.promotable([leader(0.5), *fast, slow, *better], plan, Outlook()))


def test_the_benefit_of_the_doubt_is_rationed():
    plan = two_candidates()
    wide = replace(
        plan,
        candidates=(*plan.candidates, *(replace(plan.candidates[1], id=f"l{n}") for n in "ab")),
    )
    slow = [
        trial(1, 0.2, candidate="large", pace=3.0, passed=100),
        trial(2, 0.2, candidate="la", pace=3.0, passed=100),
        trial(3, 0.2, candidate="lb", pace=3.0, paused=True),
    ]
    more = [trial(n, 0.3, state="pruned") for n in range(4, 12)]
    assert rungs.promotable([leader(0.5), *slow], wide, Outlook()) == []
    assert numbers(rungs.promotable([leader(0.5), *slow, *more], wide, Outlook())) == [3]


def test_one_candidate_alone_needs_no_benefit_of_the_doubt():
    assert rungs.promotable([leader(0.9), *waiting(0.1)], PLAN, Outlook()) == []


# -- properties -----------------------------------------------------------------------------


@given(
    values=st.lists(st.integers(0, 20), min_size=1, max_size=30),
    states=st.lists(st.sampled_from(["paused", "pruned", "passed"]), min_size=30, max_size=30),
    more=st.one_of(st.none(), st.integers(0, 12)),
    spare=st.booleans(),
)
def test_whoever_may_go_on_waits_and_nobody_is_both_continued_and_given_up(
    values: list[int], states: list[str], more: int | None, spare: bool
):
    made = {
        "paused": lambda n, v: trial(n, v / 20, paused=True),
        "pruned": lambda n, v: trial(n, v / 20, state="pruned"),
        "passed": lambda n, v: trial(n, v / 20, v / 20, passed=100),
    }
    trials = [
        leader(),
        *(made[state](n, v) for n, (v, state) in enumerate(zip(values, states, strict=False), 1)),
    ]
    outlook = Outlook(more, spare)
    going, lost = (f(trials, PLAN, outlook) for f in (rungs.promotable, rungs.hopeless))
    assert all(each.paused and each.state == "running" for each in (*going, *lost))
    assert len(numbers(going)) == len(set(numbers(going)))
    paused = sum(each.paused for each in trials)
    assert paused - len(lost) <= MOST_PAUSED
    if paused <= MOST_PAUSED and not spare:
        assert not set(numbers(going)) & set(numbers(lost))


@given(values=st.lists(st.integers(0, 99), min_size=3, max_size=24, unique=True))
def test_a_trial_given_up_would_not_have_gone_on_whatever_came_after(values: list[int]):
    """Played to the end with the rest of the values, it is never in the quota of its rung."""
    half = len(values) // 2
    trials = [leader(), *waiting(*(v / 100 for v in values[:half]))]
    lost = numbers(rungs.hopeless(trials, PLAN, Outlook(more=len(values) - half)))
    for value in values[half:]:
        trials.append(trial(len(trials), value / 100, paused=True))
        assert not set(lost) & set(numbers(rungs.promotable(trials, PLAN, Outlook())))


def test_the_order_of_arrival_does_not_change_who_is_best_in_the_end():
    values = (0.2, 0.4, 0.6, 0.8)
    for order in itertools.permutations(values):
        trials = [leader(), *waiting(*order)]
        best = rungs.promotable(trials, PLAN, Outlook(more=0))[0]
        assert best.evaluations[0].value == 0.8
