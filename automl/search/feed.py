"""What the sampler is given to learn from: one row per configuration, judged at one level.

Trials that stopped early say little next to those that went on, and their values are no measure of
each other. So the sampler sees the highest rung that enough configurations came to; those that were
given up below it, or wait there, count as under way: there is nothing more to be had near them.
"""

from __future__ import annotations

import math
from collections.abc import Container, Hashable, Mapping, Sequence, Set
from typing import Any

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from automl.plan import Plan
from automl.search import space
from automl.search.choice import broken
from automl.search.memo import PerTrial
from automl.search.portfolio import identity
from automl.search.space import Encoded
from automl.search.trial import Evaluation, StudyTrial

ENOUGH = 10
"""Configurations at a rung from which on the sampler learns from it, and not from one below. On
replayed curves five do as well, within what can be told apart."""
MOST_ROWS = 250
"""Rows a sampler is given: with all of 5,000 trials a draw would take a fifth of a second."""
BEST_ROWS = 25
"""Of those the best, however old; as many as TPE's better group ever holds (gamma)."""


def at(trial: StudyTrial, plan: Plan, samples: float) -> Evaluation | None:
    """Return the trial's best evaluation by the time it had come to ``samples``.

    None when it has not come there. A trial that has trained to its end has come everywhere.
    """
    upto = []
    for evaluation in trial.evaluations:
        upto.append(evaluation)
        if evaluation.samples >= samples:
            break
    else:
        if trial.state != "complete":
            return None
    sign = 1 if plan.goal.direction == "maximize" else -1
    return max(upto, key=lambda one: sign * one.value, default=None)


def _counts(trial: StudyTrial) -> bool:
    return trial.searched and trial.state != "failed"


def _objectives(trial: StudyTrial, found: Evaluation, plan: Plan) -> list[float] | None:
    """The values of all objectives the sampler is told; None while one of them is unknown."""
    names = _further(plan)
    known = {**trial.costs, **found.also}
    if any(name not in known for name in names):
        return None
    return [found.value, *(known[name] for name in names)]


def _further(plan: Plan) -> tuple[str, ...]:
    """The objectives beyond the first, for those samplers that look at them."""
    return tuple(plan.goal.also) if plan.search.sampler in ("tpe", "nsga2") else ()


def _directions(plan: Plan) -> list[str]:
    return [plan.goal.direction, *(plan.goal.also[name] for name in _further(plan))]


