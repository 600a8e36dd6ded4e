"""``automl bundle-inputs``: all that a study reads, as one file for a machine without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    recipe: Annotated[Path, typer.Argument(help="The recipe (YAML).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path(
        "inputs.tar"
    ),
    wheels: Annotated[
        bool, typer.Option("--wheels", help="Put the wheels of all packages in it, by pip.")
    ] = False,
) -> None:
    """Pack recipe, lock, models, data and a list of packages; `automl run FILE` runs them."""
    from rich.console import Console
    from rich.markup import escape

    from automl.inputs.packing import pack

    console = Console(stderr=True, highlight=False)
    with console.status("") as status:
        found = pack(
            recipe,
            output,
            wheels=wheels,
            say=lambda stage, text: status.update(f"{stage}: {escape(text)}"),
        )
    count = len(found.manifest.files)
    print(f"{found.path}: {count} files, {found.bytes:,} bytes, {found.manifest.python}")
    for each in found.manifest.left_out:
        print(f"left out  {each.reference}: {each.reason}")
    for name in found.homeless:
        print(f"no wheel  {name}: it came from neither an index nor a folder; bring it yourself")
    print(f"elsewhere: automl run {output.name}")
