"""``automl export``: write the bundle of a run's best trial as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[
        Path | None, typer.Argument(help="Run folder or recipe.", show_default="the newest run")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Also copy the bundle there (a new folder).")
    ] = None,
    push_to_hub: Annotated[
        str | None, typer.Option(help="Upload the bundle to this hub repository (owner/name).")
    ] = None,
    private: Annotated[bool, typer.Option(help="Whether a new repository is private.")] = True,
) -> None:
    """Score and export the best trial so far, also of an interrupted run."""
    from automl import pipeline
    from automl.cli import _result, _target
    from automl.errors import InputError

    if to is not None and to.exists():
        raise InputError(f"--to {to}: there is something already; name a new folder")
    result = pipeline.export(_target.find(run), to)
    _result.show(result)
    if push_to_hub and result.bundle is not None:
        from automl.exporters._hub import Push, push

        print(f"uploaded: {push(Push(result.bundle, push_to_hub, private))}")
    raise typer.Exit(result.exit_code)
