"""Ending trees of processes for sure. Knows nothing of trials beyond the mark in their environment.

Distributed launchers put their workers into process groups of their own, so that ending the group
is not enough; a worker whose launcher died has no parent to be found by. Each process of a trial
therefore carries the trial's folder in its environment. A forked process can't: its environment,
seen from outside, is that of whom it was forked from; it leaves a note in the trial's folder.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil

from automl import documents
from automl.forkserver import Note
from automl.rundir import TrialDir

MARK = "AUTOML_TRIAL"
ORPHAN_SECONDS = 30.0
"""What a worker may take to notice that its parent is gone, and to save."""


def belonging(trial: Path) -> list[psutil.Process]:
    """Return the live processes of this user that were started for the trial in that folder."""
    found = _noted(TrialDir(trial))
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == str(
                trial
            ):
                found.append(process)
    return found


def _noted(trial: TrialDir) -> list[psutil.Process]:
    """The process that the note names, and its children, as far as they live."""
    if not trial.process.exists():
        return []
    note = documents.read(Note, trial.process)
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(note.pid)
        # Clock steps shift create_time by less than this; a recycled pid differs by more.
        same = abs(process.create_time() - note.created) < 2.0
        if same and process.status() != psutil.STATUS_ZOMBIE:
            return [process, *process.children(recursive=True)]
    return []


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


def outlast(trial: Path) -> None:
    """Wait for ORPHAN_SECONDS until no process of the trial is left, then end the rest."""
    processes = belonging(trial)
    if processes:
        psutil.wait_procs(processes, timeout=ORPHAN_SECONDS)
        end(trial)
