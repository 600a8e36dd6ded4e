"""Whatever workers do, the budget holds and no trial is lost, repeated or told twice."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from automl import events
from automl.plan import SearchPlan
from automl.scheduler import Limits
from automl.search.history import read
from tests.scheduler.test_scheduler import Bench

NONE = SearchPlan(7, "random", "none", 100)
PROMOTION = SearchPlan(7, "random", "promotion", 100, rungs=(100, 200))
ENDS = ("finish", "finish", "finish", "crash", "exit", "oom", "nan", "bad", "kill")


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    slots=st.integers(1, 3),
    trials=st.integers(1, 5),
    search=st.sampled_from([NONE, PROMOTION]),
)
def test_budget_holds_and_every_trial_ends_once(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    slots: int,
    trials: int,
    search: SearchPlan,
):
    def behaviour(trial: int, attempt: int) -> str:
        draw = random.Random(f"{seed}-{trial}-{attempt}")
        return f"evals={draw.randint(0, 3)}:{draw.random():.3f},end={draw.choice(ENDS)}"

    folder = tmp_path_factory.mktemp("run")
    bench = Bench(folder, behaviour, slots=slots, limits=Limits(trials=trials), search=search)
    outcome = bench.run()
    assert len(bench.study.trials) <= trials
    assert outcome == ("trials" if bench.study.live_candidates() else "no_candidates")
    assert all(trial.state != "running" for trial in bench.study.trials)
    ended = [
        e.trial for e in bench.heard if isinstance(e, events.TrialEnded) and e.state != "paused"
    ]
    assert sorted(ended) == list(range(len(bench.study.trials)))
    for trial in bench.study.trials:
        numbers = [evaluation.number for evaluation in trial.evaluations]
        assert numbers == sorted(set(numbers))
    assert read(bench.rundir.study).trials == bench.study.trials
    assert bench.executor.most_at_once <= slots


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(pauses=st.lists(st.integers(1, 4), min_size=1, max_size=3), slots=st.integers(1, 2))
def test_study_stopped_at_any_moments_draws_and_ends_as_the_undisturbed_one(
    tmp_path_factory: pytest.TempPathFactory, pauses: list[int], slots: int
):
    def behaviour(trial: int, attempt: int) -> str:
        return f"evals=3:0.{trial + 3},sleep=0.05"

    whole = Bench(tmp_path_factory.mktemp("whole") / "r", behaviour, limits=Limits(trials=4))
    whole.run()
    folder = tmp_path_factory.mktemp("broken") / "r"
    for after in pauses:
        part = Bench(folder, behaviour, slots=slots, limits=Limits(trials=4))
        part.presses = lambda part=part, after=after: int(
            sum(
                isinstance(e, events.TrialSaid) and isinstance(e.event, events.Reported)
                for e in part.heard
            )
            >= after
        )
        part.run()
    last = Bench(folder, behaviour, slots=slots, limits=Limits(trials=4))
    last.run()
    assert [t.configuration for t in last.study.trials] == [
        t.configuration for t in whole.study.trials
    ]
    assert [t.evaluations for t in last.study.trials] == [t.evaluations for t in whole.study.trials]
    best, expected = last.study.best(), whole.study.best()
    assert best is not None
    assert expected is not None
    assert best.number == expected.number
