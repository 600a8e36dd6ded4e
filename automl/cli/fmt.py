"""``automl fmt``: recipes in their normal form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    recipes: Annotated[list[Path], typer.Argument(help="Recipe files.", show_default=False)],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if a file would change.")
    ] = False,
    stdout: Annotated[
        bool, typer.Option("--stdout", help="Print the result instead of writing it.")
    ] = False,
) -> None:
    """Put keys in order and indent by two spaces; comments and values stay.

    Files that cannot be parsed are reported and left alone; the others are still formatted.
    """
    import sys

    from automl.errors import Problem, RecipeError
    from automl.recipe.format import formatted, read, write

    if check and stdout:
        raise typer.BadParameter("--check and --stdout exclude each other")
    problems: list[Problem] = []
    changed = 0
    for path in recipes:
        try:
            before = read(path)
            after = formatted(before, str(path)).encode()
        except RecipeError as error:
            problems += error.problems
            continue
        if stdout:
            print(after.decode(), end="")
        elif after != before:
            changed += 1
            if not check:
                write(path, after)
            print(f"{path}: {'would change' if check else 'formatted'}", file=sys.stderr)
    if problems:
        raise RecipeError(problems)
    if check and changed:
        raise typer.Exit(1)
