"""What the events of a run add up to. Knows no screen, and asks nothing of the run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from automl import events
from automl.plan import Scalar


@dataclass(slots=True)
class Row:
    """One running trial on the screen."""

    candidate: str
    hyperparameters: Mapping[str, Scalar]
    slot: str
    attempt: int
    step: int = 0
    total: int = 0
    loss: float | None = None
    speed: float = 0.0
    metric: float | None = None
    repeat_of: int | None = None
    waits: bool = False
    """Whether it has come to a rung and has not gone on yet."""


@dataclass(slots=True)
class State:
    """The run so far."""

    metric: str
    minimize: bool
    run: events.RunStarted | None = None
    stage: str = "starting"
    search: events.SearchProgressed | None = None
    running: dict[int, Row] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    """State → trials that ended so; what was paused, and may go on, among them."""
    repeats: int = 0
    """Trials that ended for good since the best configurations are being confirmed."""
    best: tuple[int, str, float] | None = None
    notes: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic, compare=False)
    before: float = field(default=0.0, compare=False)
    """Search seconds of earlier runs."""

    def take(self, event: events.RunEvent) -> None:
        """Take one event in."""
        match event:
            case events.RunStarted():
                self.run, self.began, self.stage = event, time.monotonic(), "search"
                self.best = event.best
                self.metric = event.metric or self.metric
                self.minimize = event.minimize if event.metric else self.minimize
            case events.StageBegan():
                self.stage = f"{event.stage}: {event.detail}" if event.detail else event.stage
            case events.SearchProgressed():
                self.search = event
                self.before = max(0.0, event.seconds - (time.monotonic() - self.began))
            case events.TrialStarted():
                self.running[event.trial] = Row(
                    event.candidate,
                    event.hyperparameters,
                    event.slot,
                    event.attempt,
                    repeat_of=event.repeat_of,
                )
            case events.TrialSaid():
                self._said(event)
            case events.TrialEnded():
                self._ended(event)
            case events.CandidateRetired():
                self.notes.append(f"{event.candidate} is retired: {event.reason}")

    def _said(self, said: events.TrialSaid) -> None:
        row = self.running.get(said.trial)
        if row is None:
            return
        match said.event:
            case events.Started(step=step, total_steps=total):
                row.step, row.total = step, total
            case events.Progressed() as progress:
                row.step, row.total = progress.step, progress.total_steps
                row.loss, row.speed = progress.loss, progress.samples_per_second
                row.waits = False
            case events.Reported() as report if self.metric in report.metrics:
                row.step, row.metric = report.step, report.metrics[self.metric]
                row.waits = report.rung
                self._offer(said.trial, row.candidate, row.metric)

    def _offer(self, trial: int, candidate: str, value: float) -> None:
        sign = -1 if self.minimize else 1
        if self.best is None or sign * value > sign * self.best[2]:
            self.best = (trial, candidate, value)

    def _ended(self, event: events.TrialEnded) -> None:
        self.running.pop(event.trial, None)
        self.ended[event.state] = self.ended.get(event.state, 0) + 1
        self.repeats += self.confirming and event.state != "paused"
        if event.message:
            self.notes.append(f"trial {event.trial} {event.state}: {event.message}")

    @property
    def confirming(self) -> bool:
        """Whether the best configurations are being trained again, with new seeds."""
        return self.search is not None and self.search.phase == "confirming"

    @property
    def done(self) -> int:
        """Trials of the search that have ended for good, in all runs; repeats do not count."""
        before = self.run.finished_trials if self.run else 0
        ended = sum(n for state, n in self.ended.items() if state != "paused")
        return before + ended - self.repeats

    @property
    def paused(self) -> int:
        """Trials that wait at a rung."""
        return sum(rung.paused for rung in self.search.rungs) if self.search else 0

    def share(self) -> float:
        """How much of the budget is used, 0 to 1: the limit that is nearer to its end."""
        return min(1.0, max(self._trials_used(), self._time_used()))

    def _trials_used(self) -> float:
        """A waiting trial counts as over: most are never promoted."""
        if self.run is None or not self.run.trials or self.confirming:
            return 0.0
        inside = sum(row.step / row.total for row in self.running.values() if row.total)
        return (self.done + self.paused + inside) / self.run.trials

    def _time_used(self) -> float:
        if self.run is None or not self.run.seconds:
            return 0.0
        return (self.before + time.monotonic() - self.began) / self.run.seconds

    def left(self) -> str:
        """How long the rest may take, from what has been used; empty while that is a guess."""
        by_trials, by_time = self._trials_used(), self._time_used()
        if self.run and self.run.seconds and by_time >= by_trials:
            return f"{clock(max(0.0, self.run.seconds * (1 - by_time)))} left"
        if by_trials < 0.02:
            return ""
        elapsed = time.monotonic() - self.began
        return f"about {clock(elapsed * max(0.0, 1 - by_trials) / by_trials)} left"


def clock(seconds: float) -> str:
    """Return seconds as ``4:31`` or ``1:04:31``."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
