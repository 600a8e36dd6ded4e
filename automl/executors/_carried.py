"""An executor whose trials can go on elsewhere: what they leave is copied to a shared folder.

Before a trial starts its checkpoint and best model are fetched, if another machine left some; each
new checkpoint is copied while it trains, and all there is when it has left. Beyond that it is the
executor that it is made of.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from automl.artifacts import Artifacts, Changing
from automl.errors import StorageLost
from automl.executors import Executor, Handle, Slot
from automl.forkserver import LOST
from automl.plan import DevicePlan
from automl.processes import Order, Process
from automl.rundir import TrialDir

AT_ONCE = 4
"""Folders copied at the same time."""


def name_of(folder: Path) -> str:
    """Return what a folder of a trial is called in the shared place."""
    return "/".join(folder.parts[-3:])


@dataclass(slots=True)
class CarriedHandle:
    """One attempt: fetched, at work, or being copied."""

    carrier: Carrier
    trial: TrialDir
    slot: Slot
    _fetched: Future[None] = field(init=False)
    _inner: Handle | None = None
    _copied: Future[None] | None = None
    _seen: tuple[str, ...] = ()
    _last: Future[None] | None = None
    _killed: bool = False

    def __post_init__(self) -> None:
        """Begin to fetch what another machine left."""
        self._fetched = self.carrier.pool.submit(self.carrier.fetch, self.trial)

    def poll(self) -> int | None:
        """Return the exit code once the processes have ended and what they left is copied."""
        if self._inner is None:
            if self._killed:
                return LOST
            if not self._fetched.done():
                return None
            self._fetched.result()
            self._inner = self.carrier.inner.start(self.trial, self.slot)
        code = self._inner.poll()
        if code is None:
            self._copy_news()
            return None
        if self._last is None:
            self._last = self.carrier.pool.submit(self._copy_all)
        if not self._last.done():
            return None
        self._last.result()
        return code

    def kill(self) -> None:
        """End every process at once; what they left is not copied."""
        self._killed = True
        if self._inner is not None:
            self._inner.kill()

    def waits(self) -> bool:
        """Return whether it has not begun yet, or is over but for copying what it left."""
        return self._inner is None or self._last is not None or self._inner.waits()

    def _copy_news(self) -> None:
        """Copy a checkpoint that is new, unless the one before is still on its way."""
        if self._copied is not None and not self._copied.done():
            return
        there = tuple(sorted(path.name for path in self.trial.checkpoints.glob("step-*")))
        if there and there != self._seen:
            self._seen = there
            self._copied = self.carrier.pool.submit(self.carrier.copy, self.trial)

    def _copy_all(self) -> None:
        if self._copied is not None:
            self._copied.result()
        self.carrier.copy(self.trial)


@dataclass(slots=True)
class Carrier:
    """The executor made of ``inner``; ``artifacts`` is what all machines see."""

    inner: Executor
    artifacts: Artifacts
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(AT_ONCE))
    _removed: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """That of the executor it is made of."""
        return self.inner.name

    def slots(self, plan: DevicePlan, folder: Path, reads: Sequence[Path]) -> tuple[Slot, ...]:
        """Lay trials over devices as the executor it is made of does."""
        return self.inner.slots(plan, folder, reads)

    def start_job(self, order: Order, slot: Slot) -> Process:
        """Start the job as the executor it is made of does."""
        return self.inner.start_job(order, slot)

    def settle(self, trial: TrialDir) -> None:
        """Wait for orphans, then copy what they left."""
        self.inner.settle(trial)
        self.copy(trial)

    def start(self, trial: TrialDir, slot: Slot) -> CarriedHandle:
        """Start the trial once what another machine left of it is here."""
        return CarriedHandle(self, trial, slot)

    def fetch(self, trial: TrialDir) -> None:
        """Make the trial's checkpoint and best model those of whoever was at work on it last."""
        for folder in (trial.checkpoints, trial.best):
            self.artifacts.get(name_of(folder), folder)

    def copy(self, trial: TrialDir) -> None:
        """Put the trial's checkpoint and best model where all see them.

        A checkpoint knows which evaluation was the best so far, and counts on its model: the model
        goes first, and once more if it was replaced on the way. What is written to meanwhile is
        left for the next time.
        """
        for folder in (trial.best, trial.checkpoints, trial.best):
            if folder.is_dir():
                with suppress(Changing):
                    self.artifacts.put(name_of(folder), folder)

    def remove(self, folder: Path) -> None:
        """Delete a folder of a trial, here and where all see it."""
        shutil.rmtree(folder, ignore_errors=True)
        name = name_of(folder)
        if name not in self._removed:
            self._removed.add(name)
            self.pool.submit(self._delete, name)

    def _delete(self, name: str) -> None:
        try:
            self.artifacts.delete(name)
        except StorageLost:  # asked again at the next sweep
            self._removed.discard(name)
