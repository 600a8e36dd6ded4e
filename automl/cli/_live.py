"""What a run looks like while it runs: a live screen on a terminal, plain lines elsewhere.

Fed with events; asks nothing of the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from automl import events, machine
from automl.cli._console import size
from automl.cli._live_state import Row, State
from automl.documents import to_line
from automl.machine import Use
from automl.plan import Scalar
from automl.tasks import ADAPTING

USE_SECONDS = 2.0
"""How often the GPUs are asked what is being used of them."""
STANDING_SECONDS = 60.0
"""How often plain lines say where the rungs stand."""


class View(Protocol):
    """Shows events; used as a context so that the terminal is left as it was found."""

    def __enter__(self) -> View: ...
    def __exit__(self, *_: object) -> None: ...
    def __call__(self, event: events.RunEvent) -> None: ...


def short(hyperparameters: Mapping[str, Scalar]) -> str:
    """Return the hyperparameters that people look at first, in a few words."""
    if hyperparameters.get("method") == "probe":
        return "frozen, linear head"
    method = hyperparameters.get("method")
    parts = [f"{method} r{hyperparameters.get('lora_rank')}"] if method in ADAPTING else []
    for name, label in (("learning_rate", "lr"), ("epochs", "ep"), ("batch_size", "bs")):
        if name in hyperparameters:
            value = hyperparameters[name]
            parts.append(f"{label} {value:.1e}" if name == "learning_rate" else f"{label} {value}")
    return " ".join(parts)


class Screen:
    """The live view of a terminal: budget, best so far, one line a running trial, notes."""

    def __init__(
        self,
        console: Console,
        state: State,
        gauges: Callable[[], Sequence[Use]] = machine.gpu_use,
    ) -> None:
        """Show ``state`` on ``console``, and what ``gauges`` say of the GPUs."""
        self.console, self.state = console, state
        self._gauges, self._use, self._asked = gauges, tuple[Use, ...](), -USE_SECONDS
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
        state = self.state
        parts: list[RenderableType] = [self._head()]
        if state.best:
            number, candidate, value = state.best
            told = f"best {state.metric} {value:.4f} (trial {number}, {candidate})"
            parts.append(Text(told, "green"))
        where = standing(state)
        if where and state.stage == "search":
            parts.append(Text(where, style="dim"))
        if state.running:
            parts.append(self._table())
            parts += [Text(use(each), style="dim") for each in self._uses()]
        return Group(*parts)

    def _uses(self) -> tuple[Use, ...]:
        if time.monotonic() - self._asked > USE_SECONDS:
            self._asked, self._use = time.monotonic(), tuple(self._gauges())
        return self._use

    def _head(self) -> Table:
        state = self.state
        grid = Table.grid(padding=(0, 2))
        cells: list[RenderableType] = [Text(stage(state), style="bold")]
        if state.run and state.stage == "search":
            bar = ProgressBar(total=1.0, completed=state.share(), width=24)
            cells += [bar, Text(count(state)), Text(state.left(), style="dim")]
        if state.ended.get("failed"):
            cells.append(Text(f"{state.ended['failed']} failed", "red"))
        grid.add_row(*cells)
        return grid

    def _table(self) -> Table:
        """The running trials; a narrow terminal goes without what matters least."""
        columns: dict[str, Callable[[int, Row], str]] = {
            "trial": lambda number, _: str(number),
            "candidate": lambda _, row: row.candidate,
            "settings": lambda _, row: _settings(row.hyperparameters, row.repeat_of),
            "step": lambda _, row: _step(row),
            self.state.metric: lambda _, row: "" if row.metric is None else f"{row.metric:.4f}",
            "loss": lambda _, row: "" if row.loss is None else f"{row.loss:.3f}",
            "samples/s": lambda _, row: f"{row.speed:.0f}" if row.speed else "",
            "device": lambda _, row: row.slot,
        }
        for name, needed in (("device", 110), ("samples/s", 95), ("loss", 85)):
            if self.console.width < needed:
                del columns[name]
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name in columns:
            table.add_column(name, no_wrap=True)
        for number, row in sorted(self.state.running.items()):
            table.add_row(*(cell(number, row) for cell in columns.values()))
        return table


def use(gpu: Use) -> str:
    """Return what is being used of a GPU: ``cuda:0  87% busy · 31.2 GB of 80.0 GB · 61 °C``."""
    parts = [
        "" if gpu.busy is None else f"{gpu.busy:.0%} busy",
        f"{size(gpu.memory_bytes)} of {size(gpu.of_bytes)}",
        "" if gpu.celsius is None else f"{gpu.celsius} °C",
    ]
    return f"cuda:{gpu.id}  {' · '.join(filter(None, parts))}"


def stage(state: State) -> str:
    """Return what the run is at, in a few words."""
    return "confirming" if state.stage == "search" and state.confirming else state.stage


def count(state: State) -> str:
    """Return how far the search is, in trials; what waits at a rung counts, as most ends there."""
    if state.confirming:
        return f"{state.repeats} repeat{'' if state.repeats == 1 else 's'} done"
    total = f"/{state.run.trials}" if state.run and state.run.trials else ""
    return f"trial {state.done + state.paused}{total}"


def standing(state: State) -> str:
    """Return what came to each rung and what waits there, and the disk in use, on one line."""
    if state.search is None:
        return ""
    parts = [
        f"rung {rung.samples:,}: {rung.reached} came, {rung.paused} wait"
        for rung in state.search.rungs
        if rung.reached
    ]
    if state.search.checkpoint_bytes:
        parts.append(f"{size(state.search.checkpoint_bytes)} of checkpoints and models")
    return " · ".join(parts)


def _settings(hyperparameters: Mapping[str, Scalar], repeat_of: int | None) -> str:
    again = "" if repeat_of is None else f" (repeat of {repeat_of})"
    return short(hyperparameters) + again


def _step(row: Row) -> str:
    if not row.total:
        return "starting"
    return f"{row.step}/{row.total}" + (" at rung" if row.waits else "")


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
        case events.TrialEnded():
            return _ended_line(event, state)
        case events.SearchProgressed():
            return _phase_line(event, state)
        case events.CandidateRetired():
            return f"{event.candidate} is retired: {event.reason}"
        case events.TrialSaid(event=events.Warned(message=message)):
            return f"trial {event.trial}: {message}"
    return None


def _ended_line(event: events.TrialEnded, state: State) -> str:
    row = state.running.get(event.trial)
    what = f"{row.candidate} {_settings(row.hyperparameters, row.repeat_of)}" if row else ""
    value = "" if event.value is None else f" {state.metric} {event.value:.4f}"
    message = f": {event.message}" if event.message else ""
    return f"trial {event.trial} {event.state}{value}  {what}{message}"


def _phase_line(event: events.SearchProgressed, state: State) -> str | None:
    """Only a change of phase stays; counts are for the live part, and a log has its trials."""
    if event.phase == (state.search.phase if state.search else "searching"):
        return None
    if event.phase == "confirming":
        return "confirming: the best configurations are trained again with new seeds"
    return f"search over: {event.reason}" if event.reason else None


class Lines:
    """Plain lines, one an event that matters: for logs, pipes and CI."""

    def __init__(self, console: Console, state: State) -> None:
        """Print to ``console``."""
        self.console, self.state = console, state
        self._stood = 0.0

    def __enter__(self) -> Lines:
        """Nothing to prepare."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to tidy."""

    def __call__(self, event: events.RunEvent) -> None:
        """Print the event if it matters to a reader of a log."""
        line = self._line(event)
        self.state.take(event)
        for text in (line, self._standing(event)):
            if text:
                self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _standing(self, event: events.RunEvent) -> str | None:
        """Where the rungs stand, now and then: a log has each pause already."""
        if not isinstance(event, events.SearchProgressed):
            return None
        if event.phase == "over" or event.time - self._stood < STANDING_SECONDS:
            return None
        self._stood = event.time
        return standing(self.state) or None

    def _line(self, event: events.RunEvent) -> str | None:
        match event:
            case events.TrialStarted():
                does = "starts" if event.attempt == 1 else "continues"
                return (
                    f"trial {event.trial} {does} on {event.slot}: {event.candidate} "
                    f"{_settings(event.hyperparameters, event.repeat_of)}"
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
