"""``automl schema``: the JSON Schema of a file format."""

from __future__ import annotations

from typing import Annotated, Literal

import typer


def command(
    kind: Annotated[
        Literal["recipe", "plan"], typer.Argument(help="Format to describe.")
    ] = "recipe",
) -> None:
    """Print the JSON Schema of recipes, or of plans, for editors and other programs."""
    from automl.recipe import json_schema

    print(json_schema.text(kind), end="")
