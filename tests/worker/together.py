"""A trial on one process of this machine, or several, each forked from a server: quick to start."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from automl import processes
from automl.processes import Order, Process
from automl.rundir import TrialDir


def alone(trial: TrialDir) -> Process:
    """Start the trial's only process."""
    return processes.start(Order(trial.spec, trial.log, processes.environment(1, ())))


def run(trial: TrialDir, count: int = 2) -> list[int]:
    """Return the exit codes of the trial's processes once all have ended."""
    with ended(start(trial, count)) as started:
        return wait(started)


def start(trial: TrialDir, count: int = 2) -> list[Process]:
    """Start the trial's processes, which meet at a port of their own."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    started = []
    for rank in range(count):
        environment = processes.environment(1, ())
        environment |= {
            "ACCELERATE_USE_CPU": "true",
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(count),
            "LOCAL_WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
        started.append(processes.start(Order(trial.spec, trial.log, environment)))
    return started


def wait(started: list[Process], seconds: float = 120.0) -> list[int]:
    """Return the exit codes once all have ended."""
    deadline = time.monotonic() + seconds
    while any(process.poll() is None for process in started):
        assert time.monotonic() < deadline, "they never ended"
        time.sleep(0.02)
    return [process.wait() for process in started]


@contextmanager
def ended(started: list[Process]) -> Iterator[list[Process]]:
    """Within, the processes may run; none of them does after it."""
    try:
        yield started
    finally:
        for process in started:
            process.kill()
