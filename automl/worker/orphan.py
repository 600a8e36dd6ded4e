"""Ends a worker process whose parent is gone, where the job itself can't answer.

A trial saves and leaves by its own hand within seconds (see ``orders``); this is for one that is
stuck, and for the short jobs, which have nothing to save. Not for in-process use: it exits.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import psutil

from automl import jobs

GRACE_SECONDS = 120.0
"""How long a trial may take to save itself after its parent is gone."""
_LOOK_SECONDS = 1.0


def alive(parent: jobs.Parent) -> bool:
    """Return whether the process lives: same pid, same creation time, not a zombie."""
    try:
        process = psutil.Process(parent.pid)
        # Clock steps shift create_time by less than this; a recycled pid differs by more.
        same = abs(process.create_time() - parent.created) < 2.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def watch(spec_path: Path) -> None:
    """Start a daemon thread that ends this process when it is orphaned; returns at once."""
    spec = jobs.read_spec(spec_path)
    if isinstance(spec, jobs.TrialSpec):
        parent, grace = spec.parent, GRACE_SECONDS
    else:
        found = psutil.Process(os.getppid())
        parent, grace = jobs.Parent(found.pid, found.create_time()), 0.0
    threading.Thread(target=_watch, args=(parent, grace), daemon=True, name="orphan").start()


def _watch(parent: jobs.Parent, grace: float) -> None:
    while alive(parent):
        time.sleep(_LOOK_SECONDS)
    time.sleep(grace)
    os._exit(1)
