"""An executor whose workers are small scripts instead of trainings: real processes, real files.

It stands where a cluster's executor would stand: the scheduler cannot tell the difference.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from automl.executors import Slot
from automl.executors.local import EXECUTOR, LocalHandle
from automl.rundir import TrialDir

WORKER = Path(__file__).with_name("scripted_worker.py")


@dataclass
class Scripted:
    """Runs ``scripted_worker.py`` with the behaviour that ``behaviour(trial, attempt)`` names."""

    behaviour: Callable[[int, int], str]
    name: str = "scripted"
    attempts: dict[int, int] = field(default_factory=dict)
    most_at_once: int = 0
    handles: list[LocalHandle] = field(default_factory=list)

    def settle(self, trial: TrialDir) -> None:
        EXECUTOR.settle(trial)

    def start(self, trial: TrialDir, slot: Slot) -> LocalHandle:
        number = int(trial.root.name)
        self.attempts[number] = self.attempts.get(number, 0) + 1
        behaviour = self.behaviour(number, self.attempts[number])
        process = subprocess.Popen(
            [sys.executable, "-S", str(WORKER), str(trial.root), behaviour],
            env={"AUTOML_TRIAL": str(trial.root)},
            start_new_session=True,
        )
        handle = LocalHandle(trial, process)
        self.handles.append(handle)
        self.most_at_once = max(self.most_at_once, sum(h.poll() is None for h in self.handles))
        return handle
