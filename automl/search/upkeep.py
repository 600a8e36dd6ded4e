"""What is worth keeping of trials that are over, and how much disk that takes.

Knows the trials' folders, not what is in them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from automl.events import RungCount
from automl.plan import Plan
from automl.rundir import RunDir, bytes_below
from automl.search import choice, rungs
from automl.search.noise import noise
from automl.search.trial import StudyTrial

SOUP_MODELS = 5
"""Models kept for averaging; of 72 fine-tunes greedy averaging took five (Wortsman et al. 2022)."""
WITHIN_REACH = 2.0
"""Standard errors of the metric: what is worse than the best by more is not trained again."""


def delete(folder: Path) -> None:
    """Delete the folder, if it is there."""
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(slots=True)
class Upkeep:
    """What trials have left in their folders."""

    rundir: RunDir
    remove: Callable[[Path], None] = delete
    """Deletes a folder that may not be there."""
    _swept: set[int] = field(default_factory=set)

    def sweep(self, trials: Sequence[StudyTrial], plan: Plan) -> None:
        """Delete what can no longer be continued (checkpoints) or win (models)."""
        kept = worth_keeping(trials, plan)
        for trial in trials:
            if trial.state == "running" or trial.number in self._swept:
                continue
            folder = self.rundir.trial(trial.number)
            self.remove(folder.checkpoints)
            if trial.number not in kept:
                self.remove(folder.best)
                self._swept.add(trial.number)

    def bytes_in_use(self, trials: Sequence[StudyTrial]) -> int:
        """Return the bytes of all checkpoints and models that are there."""
        left = [self.rundir.trial(t.number) for t in trials if t.number not in self._swept]
        return sum(
            bytes_below(path) for folder in left for path in (folder.checkpoints, folder.best)
        )


def worth_keeping(trials: Sequence[StudyTrial], plan: Plan) -> set[int]:
    """Return the trials whose models may still leave: the winner, and those next to it.

    These are what repeats and averaging need, and with several objectives the whole front. Among
    trials that have ended: one that has not may still fail, and its model with it.
    """
    most = max(1, plan.search.repeats, SOUP_MODELS if plan.search.soup else 0)
    ended = [trial for trial in trials if trial.state != "running"]
    best = list(choice.shortlist(ended, plan.goal, most))
    if plan.goal.also:
        best += choice.pareto(ended, plan.goal)
    numbers = {trial.number for trial in best}
    winner = choice.choose(trials, plan.goal)
    if winner is not None:
        numbers.add(winner.number)
    return numbers | {t.number for t in trials if t.repeat_of in numbers}


def unrepeated(trials: Sequence[StudyTrial], plan: Plan) -> list[int]:
    """Return the best configurations that have not been trained with another seed yet.

    Chosen by their first training alone, so that it does not matter which were repeated before.
    Left out are probes, which have no randomness to speak of, and what another seed would hardly
    make the best.
    """
    originals = [trial for trial in trials if trial.searched]
    best = choice.shortlist(originals, plan.goal, plan.search.repeats)
    done = {trial.repeat_of for trial in trials if trial.state != "failed"}
    values = {trial.number: _value(trial, plan) for trial in best}
    top = max(values.values(), default=0.0)
    margin = WITHIN_REACH * noise(abs(top), plan) + (
        plan.goal.prefer.within if plan.goal.prefer else 0.0
    )
    return [n for n, value in values.items() if value >= top - margin and n not in done]


def _value(trial: StudyTrial, plan: Plan) -> float:
    """The trial's best value, larger always better."""
    value = trial.value(plan.goal.direction)
    assert value is not None
    return value if plan.goal.direction == "maximize" else -value


def counts(trials: Sequence[StudyTrial], plan: Plan) -> tuple[RungCount, ...]:
    """Return for each rung how many trials came to it and how many wait there."""
    if plan.search.strategy != "promotion":
        return ()
    places = [(rungs.reached(t, plan), t.paused) for t in trials if t.state != "failed"]
    return tuple(
        RungCount(
            level,
            sum(samples >= level for samples, _ in places),
            sum(samples == level and paused for samples, paused in places),
        )
        for level in plan.search.rungs
    )
