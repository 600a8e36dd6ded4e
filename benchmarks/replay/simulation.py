"""Workers that take no time: an executor for the project's scheduler on a clock of its own.

A simulated worker does with its trial's folder what a real one does (events, requests, rungs,
checkpoints), reading its scores from a curve. The clock jumps to the next thing that happens.
Knows nothing of search. One simulated second is one epoch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from automl.events import Finished, Paused, Reported, Saved, Started, Stopped, TrialEvent
from automl.executors import Slot
from automl.plan import Scalar
from automl.rundir import TrialDir
from benchmarks.replay.curves import Curve

ROWS = 1000
"""Training samples of one epoch."""
PATIENCE = 1000
"""Looks at a folder without anything happening that are taken for a deadlock."""


@dataclass(frozen=True, slots=True)
class Said:
    """One evaluation, when it happened: simulated seconds, trial, epoch, value."""

    time: float
    trial: int
    epoch: int
    value: float


@dataclass
class Simulation:
    """Clock and executor in one: give ``clock`` and ``sleep`` to the scheduler, and itself."""

    score: Callable[[Mapping[str, Scalar]], Curve]
    metric: str
    resume_seconds: float
    """What continuing from a checkpoint costs before training goes on."""
    deadline: float
    """A moment that the clock does not jump over: the end of the budget."""
    restarts: bool = False
    """Whether continuing means to train from the beginning, which takes as long as it took."""
    name: str = "simulated"
    now: float = 0.0
    heard: list[Said] = field(default_factory=list)
    resumed: int = 0
    _workers: list[Worker] = field(default_factory=list)
    _idle: int = 0

    def clock(self) -> float:
        """Return the simulated time, in seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let happen what is due; when nothing is, jump to the next thing that will be."""
        self._workers = [worker for worker in self._workers if worker.code is None]
        answers = [worker.answer() for worker in self._workers]
        if any(answers):
            self._idle = 0
            return
        due = [worker.due for worker in self._workers if not worker.waiting]
        self._idle = 0 if due else self._idle + 1
        if self._idle > PATIENCE:
            raise RuntimeError(f"nothing happens any more at {self.now} simulated seconds")
        then = min(due, default=self.now + seconds)
        self.now = min(then, self.deadline) if self.now < self.deadline else then
        for worker in self._workers:
            if not worker.waiting and worker.due <= self.now:
                worker.go_on()

    def settle(self, trial: TrialDir) -> None:
        """Nothing outlives its parent here."""

    def start(self, trial: TrialDir, slot: Slot) -> Worker:
        """Start a worker for the trial, from its checkpoint if it has one."""
        worker = Worker(trial, self)
        self._workers.append(worker)
        return worker


@dataclass
class Worker:
    """One attempt at a trial. ``done`` counts epochs, whole ones but right after a pause."""

    trial: TrialDir
    simulation: Simulation
    code: int | None = None
    training: bool = False
    waiting: bool = False
    """Whether it stands at a rung, wanting an answer."""

    def __post_init__(self) -> None:
        spec = json.loads(self.trial.spec.read_bytes())
        self.number = int(spec["number"])
        self.curve = self.simulation.score(spec["hyperparameters"])
        self.rungs = set(spec["rungs"])
        self.done = self._restore()
        self.began = self.simulation.now
        if self.done:
            self.began += self.simulation.resume_seconds
            self.began += self.done if self.simulation.restarts else 0.0
            self.simulation.resumed += 1

    @property
    def due(self) -> float:
        """When it is ready to train or, once it trains, its next evaluation."""
        return self.began + (int(self.done) + 1 - self.done if self.training else 0.0)

    def poll(self) -> int | None:
        """Return the exit code once the worker has left."""
        return self.code

    def kill(self) -> None:
        """End it where it stands; what it had not saved is lost."""
        if self.code is None:
            self.code = -9

    def waits(self) -> bool:
        """Return False: there is always room for it."""
        return False

    def answer(self) -> bool:
        """Do what is asked for, if anything; return whether there was something."""
        asked = self.trial.requested()
        if asked is None:
            return False
        if asked == "continue":
            self.trial.clear_request()
            self.waiting, self.began = False, self.simulation.now
        elif asked == "stop":
            self._leave(Stopped(self._step))
        else:
            if not self.waiting:
                self.done += max(0.0, self.simulation.now - self.began)
            self._save()
            self._leave(Paused(self._step))
        return True

    def go_on(self) -> None:
        """Do what is due: begin to train, or evaluate, and then finish or wait where due."""
        if not self.training:
            self.training = True
            self._say(Started(self._step, len(self.curve) * ROWS, "simulated"))
            return
        self.done = epoch = int(self.done) + 1
        self.began = self.simulation.now
        value = float(self.curve[epoch - 1])
        rung = epoch * ROWS in self.rungs
        best = value >= self.curve[:epoch].max()
        metrics = {self.simulation.metric: value}
        self._say(Reported(epoch, self._step, self._step, metrics, float(epoch), bool(best), rung))
        self.simulation.heard.append(Said(self.simulation.now, self.number, epoch, value))
        if epoch == len(self.curve):
            self._leave(Finished(self._step, float(epoch)))
        self.waiting = rung and self.code is None

    @property
    def _step(self) -> int:
        return int(self.done * ROWS)

    @property
    def _checkpoint(self) -> Path:
        return self.trial.checkpoints / "done"

    def _restore(self) -> float:
        return float(self._checkpoint.read_text()) if self._checkpoint.exists() else 0.0

    def _save(self) -> None:
        self.trial.checkpoints.mkdir(exist_ok=True)
        self._checkpoint.write_text(repr(self.done))
        self._say(Saved(self._step, "checkpoint", 1))

    def _leave(self, event: Paused | Stopped | Finished) -> None:
        self._say(event)
        self.code = 0

    def _say(self, event: TrialEvent) -> None:
        with self.trial.metrics.open("a") as stream:
            stream.write(json.dumps(asdict(event)) + "\n")
