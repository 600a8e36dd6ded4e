"""Who can be told of a trial while it trains: one module a tracker, offering ``TRACKER``.

A tracker's module is called as its package is, and imports it when a run begins. Packages are
called directly: accelerate's trackers want its distributed state, which a probe has none of and
which must not be made on a thread, and they use MLflow's one run for the whole process. A tracker
may fail or hang: it is called on a thread of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from automl.plan import Scalar
from automl.rundir import TrackDir


@dataclass(frozen=True, slots=True)
class Subject:
    """The trial that a tracker is told of."""

    study: str
    number: int
    settings: Mapping[str, Scalar]
    """Hyperparameters, and what else tells the trial from others."""
    metric: str
    """What a point calls the goal's metric."""
    folder: TrackDir

    @property
    def name(self) -> str:
        """The study and the trial, e.g. ``sms-spam/trial-0007``."""
        return f"{self.study}/trial-{self.number:04d}"


class Run(Protocol):
    """One trial at one tracker."""

    @property
    def id(self) -> str:
        """What the run is found by when the trial continues in another process."""
        ...

    def log(self, values: Mapping[str, float], samples: int) -> None:
        """Add a point at so many training samples seen."""
        ...

    def end(self, state: str, failed: bool) -> None:
        """Say how the attempt ended, and see to it that all of it has arrived."""
        ...


class Tracker(Protocol):
    """Begins runs."""

    def prepare(self) -> None:
        """Import what runs need; done before processes are forked, and again in each of them."""
        ...

    def begin(self, subject: Subject, known: str | None) -> Run:
        """Return the trial's run: a new one, or the one ``known`` from an earlier attempt."""
        ...
