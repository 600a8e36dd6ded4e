"""The effective recipe, defaults included, with the origin of every value. Prints nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automl.errors import Place
from automl.recipe import scalars
from automl.recipe.loaded import LoadedRecipe, Location

WIDEST_LIST = 60
"""Characters; a longer list of scalars takes a line an item."""
_WIDEST = 76


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: the place it was written at, or null for a default."""

    place: Place | None
    variables: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.place is None:
            return "default"
        where = f"{self.place.file}:{self.place.line}"
        return f"env {', '.join(self.variables)} ({where})" if self.variables else where


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the effective recipe; the line that opens a section has no origin."""

    location: Location
    text: str
    value: Any = None
    origin: Origin | None = None


def rows(loaded: LoadedRecipe) -> tuple[Row, ...]:
    """Return the effective recipe line by line, in the order of the schema."""
    return tuple(_section(loaded, loaded.recipe.model_dump(), (), ""))


def as_text(lines: Sequence[Row]) -> str:
    """Return the rows as YAML that loads to the same recipe, the origins as aligned comments."""
    width = min(max(len(row.text) for row in lines), _WIDEST)
    return "".join(
        f"{row.text:<{width}}  # {row.origin}\n" if row.origin else f"{row.text}\n"
        for row in lines
    )  # fmt: skip


def as_json(loaded: LoadedRecipe) -> dict[str, Any]:
    """Return the effective values, and for each where it was written (null for a default)."""
    origins = [
        {"location": list(row.location), "value": row.value, **_origin_as_json(row.origin)}
        for row in rows(loaded)
        if row.origin
    ]
    return {"recipe": loaded.recipe.model_dump(mode="json"), "origins": origins}


def _origin_as_json(origin: Origin) -> dict[str, Any]:
    place = origin.place
    where = {"file": place.file, "line": place.line, "column": place.column} if place else None
    return {"place": where, "variables": list(origin.variables)}


def _section(
    loaded: LoadedRecipe, values: Mapping[str, Any], at: Location, indent: str
) -> Iterator[Row]:
    for name, value in values.items():
        yield from _named(loaded, value, (*at, name), f"{indent}{scalars.write(name)}:", indent)


def _named(
    loaded: LoadedRecipe, value: Any, at: Location, label: str, indent: str
) -> Iterator[Row]:
    """Yield the rows of a value after its label: one if it fits on a line, else one a part."""
    short = _on_one_line(value)
    if short is not None:
        yield Row(at, f"{label} {short}", value, _origin(loaded, at))
    elif isinstance(value, Mapping):
        yield Row(at, label)
        yield from _section(loaded, value, at, f"{indent}  ")
    else:
        yield Row(at, label)
        for index, item in enumerate(value):
            yield from _item(loaded, item, (*at, index), f"{indent}  ")


def _item(loaded: LoadedRecipe, item: Any, at: Location, indent: str) -> Iterator[Row]:
    if not isinstance(item, Mapping):
        yield from _named(loaded, item, at, f"{indent}-", indent)
        return
    first, *rest = _section(loaded, item, at, f"{indent}  ")
    text = f"{indent}- {first.text.lstrip()}"
    yield Row(first.location, text, first.value, first.origin)
    yield from rest


def _on_one_line(value: Any) -> str | None:
    """Return the value as one line, or None for a section and for a list that is too long."""
    if isinstance(value, Mapping):
        return None if value else "{}"
    if not isinstance(value, list):
        return _written(value)
    if any(isinstance(item, Mapping | list) for item in value):
        return None
    text = f"[{', '.join(_written(item) for item in value)}]"
    return text if len(text) <= WIDEST_LIST else None


def _written(value: scalars.Scalar) -> str:
    """Return the scalar as it must be written in a recipe, where ``${`` begins a reference."""
    return scalars.write(value.replace("${", "$${") if isinstance(value, str) else value)


def _origin(loaded: LoadedRecipe, at: Location) -> Origin:
    names = [
        name
        for location, variables in loaded.variables.items()
        if location[: len(at)] == at
        for name in variables
    ]
    return Origin(loaded.places.get(at), tuple(dict.fromkeys(names)))
