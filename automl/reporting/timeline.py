"""Which slot was busy with which trial, from the lines of ``events.jsonl``. Pure.

The time between two runs of one study is left out: nobody waited for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from automl import events
from automl.events import RunEnded, RunEvent, RunStarted, TrialEnded, TrialStarted

_WANTED = frozenset({"run_started", "trial_started", "trial_ended", "run_ended"})
LOST = "cut off"
"""What became of a trial whose run said no more."""
RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Span:
    """A slot at work on one trial, in seconds since the search began, idle time left out."""

    lane: str
    trial: int
    attempt: int
    start: float
    end: float
    outcome: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Every span, the lanes in order, and where one run of the study ended and the next began."""

    spans: tuple[Span, ...] = ()
    seconds: float = 0.0
    joints: tuple[float, ...] = ()
    ended: str = ""
    """What the last run said it ended as; empty where it did not say."""

    @property
    def lanes(self) -> tuple[str, ...]:
        """The slots, in the order they were first used within each device."""
        return tuple(sorted({span.lane for span in self.spans}))

    def busy(self, lane: str) -> float:
        """Return the share of the time in which the slot had a trial."""
        held = sum(span.end - span.start for span in self.spans if span.lane == lane)
        return held / self.seconds if self.seconds else 0.0


def read(lines: Iterable[str], now: float | None) -> Timeline:
    """Return the time line of a run's events; ``now`` is the time where the run is live.

    Lines that are torn or unknown are passed over: a killed run may have left some.
    """
    made = _Lanes()
    for line in lines:
        time, event = _event(line)
        if event is not None:
            made.take(event)
        made.last = max(made.last, time)
    return made.done(now)


def _event(line: str) -> tuple[float, RunEvent | None]:
    """The line's time, and its event where it is one that matters here."""
    try:
        found = json.loads(line)
        wanted = found["type"] in _WANTED
        return float(found["time"]), events.run_event(line) if wanted else None
    except (ValueError, KeyError, TypeError):
        return 0.0, None


@dataclass(slots=True)
class _Lanes:
    """Spans while they are read. Slots of one device share a label: who overlaps gets a lane of
    his own."""

    spans: list[Span] = field(default_factory=list)
    open: dict[int, Span] = field(default_factory=dict)
    joints: list[float] = field(default_factory=list)
    began: float | None = None
    skipped: float = 0.0
    last: float = 0.0
    ended: str = ""

    def take(self, event: RunEvent) -> None:
        if isinstance(event, RunStarted):
            self._cut(LOST, self.last)
            self.ended = ""
            if self.began is None:
                self.began = event.time
            else:
                self.skipped += max(0.0, event.time - self.last)
                self.joints.append(self._place(event.time))
        if isinstance(event, RunEnded):
            self.ended = event.state
        if self.began is None:
            return
        if isinstance(event, TrialStarted):
            self._start(event)
        elif isinstance(event, TrialEnded):
            self._end(event.trial, event.state, event.time)
        elif isinstance(event, RunEnded):
            self._cut(LOST, max(self.last, event.time))

    def done(self, now: float | None) -> Timeline:
        self._cut(RUNNING if now is not None else LOST, self.last if now is None else now)
        if self.began is None or not self.spans:
            return Timeline(ended=self.ended)
        end = max(span.end for span in self.spans)
        return Timeline(
            tuple(self._named()), end, tuple(at for at in self.joints if at < end), self.ended
        )

    def _place(self, time: float) -> float:
        assert self.began is not None
        return max(0.0, time - self.began - self.skipped)

    def _start(self, event: TrialStarted) -> None:
        self._end(event.trial, LOST, event.time)
        place = self._place(event.time)
        self.open[event.trial] = Span(
            self._lane(event.slot), event.trial, event.attempt, place, place, RUNNING
        )

    def _lane(self, slot: str) -> str:
        taken = {span.lane for span in self.open.values()}
        number = 1
        while f"{slot}\0{number:03d}" in taken:
            number += 1
        return f"{slot}\0{number:03d}"

    def _end(self, trial: int, outcome: str, time: float) -> None:
        span = self.open.pop(trial, None)
        if span is not None:
            self.spans.append(replace(span, end=self._place(time), outcome=outcome))

    def _cut(self, outcome: str, time: float) -> None:
        for trial in list(self.open):
            self._end(trial, outcome, time)

    def _named(self) -> list[Span]:
        """The spans under names that people read: a number only where a device has several."""
        several = {
            slot
            for slot, number in (span.lane.split("\0") for span in self.spans)
            if int(number) > 1
        }
        named = []
        for span in self.spans:
            slot, number = span.lane.split("\0")
            lane = f"{slot} #{int(number)}" if slot in several else slot
            named.append(replace(span, lane=lane))
        return named
