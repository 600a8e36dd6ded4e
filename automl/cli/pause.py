"""``automl pause``: put one trial aside, so that others have its device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    trial: Annotated[int, typer.Argument(help="The trial's number.")],
    run: Annotated[
        Path | None, typer.Argument(help="Run folder or recipe.", show_default="the newest run")
    ] = None,
    release: Annotated[
        bool, typer.Option("--release", help="Let it go on when its turn comes.")
    ] = False,
) -> None:
    """Put a trial aside once it is saved, until it is released; others take its place."""
    from automl.cli import _target
    from automl.errors import InputError
    from automl.search.history import read

    rundir = _target.find(run)
    trials = read(rundir.study).trials
    if not 0 <= trial < len(trials):
        known = f"known are 0 to {len(trials) - 1}" if trials else "there is none yet"
        raise InputError(f"{rundir.root}: there is no trial {trial}; {known}")
    if trials[trial].state != "running":
        raise InputError(f"trial {trial} has ended ({trials[trial].state})")
    rundir.hold(trial, wanted=not release)
    if release:
        print(f"trial {trial} goes on when its turn comes")
    else:
        print(f"trial {trial} is put aside once it is saved")
        print(f"  automl pause {trial} --release   # lets it go on")
