"""``automl container``: a folder from which an image is built."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl.cli._bundles import BaseModel, Bundle, TrustRemoteCode


def command(
    bundle: Bundle,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write; must not hold anything yet.")
    ] = Path("container"),
    gpu: Annotated[
        bool, typer.Option("--gpu", help="For an NVIDIA GPU; else torch is the build for CPUs.")
    ] = False,
    trust_remote_code: TrustRemoteCode = False,
    base_model: BaseModel = None,
) -> None:
    """Write a Dockerfile and a compose file that serve a bundle, all versions pinned."""
    from automl.serving import container
    from automl.serving.predict import find_bundle

    written = container.write(
        find_bundle(bundle),
        output,
        gpu=gpu,
        trust_remote_code=trust_remote_code,
        base_model=base_model,
    )
    for path in written:
        print(path)
    typer.echo(f"next: docker compose -f {output / 'compose.yaml'} up --build", err=True)
