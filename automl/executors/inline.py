"""Trials in this very process, each on a thread: for tests and debugging. Imports torch here."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from automl import processes
from automl.errors import InputError
from automl.executors import Executor, Slot, _slots
from automl.plan import DevicePlan
from automl.processes import Order, Process
from automl.rundir import TrialDir


@dataclass(slots=True)
class InlineHandle:
    """The thread of one attempt."""

    trial: TrialDir
    code: int | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        """Start the thread."""
        self.thread = threading.Thread(target=self._run, name=str(self.trial.root), daemon=True)
        self.thread.start()

    def _run(self) -> None:
        from automl.worker.run import run

        code = 1
        try:
            code = run(self.trial.spec)
        finally:
            self.code = code

    def poll(self) -> int | None:
        """Return the worker's exit code once its thread has ended."""
        return None if self.thread.is_alive() else self.code

    def kill(self) -> None:
        """Ask the worker to stop and wait for it: a thread cannot be ended from outside."""
        self.trial.request("stop")
        self.thread.join()

    def waits(self) -> bool:
        """Return False: it was started at once."""
        return False


@dataclass(frozen=True, slots=True)
class InlineExecutor:
    """Runs trials on threads of this process; several processes a trial are refused."""

    name: str = "inline"

    def slots(self, plan: DevicePlan, folder: Path, reads: Sequence[Path]) -> tuple[Slot, ...]:
        """Lay trials over this machine's GPUs, or its cores."""
        return _slots.over_this_machine(plan)

    def settle(self, trial: TrialDir) -> None:
        """Nothing to wait for: threads die with their process."""

    def start(self, trial: TrialDir, slot: Slot) -> InlineHandle:
        """Start the trial on a thread."""
        if slot.processes > 1:
            raise InputError("the inline executor runs one process per trial; use executor: local")
        return InlineHandle(trial)

    def start_job(self, order: Order, slot: Slot) -> Process:
        """Start the job in a process of its own: what it measures is not this one."""
        return processes.start(order)


EXECUTOR: Executor = InlineExecutor()
