"""What is kept of trials that are over, and what is counted of all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from automl.events import RungCount
from automl.plan import Goal
from automl.rundir import RunDir
from automl.search import upkeep
from automl.search.trial import StudyTrial
from tests.search.trials import PLAN, trial


def stored(folder: Path, trials: list[StudyTrial]) -> RunDir:
    rundir = RunDir.at(folder)
    for each in trials:
        for part in (rundir.trial(each.number).best, rundir.trial(each.number).checkpoints):
            part.mkdir(parents=True)
            (part / "weights").write_bytes(bytes(10))
    return rundir


def test_only_the_winner_keeps_its_model_and_only_what_goes_on_its_checkpoint(tmp_path: Path):
    trials = [
        trial(0, 0.5, state="complete"),
        trial(1, 0.7, state="pruned"),
        trial(2, 0.6, paused=True),
    ]
    rundir = stored(tmp_path, trials)
    care = upkeep.Upkeep(rundir)
    care.sweep(trials, PLAN)
    assert [rundir.trial(n).best.exists() for n in range(3)] == [False, True, True]
    assert [rundir.trial(n).checkpoints.exists() for n in range(3)] == [False, False, True]
    assert care.bytes_in_use(trials) == 30


def test_the_best_ended_model_stays_while_a_better_trial_could_still_fail(tmp_path: Path):
    trials = [trial(0, 0.5, state="complete"), trial(1, 0.9)]
    assert upkeep.worth_keeping(trials, PLAN) == {0, 1}


def test_failed_trials_keep_nothing(tmp_path: Path):
    trials = [trial(0, 0.9, state="failed"), trial(1, 0.2, state="complete")]
    assert upkeep.worth_keeping(trials, PLAN) == {1}


def test_repeats_and_averaging_keep_as_many_as_they_need():
    trials = [trial(n, n / 10, state="complete") for n in range(9)]
    several = replace(PLAN, search=replace(PLAN.search, repeats=2))
    assert upkeep.worth_keeping(trials, several) == {7, 8}
    soup = replace(PLAN, search=replace(PLAN.search, soup=True))
    assert upkeep.worth_keeping(trials, soup) == set(range(9 - upkeep.SOUP_MODELS, 9))


def test_repeats_of_what_is_kept_are_kept():
    trials = [trial(0, 0.9, state="complete"), trial(1, 0.2, state="complete", repeat_of=0)]
    assert upkeep.worth_keeping(trials, PLAN) == {0, 1}


def test_with_several_objectives_the_whole_front_is_kept():
    plan = replace(PLAN, goal=Goal("macro_f1", "maximize", also={"latency_ms": "minimize"}))
    trials = [
        trial(0, 0.9, state="complete", costs={"latency_ms": 9.0}),
        trial(1, 0.5, state="complete", costs={"latency_ms": 1.0}),
        trial(2, 0.4, state="complete", costs={"latency_ms": 5.0}),
    ]
    assert upkeep.worth_keeping(trials, plan) == {0, 1}


def test_the_best_are_repeated_once_and_probes_never():
    plan = replace(PLAN, search=replace(PLAN.search, repeats=3))
    trials = [
        trial(0, 0.85, state="complete"),
        trial(1, 0.9, state="complete"),
        trial(2, 0.87, state="complete"),
        trial(3, 0.99, state="complete", method="probe"),
        trial(4, 0.1, state="complete", repeat_of=1),
        trial(5, 0.1, state="failed", repeat_of=2),
    ]
    assert upkeep.unrepeated(trials, plan) == [2, 0]


def test_what_no_seed_would_make_the_best_is_not_repeated():
    plan = replace(PLAN, search=replace(PLAN.search, repeats=3))
    trials = [trial(0, 0.5, state="complete"), trial(1, 0.9, state="complete")]
    assert upkeep.unrepeated(trials, plan) == [1]


def test_rungs_count_who_came_and_who_waits():
    trials = [
        trial(0, 0.5, 0.6, 0.7, state="complete"),
        trial(1, 0.5, paused=True),
        trial(2, 0.5, 0.5, 0.5, paused=True),
        trial(3, 0.5, state="failed"),
        trial(4),
    ]
    assert upkeep.counts(trials, PLAN) == (RungCount(100, 3, 1), RungCount(300, 2, 1))
