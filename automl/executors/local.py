"""Trials as processes on this machine: one directly, several through accelerate's launcher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from automl import processes
from automl.executors import Executor, Slot, _launch, _processes, _slots
from automl.plan import DevicePlan
from automl.processes import Order, Process
from automl.rundir import TrialDir


@dataclass(slots=True)
class LocalHandle:
    """The processes of one attempt."""

    trial: TrialDir
    process: Process

    def poll(self) -> int | None:
        """Return the exit code once the first process has ended."""
        return self.process.poll()

    def kill(self) -> None:
        """End every process of the trial, also those whose launcher is already gone."""
        _processes.end(self.trial.root)
        self.process.kill()
        self.process.wait()

    def waits(self) -> bool:
        """Return False: it was started at once."""
        return False


@dataclass(frozen=True, slots=True)
class LocalExecutor:
    """Starts each trial in a session of its own, seeing only its slot's devices."""

    name: str = "local"

    def slots(self, plan: DevicePlan, folder: Path, reads: Sequence[Path]) -> tuple[Slot, ...]:
        """Lay trials over this machine's GPUs, or its cores."""
        return _slots.over_this_machine(plan)

    def settle(self, trial: TrialDir) -> None:
        """Give orphans of the trial time to save and leave, then end those that are left."""
        _processes.outlast(trial.root)

    def start(self, trial: TrialDir, slot: Slot) -> LocalHandle:
        """Start the trial's process or processes; what they print is appended to the log."""
        environment = processes.environment(slot.threads, slot.devices, slot.share)
        environment[_processes.MARK] = str(trial.root)
        order = processes.Order(trial.spec, trial.log, environment, trial.process)
        if slot.processes == 1:
            return LocalHandle(trial, processes.start(order))
        environment |= _launch.launch_environment(slot.devices)
        command = _launch.launch_command(trial.spec, slot.processes)
        return LocalHandle(trial, processes.run_command(command, order))

    def start_job(self, order: Order, slot: Slot) -> Process:
        """Start the job as any other on this machine."""
        return processes.start(order)


EXECUTOR: Executor = LocalExecutor()
