"""Trials at rungs, with real processes: who waits, who goes on, what is left on the disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl import events
from automl.plan import SearchPlan
from automl.scheduler import Limits
from automl.search.history import read
from automl.search.study import Evaluation, Study
from tests import factories
from tests.scheduler.test_scheduler import Bench

PROMOTION = SearchPlan(7, "random", "promotion", 100, rungs=(100, 300), eta=3, stop="never")
EPOCHS = replace(factories.EPOCHS, default=5, low=5, high=5)
"""Five evaluations a trial: it waits after the first and after the third."""


def bench(
    folder: Path,
    behaviour: Callable[[int, int], str] = lambda t, a: f"evals=5:0.{t + 1},rise=0.01",
    trials: int = 6,
    **changes: Any,
) -> Bench:
    changes.setdefault("search", PROMOTION)
    changes.setdefault("limits", Limits(trials=trials))
    made = Bench(folder, behaviour, **changes)
    candidate = factories.candidate("small", space=(factories.LEARNING_RATE, EPOCHS))
    made.plan = replace(made.plan, candidates=(candidate,))
    return made


def lengths(made: Bench) -> list[int]:
    return [len(trial.evaluations) for trial in made.study.trials]


def test_the_best_of_the_first_three_runs_to_its_end_without_a_further_pause(tmp_path: Path):
    values = [0.5, 0.6, 0.4]
    made = bench(tmp_path / "r", lambda t, a: f"evals=5:{values[t]}", trials=3)
    made.run()
    assert made.states() == ["pruned", "complete", "pruned"]
    assert made.executor.attempts == {0: 1, 1: 2, 2: 1}


def test_a_single_trial_runs_through_its_rungs(tmp_path: Path):
    made = bench(tmp_path / "r", trials=1)
    made.run()
    assert made.states() == ["complete"]
    assert made.executor.attempts == {0: 1}


def test_one_in_three_goes_on_and_the_rest_is_pruned(tmp_path: Path):
    made = bench(tmp_path / "r", lambda t, a: f"evals=5:{0.9 - t / 10:.1f}", trials=6)
    assert made.run() == "trials"
    assert made.states() == ["complete"] + ["pruned"] * 5
    assert lengths(made) == [5, 3, 1, 1, 1, 1]


def test_a_late_better_trial_overtakes_and_continues_in_its_process(tmp_path: Path):
    made = bench(tmp_path / "r", trials=6)  # each is better than those before
    made.run()
    assert made.states()[-1] == "complete"
    assert lengths(made)[-1] == 5
    assert made.executor.attempts[5] <= 2


def test_a_paused_trial_continues_from_its_checkpoint_and_repeats_nothing(tmp_path: Path):
    values = [0.5, 0.8, 0.1, 0.2, 0.3, 0.4]
    made = bench(tmp_path / "r", lambda t, a: f"evals=5:{values[t]}", trials=6)
    made.run()
    trial = made.study.trials[1]
    assert trial.state == "complete"
    assert [evaluation.number for evaluation in trial.evaluations] == [1, 2, 3, 4, 5]
    said = [e.event for e in made.said(events.TrialSaid) if e.trial == 1]
    assert [e.step for e in said if isinstance(e, events.Started)][:2] == [0, 1]


def test_every_trial_is_told_once_and_paused_ones_are_said_so(tmp_path: Path):
    made = bench(tmp_path / "r", trials=6)
    made.run()
    ended = made.said(events.TrialEnded)
    assert sorted(e.trial for e in ended if e.state != "paused") == list(range(6))
    assert {e.message for e in ended if e.state == "paused"} <= {"rung 1 of 2", "rung 2 of 2"}
    assert any(e.state == "paused" for e in ended)


def test_what_cannot_go_on_leaves_no_checkpoint_and_only_the_best_leaves_a_model(tmp_path: Path):
    made = bench(tmp_path / "r", trials=6)
    made.run()
    folders = [made.rundir.trial(number) for number in range(6)]
    best = made.study.best()
    assert best is not None
    assert not any(folder.checkpoints.exists() for folder in folders)
    assert [folder.best.exists() for folder in folders] == [n == best.number for n in range(6)]


def test_progress_says_how_many_came_and_wait_and_the_bytes_in_use(tmp_path: Path):
    made = bench(tmp_path / "r", trials=6)
    made.run()
    said = made.said(events.SearchProgressed)
    assert any(rung.paused for event in said for rung in event.rungs)
    assert all(event.checkpoint_bytes > 0 for event in said[1:])
    assert said[-1].phase == "over"
    assert said[-1].reason == "all 6 trials have been made"
    assert said[-1].rungs[0] == events.RungCount(100, 6, 0)


def test_an_interrupted_search_goes_on_as_it_would_have(tmp_path: Path):
    whole = bench(tmp_path / "whole", trials=7)
    whole.run()
    for reports in (1, 3, 4, 8):
        part = bench(tmp_path / "broken", trials=7)
        part.presses = lambda part=part, reports=reports: int(
            len([e for e in part.said(events.TrialSaid) if isinstance(e.event, events.Reported)])
            >= reports
        )
        part.run()
    last = bench(tmp_path / "broken", trials=7)
    last.run()
    assert [t.configuration for t in last.study.trials] == [
        t.configuration for t in whole.study.trials
    ]
    assert [t.evaluations for t in last.study.trials] == [t.evaluations for t in whole.study.trials]
    assert last.states() == whole.states()
    assert read(last.rundir.study).trials == last.study.trials


@pytest.mark.parametrize("end", ["kill", "exit", "crash"])
def test_a_worker_that_dies_at_a_rung_goes_on_with_the_answer(tmp_path: Path, end: str):
    made = bench(
        tmp_path / "r",
        lambda t, a: "evals=5:0.5" + (f",at=rung,end={end}" if a == 1 and t == 0 else ""),
        trials=1,
    )
    made.run()
    assert made.states() == ["complete"]
    assert lengths(made) == [5]


def test_a_worker_that_dies_while_it_pauses_stays_in_the_running(tmp_path: Path):
    values = [0.5, 0.8, 0.1, 0.2, 0.3, 0.4]
    made = bench(
        tmp_path / "r",
        lambda t, a: f"evals=5:{values[t]}" + (",at=pausing,end=kill" if a == 1 else ""),
        trials=6,
    )
    made.run()
    assert made.study.trials[1].state == "complete"
    assert [evaluation.number for evaluation in made.study.trials[1].evaluations] == [1, 2, 3, 4, 5]


def test_trials_paused_when_the_parent_died_are_found_again(tmp_path: Path):
    made = bench(tmp_path / "r", trials=6)
    study = Study(made.rundir.study, made.plan)
    for number, value in enumerate((0.5, 0.8, 0.1)):
        trial = study.ask()
        assert trial is not None
        study.attempt(number)
        folder = made.rundir.trial(number)
        folder.root.mkdir(parents=True)
        events.append(
            folder.metrics, events.Reported(1, 1, 100, {"macro_f1": value}, 1.0, True, True)
        )
        events.append(folder.metrics, events.Paused(1, "parent_gone"))
    study.report(0, Evaluation(1, 100, 0.5), 1.0)  # heard, not yet answered
    made.run()
    assert made.states()[:3] == ["pruned", "complete", "pruned"]
    assert {number: made.executor.attempts.get(number) for number in range(3)} == {
        0: None,
        1: 1,
        2: None,
    }


def test_a_search_by_time_keeps_what_waits_for_a_larger_budget(tmp_path: Path):
    behaviour = lambda t, a: f"evals=5:{0.9 - t / 10:.1f},pace=0.1"  # noqa: E731
    made = bench(tmp_path / "r", behaviour, limits=Limits(seconds=100.0))
    made.clock = lambda: 0.0 if len(made.executor.attempts) < 5 else 101.0
    assert made.run() == "time"
    waiting = [trial.number for trial in made.study.paused()]
    assert waiting
    assert all(made.rundir.trial(number).checkpoints.exists() for number in waiting)
    assert all(trial.checkpoint_bytes == 7 for trial in made.study.paused())


def test_nothing_new_is_started_that_would_not_come_to_its_first_rung(tmp_path: Path):
    made = bench(tmp_path / "r", limits=Limits(seconds=30.0))
    made.predict = lambda trial, samples: 100.0 if trial.number else 0.1
    assert made.run() == "time"
    assert made.states() == ["complete"]
    assert made.said(events.SearchProgressed)[-1].reason


def test_the_best_bet_goes_on_until_the_time_is_up_though_it_reaches_no_rung(tmp_path: Path):
    made = bench(tmp_path / "r", lambda t, a: "evals=5:0.5,sleep=0.2", limits=Limits(seconds=1.0))
    made.clock = made.clock_of_evaluations(0.4)
    made.predict = lambda trial, samples: 100.0
    assert made.run() == "time"
    assert len(made.study.trials) == 1
    assert lengths(made) == [3]
    assert not made.study.trials[0].paused


def test_time_that_nothing_new_can_use_goes_to_the_most_promising_that_waits(tmp_path: Path):
    made = bench(
        tmp_path / "r",
        lambda t, a: f"evals=5:{0.9 - t / 10:.1f},sleep=0.1,pace=0.1",
        limits=Limits(seconds=60.0),
    )
    # After three trials nothing new fits; what waits is said to need little.
    made.predict = lambda trial, samples: 99.0 if trial.number == -1 and late() else 0.1
    late = lambda: len(made.executor.attempts) >= 4  # noqa: E731
    assert made.run() == "time"
    assert made.states() == ["complete"] * 4


def test_a_search_without_a_gain_for_long_settles_and_says_why(tmp_path: Path):
    made = bench(
        tmp_path / "r",
        lambda t, a: f"evals=5:{0.9 if t == 0 else 0.5}",
        trials=40,
        search=replace(PROMOTION, stop="auto"),
    )
    assert made.run() == "settled"
    assert 11 <= len(made.study.trials) < 40
    assert all(trial.state != "running" for trial in made.study.trials)
    assert "no better" in made.study.ended
    assert made.said(events.SearchProgressed)[-1].reason == made.study.ended


def test_a_space_that_has_been_tried_whole_ends_the_search(tmp_path: Path):
    made = bench(tmp_path / "r", lambda t, a: "evals=1:0.5", trials=9)
    tiny = factories.candidate("small", space=(factories.BATCH, EPOCHS))
    made.plan = replace(made.plan, candidates=(tiny,))
    assert made.run() == "settled"
    assert len(made.study.trials) == 2
    assert made.study.ended == "every configuration of the space has been tried"


@pytest.mark.parametrize("slots", [1, 2])
def test_the_best_are_trained_again_with_seeds_of_their_own(tmp_path: Path, slots: int):
    search = replace(PROMOTION, repeats=2)
    made = bench(tmp_path / "r", trials=4, search=search, slots=slots)
    assert made.run() == "trials"
    repeats = [trial for trial in made.study.trials if trial.repeat_of is not None]
    assert len(repeats) == 2
    assert len(made.study.trials) == 6
    assert all(trial.state == "complete" and len(trial.evaluations) == 5 for trial in repeats)
    assert len({trial.seed for trial in repeats}) == 2
    originals = [made.study.trials[trial.repeat_of or 0] for trial in repeats]
    assert [t.configuration for t in originals] == [t.configuration for t in repeats]
    again = bench(tmp_path / "r", trials=4, search=search)
    again.run()
    assert again.executor.attempts == {}


def test_repeats_are_made_in_the_time_that_was_kept_for_them(tmp_path: Path):
    made = bench(
        tmp_path / "r",
        lambda t, a: "evals=5:0.5,sleep=0.1,pace=0.3",
        limits=Limits(seconds=6.0, finish_seconds=3.0),
        search=replace(PROMOTION, repeats=1),
    )
    made.clock = made.clock_of_evaluations(0.3)
    assert made.run() == "time"
    repeats = [trial for trial in made.study.trials if trial.repeat_of is not None]
    assert [trial.state for trial in repeats] == ["complete"]
    assert made.study.seconds <= 6.5


def test_time_kept_for_repeats_is_given_back_where_none_would_fit(tmp_path: Path):
    made = bench(
        tmp_path / "r",
        lambda t, a: f"evals=5:{0.9 - t / 10:.1f},sleep=0.05,pace=0.4",
        limits=Limits(seconds=6.0, finish_seconds=1.5),
        search=replace(PROMOTION, repeats=1),
    )
    made.clock = made.clock_of_evaluations(0.4)
    assert made.run() == "time"
    assert all(trial.repeat_of is None for trial in made.study.trials)
    assert made.study.seconds > 6.0 - 1.5


def test_a_repeat_that_would_not_end_in_time_is_not_started(tmp_path: Path):
    made = bench(
        tmp_path / "r",
        lambda t, a: "evals=5:0.5,sleep=0.1",
        limits=Limits(seconds=1.5, finish_seconds=0.2),
        search=replace(PROMOTION, repeats=2),
    )
    assert made.run() == "time"  # the scripted worker claims a second an evaluation
    assert all(trial.repeat_of is None for trial in made.study.trials)
    assert not any(said.phase == "confirming" for said in made.said(events.SearchProgressed))
