"""``automl stop``: ask a live run to save and leave, from another terminal or machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LOOK_SECONDS = 0.2


def command(
    run: Annotated[
        Path | None, typer.Argument(help="Run folder or recipe.", show_default="the newest run")
    ] = None,
    now: Annotated[
        bool, typer.Option("--now", help="Do not wait for what runs to be saved.")
    ] = False,
) -> None:
    """Stop a live run once what runs is saved, as Ctrl-C does; `automl run` continues it."""
    import sys
    import time

    from automl.cli import _target
    from automl.errors import RunFolderError

    rundir = _target.find(run)
    holder = rundir.holder()
    if holder is None:
        raise RunFolderError(f"{rundir.root}: no live run holds it; there is nothing to stop")
    rundir.ask_to_stop("now" if now else "save")
    print(f"asked pid {holder} to stop; waiting until it has left", file=sys.stderr)
    while rundir.holder() == holder:
        time.sleep(LOOK_SECONDS)
    print(f"stopped: {rundir.root}; the same `automl run` continues it")
