"""What a run looks like while it runs: a live screen on a terminal, plain lines elsewhere.

Fed with events; asks nothing of the run.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from automl import events
from automl.documents import to_line
from automl.plan import Scalar


class View(Protocol):
    """Shows events; used as a context so that the terminal is left as it was found."""

    def __enter__(self) -> View: ...
    def __exit__(self, *_: object) -> None: ...
    def __call__(self, event: events.RunEvent) -> None: ...


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


@dataclass(slots=True)
class State:
    """What the events add up to. Knows no screen."""

    metric: str
    minimize: bool
    run: events.RunStarted | None = None
    stage: str = "starting"
    running: dict[int, Row] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    best: tuple[int, str, float] | None = None
    notes: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def take(self, event: events.RunEvent) -> None:
        """Take one event in."""
        match event:
            case events.RunStarted():
                self.run, self.began, self.stage = event, time.monotonic(), "search"
                self.best = event.best
            case events.StageBegan():
                self.stage = f"{event.stage}: {event.detail}" if event.detail else event.stage
            case events.TrialStarted():
                self.running[event.trial] = Row(
                    event.candidate, event.hyperparameters, event.slot, event.attempt
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
            case events.Reported() as report if self.metric in report.metrics:
                row.step, row.metric = report.step, report.metrics[self.metric]
                self._offer(said.trial, row.candidate, row.metric)

    def _offer(self, trial: int, candidate: str, value: float) -> None:
        sign = -1 if self.minimize else 1
        if self.best is None or sign * value > sign * self.best[2]:
            self.best = (trial, candidate, value)

    def _ended(self, event: events.TrialEnded) -> None:
        self.running.pop(event.trial, None)
        self.ended[event.state] = self.ended.get(event.state, 0) + 1
        if event.message:
            self.notes.append(f"trial {event.trial} {event.state}: {event.message}")

    @property
    def done(self) -> int:
        """Trials that have ended for good, in all runs."""
        before = self.run.finished_trials if self.run else 0
        return before + sum(n for state, n in self.ended.items() if state != "paused")

    def share(self) -> float:
        """How much of the budget is used, 0 to 1: the limit that is nearer to its end."""
        if self.run is None:
            return 0.0
        shares = [0.0]
        if self.run.trials:
            inside = sum(row.step / row.total for row in self.running.values() if row.total)
            shares.append((self.done + inside) / self.run.trials)
        if self.run.seconds:
            shares.append((time.monotonic() - self.began) / self.run.seconds)
        return min(1.0, max(shares))

    def left(self) -> str:
        """How long the rest may take, from what has been used; empty while that is a guess."""
        share, elapsed = self.share(), time.monotonic() - self.began
        if share < 0.02:
            return ""
        return f"about {_clock(elapsed * (1 - share) / share)} left"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def short(hyperparameters: Mapping[str, Scalar]) -> str:
    """Return the hyperparameters that people look at first, in a few words."""
    parts = []
    for name, label in (("learning_rate", "lr"), ("epochs", "ep"), ("batch_size", "bs")):
        if name in hyperparameters:
            value = hyperparameters[name]
            parts.append(f"{label} {value:.1e}" if name == "learning_rate" else f"{label} {value}")
    return " ".join(parts)


class Screen:
    """The live view of a terminal: budget, best so far, one line a running trial, notes."""

    def __init__(self, console: Console, state: State) -> None:
        """Show ``state`` on ``console``."""
        self.console, self.state = console, state
        self._live = Live(
            console=console, refresh_per_second=4, transient=True, get_renderable=self._picture
        )

    def __enter__(self) -> Screen:
        """Start drawing."""
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop drawing and leave the terminal clean."""
        self._live.__exit__(None, None, None)

    def __call__(self, event: events.RunEvent) -> None:
        """Take the event in; what stays on screen is printed above the live part."""
        line = said(event, self.state)
        self.state.take(event)
        if line:
            self.console.print(line, highlight=False, soft_wrap=True)

    def _picture(self) -> Group:
        parts: list[RenderableType] = [self._head()]
        if self.state.running:
            parts.append(self._table())
        return Group(*parts)

    def _head(self) -> Table:
        state = self.state
        grid = Table.grid(padding=(0, 2))
        total = f"/{state.run.trials}" if state.run and state.run.trials else ""
        cells: list[RenderableType] = [Text(state.stage, style="bold")]
        if state.run and state.stage == "search":
            cells += [
                ProgressBar(total=1.0, completed=state.share(), width=24),
                Text(f"trial {state.done}{total}"),
                Text(state.left(), style="dim"),
            ]
        if state.best:
            number, candidate, value = state.best
            cells.append(
                Text(f"best {state.metric} {value:.4f} (trial {number}, {candidate})", "green")
            )
        if state.ended.get("failed"):
            cells.append(Text(f"{state.ended['failed']} failed", "red"))
        grid.add_row(*cells)
        return grid

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2), header_style="dim")
        for name in (
            "trial",
            "candidate",
            "settings",
            "step",
            self.state.metric,
            "loss",
            "samples/s",
            "device",
        ):
            table.add_column(name, no_wrap=True)
        for number, row in sorted(self.state.running.items()):
            table.add_row(
                str(number),
                row.candidate,
                short(row.hyperparameters),
                f"{row.step}/{row.total}" if row.total else "starting",
                "" if row.metric is None else f"{row.metric:.4f}",
                "" if row.loss is None else f"{row.loss:.3f}",
                f"{row.speed:.0f}" if row.speed else "",
                row.slot,
            )
        return table


