"""From what a person types (a recipe, a run folder, or nothing) to a run folder."""

from __future__ import annotations

from pathlib import Path

from automl.errors import RunFolderError
from automl.rundir import RunDir


def find(target: Path | None) -> RunDir:
    """Return the run folder meant by ``target``; without one, the only or the newest in ``runs/``.

    Raises RunFolderError when there is none.
    """
    if target is None:
        return _newest()
    if target.is_file():
        from automl.pipeline import load_recipe, run_folder

        return _checked(run_folder(load_recipe(target)), target)
    return _checked(RunDir.at(target), target)


def _checked(rundir: RunDir, target: Path) -> RunDir:
    if not rundir.plan.exists():
        raise RunFolderError(f"{target}: there is no run in {rundir.root} (no plan.json)")
    return rundir


def _newest() -> RunDir:
    plans = sorted(Path("runs").glob("*/plan.json"), key=lambda path: path.stat().st_mtime)
    if not plans:
        raise RunFolderError("no run below ./runs; name a run folder or a recipe")
    return RunDir.at(plans[-1].parent)
