"""What the sampler is given to learn from: one row per configuration, judged at one level.

Trials that stopped early say little next to those that went on, and their values are no measure of
each other. So the sampler sees the highest rung that enough configurations came to; those that were
given up below it count as worse, and those still below it as under way.
"""

from __future__ import annotations

import math
from collections.abc import Container, Sequence

import optuna
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from automl.plan import Plan
from automl.search import space
from automl.search.choice import broken
from automl.search.space import Encoded
from automl.search.trial import Evaluation, StudyTrial

MODE = ""
ENOUGH = 10
"""Configurations at a rung from which on the sampler learns from it, and not from one below."""
MOST_ROWS = 250
"""Rows a sampler is given: with all of 5,000 trials a draw would take a fifth of a second."""
BEST_ROWS = 25
"""Of those the best, however old; as many as TPE's better group ever holds (gamma)."""


def level(trials: Sequence[StudyTrial], plan: Plan) -> float:
    """Return the samples at which configurations are compared; infinity: at their end."""
    rungs = plan.search.rungs if plan.search.strategy == "promotion" else ()
    levels = (*rungs, math.inf)
    for each in reversed(levels[1:]):
        if sum(at(trial, plan, each) is not None for trial in trials if _counts(trial)) >= ENOUGH:
            return each
    return levels[0]


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


def ranked(trials: Sequence[StudyTrial], plan: Plan) -> list[StudyTrial]:
    """Return the configurations that came to today's level, best first."""
    where, sign = level(trials, plan), 1 if plan.goal.direction == "maximize" else -1
    found = [(at(trial, plan, where), trial) for trial in trials if _counts(trial)]
    scored = [(-sign * one.value, trial.number, trial) for one, trial in found if one is not None]
    return [trial for _, _, trial in sorted(scored, key=lambda entry: entry[:2])]


def _counts(trial: StudyTrial) -> bool:
    return trial.searched and trial.state != "failed"


def _selected(trials: list[StudyTrial], plan: Plan, where: float) -> list[StudyTrial]:
    """At most ``MOST_ROWS``: the best ones and the newest."""
    if len(trials) <= MOST_ROWS:
        return trials
    sign = 1 if plan.goal.direction == "maximize" else -1
    scored = [(at(trial, plan, where), trial) for trial in trials]
    order = sorted(
        ((-sign * one.value, trial.number) for one, trial in scored if one is not None),
    )
    kept = {number for _, number in order[:BEST_ROWS]}
    newest = [trial.number for trial in trials if trial.number not in kept]
    kept |= set(newest[-(MOST_ROWS - len(kept)) :])
    return [trial for trial in trials if trial.number in kept]


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
    """Makes what the sampler learns from; remembers how configurations are coded."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._live: tuple[str, ...] = ()
        self._coded: dict[int, Encoded | None] = {}

    def study(self, trials: Sequence[StudyTrial], live: Sequence[str]) -> optuna.Study:
        """Return an in-memory Optuna study with what the plan's sampler learns from.

        Every row is coded under today's space; configurations that are no point of it are left out,
        and so are repeats and probes.
        """
        if tuple(live) != self._live:
            self._live, self._coded = tuple(live), {}
        where = level(trials, self._plan)
        known = [trial for trial in trials if _counts(trial)]
        found = [self._row(trial, where) for trial in _selected(known, self._plan, where)]
        return optuna.create_study(
            storage=_Rows([row for row in found if row is not None]),
            directions=_directions(self._plan),
            sampler=RandomSampler(),
        )

    def _row(self, trial: StudyTrial, where: float) -> FrozenTrial | None:
        coded = self._encoded(trial)
        if coded is None:
            return None
        plan = self._plan
        state, values = TrialState.RUNNING, None
        steps: dict[int, float] = {}
        found = at(trial, plan, where)
        if found is not None:
            values = _objectives(trial, found, plan)
            state = TrialState.COMPLETE if values else TrialState.RUNNING
        elif MODE == "skip" and (trial.paused or trial.state == "pruned"):
            return None
        elif (
            trial.state == "pruned" or (MODE == "pruned" and trial.paused)
        ) and not plan.goal.also:
            # Optuna ranks pruned rows below complete ones, those that came further first.
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
            system_attrs={f"constraints:{text}": 1.0 for text in broken(trial.costs, plan.goal)},
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
