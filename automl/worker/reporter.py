"""What a trial says of itself: events appended to its metrics file, by rank 0 alone."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from automl import events
from automl.events import Failed, Progressed, Reported, Started, TrialEvent, Warned
from automl.rundir import TrialDir
from automl.worker.tracking import Follower

PROGRESS_SECONDS = 1.0


@dataclass(slots=True)
class Reporter:
    """Appends events, and knows what earlier attempts at this trial have reported."""

    trial: TrialDir
    first: bool
    """Whether this process is the one that speaks."""
    followers: Sequence[Follower] = ()
    """Who is told besides; what they complain of is said before the next event."""
    _said: Mapping[int, Reported] = field(init=False)
    _spoke: float = field(default_factory=time.monotonic, init=False)

    def __post_init__(self) -> None:
        """Read what has been reported so far."""
        said = events.Tail(self.trial.metrics).read()
        self._said = {event.evaluation: event for event in said if isinstance(event, Reported)}

    def say(self, event: TrialEvent) -> None:
        """Append the event, stamped with the time."""
        if isinstance(event, Started | Progressed):
            self._spoke = time.monotonic()
        if self.first:
            self._append(event)

    def _append(self, event: TrialEvent) -> None:
        for follower in self.followers:
            complaint = follower.complaint()
            if complaint is not None:
                events.append(self.trial.metrics, Warned(complaint, time.time()))
        events.append(self.trial.metrics, replace(event, time=time.time()))
        for follower in self.followers:
            follower.tell(event)

    def silent_seconds(self) -> float:
        """Return the seconds since training began or its progress was last said."""
        return time.monotonic() - self._spoke

    def reported(self, evaluation: int, step: int) -> Reported | None:
        """Return what an attempt that was lost later has reported as this evaluation, if any."""
        found = self._said.get(evaluation)
        return found if found is not None and found.step == step else None

    def failed(self, event: Failed) -> None:
        """Say that the attempt failed, on whichever rank that was noticed first.

        The other ranks then fail for want of it; theirs is not the cause and is not said.
        """
        last: TrialEvent | None = None
        for each in events.Tail(self.trial.metrics).read():
            if isinstance(each, Started | Failed):
                last = each
        if self.first or not isinstance(last, Failed):
            self._append(event)
