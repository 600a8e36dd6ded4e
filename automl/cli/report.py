"""``automl report``: a run as one page to look at, at any time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[
        Path | None, typer.Argument(help="Run folder or recipe.", show_default="the newest run")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="File to write.", show_default="report.html of the run"
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Write a run's report, one HTML file that loads nothing; also of a live or stopped run."""
    import webbrowser

    from automl import reporting
    from automl.cli import _target
    from automl.errors import InputError, Problem

    rundir = _target.find(run)
    if output is not None and output.is_dir():
        hint = f"-o {output / 'report.html'}"
        raise InputError(Problem(f"--output {output}: that is a folder", hint=hint))
    path = reporting.write(rundir, output)
    print(path)
    if show and not webbrowser.open(path.as_uri()):
        raise InputError(Problem("--open: no browser is to be had here", hint=f"open {path}"))
