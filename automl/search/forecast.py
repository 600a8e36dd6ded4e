"""How long training will take: predictions, corrected by what was seen since. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from automl.plan import Configuration, Plan
from automl.search import rungs, space
from automl.search.trial import StudyTrial

Predict = Callable[[StudyTrial, int], float | None]
"""Seconds of training that a trial needs from where it is to so many samples seen; null: unknown.
"""
NEWEST = 9
"""Trials of a candidate whose seconds are looked at: what else the machine does changes."""


def unknown(_: StudyTrial, __: int) -> None:
    """Predict nothing."""


def horizon(configuration: Configuration, plan: Plan) -> int | None:
    """Return the samples of the configuration's whole training; None where that is not known."""
    epochs = configuration.hyperparameters.get("epochs")
    if not isinstance(epochs, int | float):
        return None
    return round(epochs * plan.data.rows["train"])


@dataclass(frozen=True, slots=True)
class Forecast:
    """Predicted seconds of a plan's trials."""

    plan: Plan
    predict: Predict = unknown

    def seconds(
        self, trials: Sequence[StudyTrial], trial: StudyTrial, samples: int
    ) -> float | None:
        """Return the seconds the trial needs to come to ``samples``; None when nothing is known.

        A prediction is scaled by how long its candidate's trials took compared with theirs;
        without one, the trial's own pace counts, then that of its candidate.
        """
        left = samples - trial.samples
        if left <= 0:
            return 0.0
        mine = self._seen(trials, trial.configuration.candidate)
        predicted = self.predict(trial, samples)
        if predicted is not None:
            return predicted * self._correction(mine)
        if trial.evaluations:
            return left * trial.evaluations[-1].seconds / trial.samples
        paces = [one.evaluations[-1].seconds / one.samples for one in mine]
        return left * median(paces) if paces else None

    def to_next(self, trials: Sequence[StudyTrial], trial: StudyTrial) -> float | None:
        """Return the seconds to the trial's next rung, or to its end; None when unknown."""
        ahead = [
            level
            for level in rungs.levels(trial, self.plan)
            if level > max(trial.passed, trial.samples)
        ]
        target = ahead[0] if ahead else horizon(trial.configuration, self.plan)
        return None if target is None else self.seconds(trials, trial, target)

    def to_end(self, trials: Sequence[StudyTrial], trial: StudyTrial) -> float | None:
        """Return the seconds to the end of the trial's training; None when unknown."""
        target = horizon(trial.configuration, self.plan)
        return None if target is None else self.seconds(trials, trial, target)

    def cheapest_start(self, trials: Sequence[StudyTrial], live: Sequence[str]) -> float | None:
        """Return the seconds to the first rung of the cheapest candidate, about.

        None while one candidate's are unknown: it might be cheaper still.
        """
        found = [
            self.to_next(trials, StudyTrial(-1, space.default(self.plan.candidate(name))))
            for name in live
        ]
        known = [each for each in found if each is not None]
        return min(known) if known and len(known) == len(found) else None

    def _seen(self, trials: Sequence[StudyTrial], candidate: str) -> list[StudyTrial]:
        found = [
            trial
            for trial in trials
            if trial.configuration.candidate == candidate
            and not trial.probes
            and trial.samples > 0
            and trial.evaluations[-1].seconds > 0
        ]
        return found[-NEWEST:]

    def _correction(self, seen: Sequence[StudyTrial]) -> float:
        ratios = []
        for trial in seen:
            fresh = StudyTrial(trial.number, trial.configuration)
            predicted = self.predict(fresh, trial.samples)
            if predicted:
                ratios.append(trial.evaluations[-1].seconds / predicted)
        return median(ratios) if ratios else 1.0
