"""``automl plan``: what a run would do, and what each candidate costs, before it starts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    recipe: Annotated[Path, typer.Argument(help="The recipe (YAML).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Read the data, try the candidates, and show what would be run; trains nothing."""
    from automl import documents
    from automl.cli._plan_view import compiled, measured, show
    from automl.compiler.lock import locked

    found = compiled(recipe, locked(recipe))
    if as_json:
        sys.stdout.write(documents.to_json(found.plan).decode())
    else:
        show(found.plan, measured(found.plan), sum(found.screening_seconds.values()))