class Feed:
    """Makes what the sampler learns from; remembers what it found out about each trial."""

    def __init__(self, plan: Plan, states: Mapping[int, Mapping[str, Any]] | None = None) -> None:
        """``states`` is what evolving samplers left with the trials they drew, by number."""
        self._plan = plan
        self._states = dict(states or {})
        rungs = plan.search.rungs if plan.search.strategy == "promotion" else ()
        self._levels = (*rungs, math.inf)
        self._sign = 1 if plan.goal.direction == "maximize" else -1
        self._marks = PerTrial(self._found_marks)
        self._tried: set[Hashable] = set()
        self._looked_at = 0
        self._live: tuple[str, ...] = ()
        self._coded: dict[int, Encoded | None] = {}

    def tried(self, trials: Sequence[StudyTrial]) -> Set[Hashable]:
        """Return what identifies each configuration that was tried.

        ``trials`` are the study's, all of them and in order; only those new are looked at.
        """
        for trial in trials[self._looked_at :]:
            self._tried.add(identity(trial.configuration))
        self._looked_at = len(trials)
        return self._tried

    def level(self, trials: Sequence[StudyTrial]) -> float:
        """Return the samples at which configurations are compared; infinity: at their end."""
        return self._levels[self._level(trials)]

    def values(self, trials: Sequence[StudyTrial]) -> list[tuple[float, StudyTrial]]:
        """Return the configurations that came to today's level, with their values there.

        Larger is better, whatever the goal's direction.
        """
        level = self._level(trials)
        found = ((self._marks(trial)[level], trial) for trial in trials)
        return [(self._sign * one.value, trial) for one, trial in found if one is not None]

    def ranked(self, trials: Sequence[StudyTrial]) -> list[StudyTrial]:
        """Return the configurations that came to today's level, best first."""
        found = sorted(self.values(trials), key=lambda entry: (-entry[0], entry[1].number))
        return [trial for _, trial in found]

    def study(self, trials: Sequence[StudyTrial], live: Sequence[str]) -> optuna.Study:
        """Return an in-memory Optuna study with what the plan's sampler learns from.

        Every row is coded under today's space; configurations that are no point of it are left out,
        and so are repeats and probes.
        """
        if tuple(live) != self._live:
            self._live, self._coded = tuple(live), {}
        level = self._level(trials)
        found = [self._row(trial, level) for trial in self._selected(trials)]
        return optuna.create_study(
            storage=_Rows([row for row in found if row is not None]),
            directions=_directions(self._plan),
            sampler=RandomSampler(),
        )

    def _found_marks(self, trial: StudyTrial) -> tuple[Evaluation | None, ...]:
        """The trial's best evaluation by each level; none of those that do not count."""
        if not _counts(trial):
            return (None,) * len(self._levels)
        return tuple(at(trial, self._plan, level) for level in self._levels)

    def _level(self, trials: Sequence[StudyTrial]) -> int:
        marks = [self._marks(trial) for trial in trials]
        for level in range(len(self._levels) - 1, 0, -1):
            if sum(each[level] is not None for each in marks) >= ENOUGH:
                return level
        return 0

    def _selected(self, trials: Sequence[StudyTrial]) -> list[StudyTrial]:
        """At most ``MOST_ROWS``: the best ones and the newest."""
        known = [trial for trial in trials if _counts(trial)]
        if len(known) <= MOST_ROWS:
            return known
        kept = {trial.number for trial in self.ranked(known)[:BEST_ROWS]}
        newest = [trial.number for trial in known if trial.number not in kept]
        kept |= set(newest[len(kept) - MOST_ROWS :])
        return [trial for trial in known if trial.number in kept]

    def remember(self, number: int, study: optuna.Study) -> None:
        """Keep what the sampler left with the trial it has just drawn from ``study``."""
        self._states[number] = study.get_trials(deepcopy=False)[-1].system_attrs

    def state(self, number: int) -> Mapping[str, Any]:
        """Return what the sampler left with that trial."""
        return self._states.get(number, {})

    def _row(self, trial: StudyTrial, level: int) -> FrozenTrial | None:
        coded = self._encoded(trial)
        if coded is None:
            return None
        plan = self._plan
        state, values = TrialState.RUNNING, None
        steps: dict[int, float] = {}
        found = self._marks(trial)[level]
        if found is not None:
            values = _objectives(trial, found, plan)
            state = TrialState.COMPLETE if values else TrialState.RUNNING
        elif trial.state == "pruned" and len(self._levels) == 1 and not plan.goal.also:
            # Optuna ranks pruned rows below complete ones, those that came further first. It also
            # counts them when it says how many rows are good (a tenth): with rungs, where most
            # trials are given up early, half of those at the level would be.
            state = TrialState.PRUNED
            steps = {one.samples: one.value for one in trial.evaluations[-1:]}
        return FrozenTrial(
            number=0,
            trial_id=0,
            state=state,
            value=None,
            values=values,
            datetime_start=None,
            datetime_complete=None,
            params=dict(coded.parameters),
            distributions=dict(coded.distributions),
            user_attrs={},
            system_attrs=dict(self.state(trial.number))
            | {f"constraints:{text}": 1.0 for text in broken(trial.costs, plan.goal)},
            intermediate_values=steps,
        )

    def _encoded(self, trial: StudyTrial) -> Encoded | None:
        if trial.number not in self._coded:
            coded = space.encode(self._plan, self._live, trial.configuration)
            self._coded[trial.number] = coded
        return self._coded[trial.number]


class _Rows(InMemoryStorage):  # type: ignore[misc]  # untyped
    """Optuna's storage in memory with rows that were there before; what is asked for comes new.

    Adding hundreds of rows one by one would copy each of them deeply, at every draw.
    """

    def __init__(self, rows: Sequence[FrozenTrial]) -> None:
        super().__init__()
        self._rows = rows
        for number, row in enumerate(rows, start=1):  # the first trial asked for has number 0
            row.number = row._trial_id = number

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Return the rows, then what was asked for."""
        rows = [row for row in self._rows if states is None or row.state in states]
        asked: list[FrozenTrial] = super().get_all_trials(study_id, deepcopy, states)
        return rows + asked
