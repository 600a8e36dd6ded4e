"""Trackers are told what a trial says, each on a thread of its own: none of them holds it up.

An evaluation is told once, whatever number of attempts report it; what a tracker missed, because it
failed or its server was gone, is told by the trial's next attempt.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Literal

from automl import documents, events, plugins
from automl.events import Failed, Finished, Paused, Reported, Stopped, TrialEvent
from automl.jobs import TrialSpec
from automl.rundir import TrackDir, TrialDir
from automl.worker.trackers import Run, Subject, Tracker

PACKAGE = "automl.worker.trackers"
PARTING_SECONDS = 30.0
"""What all trackers together may take, at an attempt's end, for what they have not sent yet. MLflow
takes 4 s of one core to be imported and to make its store."""


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a tracker knows of a trial: the run's id there, and the last evaluation it was told."""

    run: str
    evaluation: int = 0
    schema: Literal["automl/tracked"] = "automl/tracked"
    version: int = 1


@contextmanager
def following(trial: TrialDir, spec: TrialSpec | None) -> Iterator[tuple[Follower, ...]]:
    """Yield the followers that the spec asks for, none without one; see them off at the end."""
    tracking = spec.tracking if spec is not None else None
    names = tracking.trackers if tracking else ()
    followers = tuple(Follower(trial, spec, name) for name in names if spec is not None)
    try:
        yield followers
    finally:
        for follower in followers:
            follower.part()
        deadline = time.monotonic() + PARTING_SECONDS
        for follower in followers:
            follower.wait(deadline - time.monotonic())


class Follower:
    """Tells one tracker of one attempt at a trial."""

    def __init__(self, trial: TrialDir, spec: TrialSpec, name: str) -> None:
        """Begin at once, in the background."""
        self.trial, self.spec, self.name = trial, spec, name
        self._queue: SimpleQueue[TrialEvent | None] = SimpleQueue()
        self._complaints: SimpleQueue[str] = SimpleQueue()
        self._thread = threading.Thread(target=self._follow, name=f"track-{name}", daemon=True)
        self._thread.start()

    def tell(self, event: TrialEvent) -> None:
        """Pass an event on; returns at once."""
        if isinstance(event, Reported | Finished | Paused | Stopped | Failed):
            self._queue.put(event)

    def complaint(self) -> str | None:
        """Return what went wrong, once."""
        return None if self._complaints.empty() else self._complaints.get()

    def part(self) -> None:
        """Say that nothing more will come."""
        self._queue.put(None)

    def wait(self, seconds: float) -> None:
        """Wait for what has not been sent yet; what is not through by then is left."""
        self._thread.join(max(0.0, seconds))
        if self._thread.is_alive():
            print(f"{self.name} does not answer: it is not waited for", file=sys.stderr)

    # -- on the thread ----------------------------------------------------------------------

    def _follow(self) -> None:
        try:
            tracker: Tracker = plugins.load(PACKAGE, self.name, "TRACKER")
            tracker.prepare()
            known = self._known()
            run = tracker.begin(_subject(self.spec), known.run if known else None)
            state = Tracked(run.id, known.evaluation if known else 0)
            documents.write(self._memory, state)
            for event in events.Tail(self.trial.metrics).read():
                if isinstance(event, Reported):
                    state = self._report(run, state, event)
            while (said := self._queue.get()) is not None:
                if isinstance(said, Reported):
                    state = self._report(run, state, said)
                else:
                    run.end(*_end(said))
        except Exception as error:  # a tracker's failure is never the trial's
            why = " ".join(str(error).split())[:300]
            message = f"{self.name} is told no more: {type(error).__name__}: {why}"
            print(message, file=sys.stderr)
            self._complaints.put(message)

    @property
    def _memory(self) -> Path:
        return self.trial.tracked(self.name)

    def _known(self) -> Tracked | None:
        return documents.read(Tracked, self._memory) if self._memory.exists() else None

    def _report(self, run: Run, state: Tracked, event: Reported) -> Tracked:
        """Tell an evaluation, unless the tracker has it."""
        if event.evaluation <= state.evaluation:
            return state
        run.log(_point(event), event.samples)
        state = replace(state, evaluation=event.evaluation)
        documents.write(self._memory, state)
        return state


def _subject(spec: TrialSpec) -> Subject:
    assert spec.tracking is not None
    settings = {"model": spec.model.id, **spec.hyperparameters, "seed": spec.seed}
    return Subject(
        study=spec.tracking.study,
        number=spec.number,
        settings=settings,
        metric=f"validation/{spec.metric}",
        folder=TrackDir(Path(spec.tracking.folder)),
    )


def _point(event: Reported) -> dict[str, float]:
    found = {f"validation/{name}": value for name, value in event.metrics.items()}
    found |= {f"cost/{name}": value for name, value in event.costs.items()}
    if event.loss is not None:
        found["train/loss"] = event.loss
    return {**found, "step": event.step, "seconds": event.seconds}


def _end(event: TrialEvent) -> tuple[str, bool]:
    """What an attempt ended as, in a word, and whether that is a failure."""
    match event:
        case Failed(kind=kind):
            return f"failed: {kind}", True
        case Finished():
            return "complete", False
    return event.type, False
