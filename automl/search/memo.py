"""Answers that are remembered per trial, for as long as the trial does not change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from automl.search.trial import StudyTrial

Answer = TypeVar("Answer")


class PerTrial(Generic[Answer]):
    """A function of one trial that computes each trial once: most of a long study's have ended.

    Trials are never changed in place, so an answer holds while the trial is the same object.
    """

    def __init__(self, compute: Callable[[StudyTrial], Answer]) -> None:
        self._compute = compute
        self._known: dict[int, tuple[StudyTrial, Answer]] = {}

    def __call__(self, trial: StudyTrial) -> Answer:
        """Return the function's value for the trial."""
        known = self._known.get(trial.number)
        if known is not None and known[0] is trial:
            return known[1]
        answer = self._compute(trial)
        self._known[trial.number] = (trial, answer)
        return answer
