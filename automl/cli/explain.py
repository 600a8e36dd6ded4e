"""``automl explain``: the effective recipe and where each value of it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    recipe: Annotated[Path, typer.Argument(help="Recipe file.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the effective recipe, defaults included, with the origin of each value.

    The output is YAML: the origins (file:line, default, or an environment variable) are comments.
    """
    from functools import partial

    from automl.compiler.lock import parent_pins
    from automl.recipe import explain
    from automl.recipe.load import load

    loaded = load(recipe, pins=partial(parent_pins, recipe))
    if as_json:
        import json

        print(json.dumps(explain.as_json(loaded), indent=2, ensure_ascii=False))
    else:
        print(explain.as_text(explain.rows(loaded)), end="")