def said(event: events.RunEvent, state: State) -> str | None:
    """Return the event as one line that stays, or None for what only the live part shows."""
    match event:
        case events.RunStarted():
            begun = (
                f"continues after {event.finished_trials}" if event.finished_trials else "starts"
            )
            limit = [
                f"{event.trials} trials" if event.trials else "",
                f"{event.seconds:.0f} s" if event.seconds else "",
            ]
            return f"search {begun}: budget {', '.join(filter(None, limit))}, {event.slots} at once"
        case events.StageBegan():
            return f"{event.stage}: {event.detail}" if event.detail else event.stage
        case events.TrialEnded(state="paused"):
            return f"trial {event.trial} paused: {event.message}"
        case events.TrialEnded():
            return _ended_line(event, state)
        case events.CandidateRetired():
            return f"{event.candidate} is retired: {event.reason}"
    return None


def _ended_line(event: events.TrialEnded, state: State) -> str:
    row = state.running.get(event.trial)
    what = f"{row.candidate} {short(row.hyperparameters)}" if row else ""
    value = "" if event.value is None else f" {state.metric} {event.value:.4f}"
    message = f": {event.message}" if event.message else ""
    return f"trial {event.trial} {event.state}{value}  {what}{message}"


class Lines:
    """Plain lines, one an event that matters: for logs, pipes and CI."""

    def __init__(self, console: Console, state: State) -> None:
        """Print to ``console``."""
        self.console, self.state = console, state

    def __enter__(self) -> Lines:
        """Nothing to prepare."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to tidy."""

    def __call__(self, event: events.RunEvent) -> None:
        """Print the event if it matters to a reader of a log."""
        line = self._line(event)
        self.state.take(event)
        if line:
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _line(self, event: events.RunEvent) -> str | None:
        match event:
            case events.TrialStarted():
                return (
                    f"trial {event.trial} starts on {event.slot}: {event.candidate} "
                    f"{short(event.hyperparameters)}"
                )
            case events.TrialSaid(event=events.Reported() as report):
                value = report.metrics.get(self.state.metric)
                return f"trial {event.trial} step {report.step} {self.state.metric} {value:.4f}"
        return said(event, self.state)


class JsonLines:
    """Every event as one line of JSON on stdout, for programs."""

    def __enter__(self) -> JsonLines:
        """Nothing to prepare."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to tidy."""

    def __call__(self, event: events.RunEvent) -> None:
        """Print the event."""
        print(to_line(event), end="", flush=True)
