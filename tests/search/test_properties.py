"""A study with rungs under any order of events and any restarts: what always holds."""

from __future__ import annotations

import random
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from automl.plan import SearchPlan
from automl.search import rungs
from automl.search.forecast import Forecast
from automl.search.history import read
from automl.search.portfolio import identity
from automl.search.study import Evaluation, Outlook, Study, StudyTrial
from tests import factories
from tests.search.trials import PLAN, trial

LAST = 5
"""Evaluations of a whole trial; rungs lie at the first and the third."""
EPOCHS = replace(factories.EPOCHS, default=5, low=5, high=5)
SPACE = (factories.LEARNING_RATE, EPOCHS)
TWO = factories.plan(
    factories.candidate("small", space=SPACE),
    factories.candidate("large", space=SPACE, parameters=9000),
    search=SearchPlan(7, "random", "promotion", 100, rungs=(100, 300)),
)


def evaluation(trial: StudyTrial) -> Evaluation:
    """The next one of the trial: scripted, so that pauses cannot change it."""
    step = len(trial.evaluations) + 1
    value = random.Random(f"{trial.number}-{step // 2}").random()
    return Evaluation(step, 100 * step, value)


class Play:
    """Slots at work on a study, with its moves drawn from ``dice``."""

    def __init__(self, journal: Path, budget: int, slots: int, dice: random.Random) -> None:
        self.journal, self.budget, self.slots, self.dice = journal, budget, slots, dice
        self.study = Study(journal, TWO)
        self.working: list[int] = []
        self.told: list[int] = []

    def outlook(self) -> Outlook:
        return Outlook(self.budget - len(self.study.trials), busy=frozenset(self.working))

    def restart(self) -> None:
        """The parent dies; the journal is all there is."""
        before = self.study.trials
        self.study = Study(self.journal, TWO)
        assert self.study.trials == before
        self.working = []

    def fill(self) -> bool:
        while len(self.working) < self.slots:
            trial = self.next()
            if trial is None:
                return bool(self.working)
            self.study.attempt(trial.number)
            self.working.append(trial.number)
        return True

    def next(self) -> StudyTrial | None:
        for each in self.study.trials:
            if each.state == "running" and not each.paused and each.number not in self.working:
                return each
        outlook = self.outlook()
        return self.study.promote(outlook) or (self.study.ask() if outlook.more else None)

    def step(self) -> None:
        number = self.dice.choice(self.working)
        trial = self.study.trials[number]
        verdict = self.study.report(number, evaluation(trial), 1.0, None, self.outlook())
        if len(self.study.trials[number].evaluations) == LAST:
            self.end(number, "complete")
        elif verdict == "stop":
            self.end(number, "pruned")
        elif verdict == "pause":
            self.working.remove(number)
        for each in self.study.hopeless(self.outlook()):
            self.end(each.number, "pruned")

    def end(self, number: int, state: str) -> None:
        if number in self.working:
            self.working.remove(number)
        self.told.append(number)
        self.study.tell(number, state)  # type: ignore[arg-type]

    def run(self, restarts: float = 0.0) -> None:
        while self.fill():
            self.step()
            if self.dice.random() < restarts:
                self.restart()


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    budget=st.integers(1, 14),
    slots=st.integers(1, 4),
    restarts=st.sampled_from([0.0, 0.1, 0.4]),
)
def test_the_budget_holds_and_every_configuration_is_tried_and_told_once(
    seed: int, budget: int, slots: int, restarts: float
):
    with tempfile.TemporaryDirectory() as folder:
        play = Play(Path(folder) / "j", budget, slots, random.Random(seed))
        play.run(restarts)
        trials = play.study.trials
        assert len(trials) == budget
        assert len({identity(each.configuration) for each in trials}) == budget
        assert sorted(play.told) == list(range(budget))
        assert all(each.state in ("complete", "pruned") for each in trials)
        assert any(each.state == "complete" for each in trials)
        assert read(play.journal).trials == trials
        for each in trials:
            assert [one.number for one in each.evaluations] == list(
                range(1, len(each.evaluations) + 1)
            )
            assert each.state == "complete" or rungs.reached(each, TWO) == each.samples


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), budget=st.integers(1, 12))
def test_a_study_restarted_at_any_moments_ends_as_the_undisturbed_one(seed: int, budget: int):
    with tempfile.TemporaryDirectory() as folder:
        whole = Play(Path(folder) / "whole", budget, 1, random.Random(0))
        whole.run()
        broken = Play(Path(folder) / "broken", budget, 1, random.Random(seed))
        broken.run(restarts=0.3)
        assert [t.evaluations for t in broken.study.trials] == [
            t.evaluations for t in whole.study.trials
        ]
        assert [t.state for t in broken.study.trials] == [t.state for t in whole.study.trials]


@given(
    paces=st.lists(st.floats(0.1, 9.0), min_size=1, max_size=12),
    wrong=st.floats(0.2, 5.0),
)
def test_predictions_that_are_wrong_by_a_factor_are_corrected(paces: list[float], wrong: float):
    seen = [trial(n, 0.5, 0.6, pace=2.0) for n in range(len(paces))]
    forecast = Forecast(PLAN, lambda one, samples: wrong * (samples - one.samples) / 100)
    found = forecast.seconds(seen, trial(99), 1000)
    assert found is not None
    assert abs(found - 20.0) < 1e-6


def test_without_predictions_the_trials_own_pace_counts_then_its_candidates():
    forecast = Forecast(PLAN)
    seen = [trial(n, 0.5, pace=pace) for n, pace in enumerate((1.0, 2.0, 9.0))]
    assert forecast.seconds(seen, trial(9, 0.5, pace=3.0), 300) == 6.0
    assert forecast.seconds(seen, trial(9), 300) == 6.0
    assert forecast.seconds([], trial(9), 300) is None
    assert forecast.seconds(seen, trial(9, 0.5, 0.6), 100) == 0.0


def test_seconds_are_to_the_next_rung_and_past_the_last_to_the_end():
    forecast = Forecast(PLAN, lambda one, samples: float(samples - one.samples))
    assert forecast.to_next([], trial(0)) == 100
    assert forecast.to_next([], trial(0, 0.5, paused=True)) == 200
    assert forecast.to_next([], trial(0, 0.5, 0.5, 0.5, passed=300)) == 700
    assert forecast.to_end([], trial(0, 0.5)) == 900
