"""A study as one page: gathered from its run folder, drawn, written. Trains and scores nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from automl.rundir import RunDir

if TYPE_CHECKING:
    from automl.finish.explaining import Where


def write(rundir: RunDir, target: Path | None = None) -> Path:
    """Write the report of a run, live or not, and return where it lies.

    Left out, ``target`` is the run folder's own. Raises InputError where the folder's documents are
    damaged, RunFolderError where it has no plan, JobFailed where importance could not be worked
    out.
    """
    return _write(rundir, target or rundir.report, held=False, weigh="aside")


def conclude(rundir: RunDir) -> Path:
    """Write the run folder's report at the end of a run, which still holds it.

    Nothing is worked out that takes its time: what the finish has, it has left in the folder.
    """
    return _write(rundir, rundir.report, held=True, weigh="nowhere")


def _write(rundir: RunDir, target: Path, *, held: bool, weigh: Where) -> Path:
    from importlib.metadata import version

    from automl import documents
    from automl.errors import RunFolderError
    from automl.reporting.page import render
    from automl.reporting.story import gather

    if not rundir.plan.exists():
        raise RunFolderError(f"there is no run in {rundir.root} (no plan.json)")
    now = time.time()
    page = render(gather(rundir, now, held=held, weigh=weigh), now, version("automl"))
    path = target.expanduser().absolute()
    documents.write_bytes(path, page.encode())
    return path
