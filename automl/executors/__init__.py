"""How a trial's process is started and ended. Each executor is one module offering ``EXECUTOR``.

An executor knows nothing of studies or verdicts: pausing and stopping are requests in the trial's
folder, and what a trial says is read from its metrics file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from automl import plugins
from automl.plan import DevicePlan
from automl.processes import Order, Process
from automl.rundir import TrialDir


@dataclass(frozen=True, slots=True)
class Slot:
    """What one trial holds: CUDA device ids (none on CPU), CPU threads, and processes to start.

    A cluster assigns devices itself: the ids are then numbers that stand for them.
    """

    index: int
    devices: tuple[str, ...]
    threads: int
    processes: int
    share: float = 1.0
    """The part of each device that is the trial's; the rest is other trials'."""

    @property
    def label(self) -> str:
        """The slot in a word or two, for the screen."""
        if self.devices:
            part = f" 1/{round(1 / self.share)}" if self.share < 1 else ""
            return f"cuda:{','.join(self.devices)}{part}"
        return f"cpu x{self.processes}" if self.processes > 1 else "cpu"


class Handle(Protocol):
    """A trial's processes, from start to end."""

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal, or None while anything still runs."""
        ...

    def kill(self) -> None:
        """End every process of the trial at once and wait until none is left."""
        ...

    def waits(self) -> bool:
        """Return whether its processes still wait for a place to run, which is no silence."""
        ...


class Executor(Protocol):
    """Starts trials. ``trial.spec`` has been written before ``start``."""

    @property
    def name(self) -> str:
        """What a recipe calls it."""
        ...

    def slots(self, plan: DevicePlan, folder: Path, reads: Sequence[Path]) -> tuple[Slot, ...]:
        """Return the slots that trials will hold; called before anything is started.

        ``folder`` is the run's, ``reads`` are the folders that trials read besides. Raises
        InputError where the plan asks for more than there is, or where trials would not see those.
        """
        ...

    def settle(self, trial: TrialDir) -> None:
        """Wait until nothing that an earlier, dead parent started is at work on the trial.

        Such a worker notices by itself, saves and leaves; one that does not is ended.
        """
        ...

    def start(self, trial: TrialDir, slot: Slot) -> Handle:
        """Start a worker for the trial on the slot and return at once."""
        ...

    def start_job(self, order: Order, slot: Slot) -> Process:
        """Start a job that is no trial where a trial on the slot would run."""
        ...


def names() -> tuple[str, ...]:
    """Return the names of all executors."""
    return plugins.names(__name__)


def get(name: str) -> Executor:
    """Return the executor called ``name``; KeyError lists the known ones."""
    return cast(Executor, plugins.load(__name__, name, "EXECUTOR"))
