"""``automl pull``: a bundle from the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    reference: Annotated[
        str, typer.Argument(metavar="OWNER/NAME[@REVISION]", help="Hub repository of a bundle.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder to put it in; a bundle there is replaced.",
            show_default="./NAME",
        ),
    ] = None,
) -> None:
    """Download a bundle from the hub, compare every file with the hub's hash, put it in place."""
    from automl.serving.pull import pull

    found = pull(reference, output)
    info = found.info
    score = info.metrics.get(info.metric)
    says = f", {info.metric} {score:.4f} on test" if score is not None else ""
    print(f"{found.folder}: {info.name}, {info.task}{says}, commit {found.commit[:7]}")
