"""Ending unpromising trials early, by Optuna's pruners: what ``median`` and ``hyperband`` mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import optuna
from optuna.pruners import NopPruner
from optuna.samplers import RandomSampler
from optuna.trial import create_trial

from automl.plan import Plan
from automl.search import strategies
from automl.search.journal import STATES
from automl.search.trial import State, StudyTrial


class Pruning:
    """An in-memory Optuna study that sees evaluations and ends; empty without a pruner."""

    def __init__(self, plan: Plan, trials: Sequence[StudyTrial]) -> None:
        """Take in the trials of earlier runs."""
        pruner = strategies.pruner(plan)
        self._study = None
        self._views: dict[int, optuna.trial.Trial] = {}
        if isinstance(pruner, NopPruner):
            return
        self._study = optuna.create_study(
            direction=plan.goal.direction, pruner=pruner, sampler=RandomSampler()
        )
        for trial in trials:
            complete = trial.state == "complete"
            self._study.add_trial(
                create_trial(
                    state=STATES[trial.state],
                    value=trial.value(plan.goal.direction) if complete else None,
                    intermediate_values={e.number: e.value for e in trial.evaluations},
                )
            )

    def add(self, trial: StudyTrial) -> None:
        """Take in a new trial; its number is the count of those before it."""
        if self._study is not None:
            self._views[trial.number] = self._study.ask()

    def report(self, trial: StudyTrial) -> Literal["continue", "stop"]:
        """Take in the trial's last evaluation and say whether it goes on.

        Repeats are there to be trained to their end.
        """
        if self._study is None or trial.repeat_of is not None:
            return "continue"
        view, evaluation = self._view(trial.number), trial.evaluations[-1]
        view.report(evaluation.value, evaluation.number)
        return "stop" if view.should_prune() else "continue"

    def tell(self, number: int, state: State, value: float | None) -> None:
        """Take in the end of a trial."""
        if self._study is not None:
            self._study.tell(number, value if state == "complete" else None, state=STATES[state])

    def _view(self, number: int) -> optuna.trial.Trial:
        """The trial as Optuna sees it; only one of an earlier run has to be made."""
        assert self._study is not None
        if number not in self._views:
            identifier = self._study.get_trials(deepcopy=False)[number]._trial_id
            self._views[number] = optuna.trial.Trial(self._study, identifier)
        return self._views[number]
