"""A trial as the search sees it: one configuration over its whole life. Pure data, no Optuna."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from automl.events import FailureKind
from automl.plan import Configuration

State = Literal["running", "complete", "pruned", "failed"]
METHOD = "method"
PROBE = "probe"
"""The method that fine-tunes nothing: tried once per candidate, never drawn."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of a trial: its number from 1, training samples seen, the goal's metric."""

    number: int
    samples: int
    value: float
    also: Mapping[str, float] = field(default_factory=dict)
    """The goal's further metrics at this evaluation; costs are the trial's."""
    seconds: float = field(default=0.0, compare=False)
    """The trial's seconds by then; no part of what was found, which two machines find alike."""


@dataclass(frozen=True, slots=True)
class StudyTrial:
    """One configuration over its whole life."""

    number: int
    configuration: Configuration
    state: State = "running"
    evaluations: tuple[Evaluation, ...] = ()
    seconds: float = 0.0
    """Training and evaluation seconds, over all attempts."""
    attempts: int = 0
    micro_batch: int | None = None
    full_precision: bool = False
    """Whether it trains in fp32, whatever was chosen: in fewer bits its loss was no number."""
    failure: FailureKind | None = None
    message: str = ""
    paused: bool = False
    """Whether it waits at a rung, without a process; its state stays ``running``."""
    passed: int = 0
    """Samples of the highest rung it was let past."""
    costs: Mapping[str, float] = field(default_factory=dict)
    """What prediction with its model costs, as far as it was measured."""
    seed: int | None = None
    """Training seed where it is not the plan's."""
    repeat_of: int | None = None
    """The trial whose configuration this one trains again with another seed."""
    checkpoint_bytes: int = 0
    """Size of the checkpoint it waits with."""
    box: str = ""
    """The machine at work on it, of those that share the study; empty: any may continue it."""

    def value(self, direction: str) -> float | None:
        """Return the best evaluation by ``direction``, or None before the first."""
        values = [evaluation.value for evaluation in self.evaluations]
        if not values:
            return None
        return max(values) if direction == "maximize" else min(values)

    @property
    def samples(self) -> int:
        """Training samples seen at the last evaluation."""
        return self.evaluations[-1].samples if self.evaluations else 0

    @property
    def probes(self) -> bool:
        """Whether it fits a linear model on a frozen encoder instead of fine-tuning."""
        return self.configuration.hyperparameters.get(METHOD) == PROBE

    @property
    def searched(self) -> bool:
        """Whether it takes part in the search proper: no repeat, no probe."""
        return self.repeat_of is None and not self.probes


def best_of(trials: Iterable[StudyTrial], direction: str) -> StudyTrial | None:
    """Return the trial with the best evaluation, whatever it ended as; the earliest on a tie.

    Failed trials do not win: their best model may be what broke.
    """
    scored = [trial for trial in trials if trial.state != "failed" and trial.evaluations]
    sign = 1 if direction == "maximize" else -1
    return max(scored, key=lambda t: (sign * (t.value(direction) or 0.0), -t.number), default=None)
