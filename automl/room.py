"""Disks that are full or can't be written to: what is said of them, and how a run goes on."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from automl import documents, machine
from automl.errors import Problem, RunFolderError, StudyFailed
from automl.plan import Plan
from automl.rundir import RunDir

BYTES_OF_A_TRIAL = 4 * (3 + 3 + 1 + 1)
"""Per weight, in float32: two checkpoints, each with Adam's moments, and twice the best model while
it is being replaced."""


@contextmanager
def watched(rundir: RunDir) -> Iterator[None]:
    """Say what is wrong with the disk, and what to do, where nothing can be written any more.

    Within, the system's errors become StudyFailed (full) or RunFolderError (read-only).
    """
    try:
        yield
    except OSError as error:
        if machine.no_room(error):
            raise StudyFailed(full(rundir)) from error
        if error.errno == errno.EROFS:
            problem = Problem(
                f"{rundir.root} can't be written to: {error.strerror}",
                hint="--run-dir FOLDER names another folder",
            )
            raise RunFolderError(problem) from error
        raise


def full(rundir: RunDir) -> str:
    """Return in words that the disk is full, what a trial needs of it, and how it goes on."""
    from automl.exporters._units import size

    there = next(each for each in (rundir.root, *rundir.root.parents) if each.exists())
    free, needed = machine.free_bytes(there), ""
    if rundir.plan.exists():
        largest = max(each.parameters for each in documents.read(Plan, rundir.plan).candidates)
        needed = f"; a trial of the largest candidate needs {size(largest * BYTES_OF_A_TRIAL)}"
    return (
        f"the disk of {rundir.root} is full: {size(free)} are free{needed}\n"
        "What has been finished is kept. Make room, then give the same command again."
    )
