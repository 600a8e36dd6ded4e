"""``automl lock``: write down, next to the recipe, exactly what it stands for today."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    recipe: Annotated[Path, typer.Argument(help="The recipe (YAML).")],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail when the lock is out of date.")
    ] = False,
) -> None:
    """Pin revisions, file hashes, data, split, space, seeds and versions in <recipe>.lock."""
    from automl.cli._plan_view import compiled
    from automl.compiler.drift import lock_drift
    from automl.compiler.lock import lock_path, make_lock, read_lock, write_lock
    from automl.errors import DriftError, Problem

    path = lock_path(recipe)
    if not check:
        write_lock(path, make_lock(compiled(recipe, None).plan))
        print(path)
        return
    if not path.exists():
        raise DriftError(Problem(f"{path} does not exist", hint=f"automl lock {recipe}"))
    lock = read_lock(path)
    drift = lock_drift(lock, compiled(recipe, lock).plan)
    if drift:
        hint = f"automl lock {recipe} accepts what is there now"
        raise DriftError(
            [Problem(f"differs from {path.name}: {text}", hint=hint) for text in drift]
        )
    print(f"ok  {path} holds")
