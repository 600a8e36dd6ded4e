"""Small recipes, files and rows for the data tests, and readings of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from automl.data.part import Part, Target
from automl.errors import Place
from automl.recipe.loaded import LoadedRecipe
from automl.recipe.schema import Recipe

Write = Callable[[str, str | bytes], Path]
MakeRecipe = Callable[..., LoadedRecipe]


def recipe_in(folder: Path, **data: Any) -> LoadedRecipe:
    """Return a recipe in ``folder`` with this data section, each key on a line."""
    values = {
        "recipe": 1,
        "name": "test",
        "task": "text-classification",
        "data": {"train": "train.csv", **data},
        "models": ["acme/tiny"],
    }
    path = folder / "recipe.yaml"
    places = {("data",): Place(str(path), 4, 1, "data:")}
    for line, (key, value) in enumerate(values["data"].items(), 5):
        places[("data", key)] = Place(str(path), line, 3, f"  {key}: {value}")
    for role, column in data.get("columns", {}).items():
        places[("data", "columns", role)] = Place(str(path), 20, 5, f"    {role}: {column}")
    return LoadedRecipe(Recipe.model_validate(values), path, values, places)


def csv_of(rows: Iterable[tuple[str, str]]) -> str:
    """Return rows of text and label as a CSV with a header."""
    lines = ('"{}","{}"'.format(*(v.replace('"', '""') for v in row)) for row in rows)
    return "text,label\n" + "".join(f"{line}\n" for line in lines)


def numbered_rows(count: int, labels: tuple[str, ...] = ("a", "b")) -> list[tuple[str, str]]:
    """Return ``count`` distinct rows whose labels take turns."""
    return [(f"this is text number {n}", labels[n % len(labels)]) for n in range(count)]


def target(path: Path) -> Target:
    """Return the file as a reader takes it."""
    return Target(path, path.name, path.name)


def rows_of(part: Part) -> list[tuple[Any, ...]]:
    """Return a part's rows, each led by its number."""
    columns = [part.table[name].to_pylist() for name in part.table.column_names]
    return list(zip(part.numbers.to_pylist(), *columns, strict=True))
