"""Ending trees of processes for sure. Knows nothing of trials beyond the mark in their environment.

Distributed launchers put their workers into process groups of their own, so that ending the group
is not enough; a worker whose launcher died has no parent to be found by. Each process of a trial
therefore carries the trial's folder in its environment.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

MARK = "AUTOML_TRIAL"


def belonging(trial: Path) -> list[psutil.Process]:
    """Return the live processes of this user that were started for the trial in that folder."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == str(
                trial
            ):
                found.append(process)
    return found


def end(trial: Path, *, grace_seconds: float = 2.0) -> None:
    """Terminate every process of the trial, kill what is left after the grace, wait for all."""
    processes = belonging(trial)
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(processes, timeout=grace_seconds)
    for process in {*stubborn, *belonging(trial)}:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(belonging(trial), timeout=10)


def outlast(trial: Path, seconds: float) -> None:
    """Wait up to ``seconds`` until no process of the trial is left, then end the rest."""
    processes = belonging(trial)
    if processes:
        psutil.wait_procs(processes, timeout=seconds)
        end(trial)
