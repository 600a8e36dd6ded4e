"""Arguments that every command over a bundle takes, so that they are called and told alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Bundle = Annotated[Path, typer.Argument(help="Bundle, or the run folder that holds it.")]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run Python code that lies in the bundle.")
]
BaseModel = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the base model, for a bundle of adapters (export.adapter: keep). "
        "Left out: from the hub's cache, or the installed package."
    ),
]
