"""A recipe file to a LoadedRecipe: read, inherit, fill in the environment, validate.

Touches the file system only to read recipes; knows nothing of tasks, data or models.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from automl.errors import Place, Problem, RecipeError
from automl.recipe import validation
from automl.recipe.inheritance import gather
from automl.recipe.loaded import LoadedRecipe, Location
from automl.recipe.schema import Recipe
from automl.recipe.syntax import Items, Leaf, Node, Table, plain


def load(path: Path, environ: Mapping[str, str] | None = None) -> LoadedRecipe:
    """Return the recipe at ``path``, merged over what it extends, filled in and validated.

    ``environ`` answers ``${env:NAME}``; left out, the process's environment does. Raises
    RecipeError with every problem found, in the order of the files.
    """
    merged = gather(path, os.environ if environ is None else environ)
    places: dict[Location, Place] = {}
    keys: dict[Location, Place] = {}
    leaves: dict[Location, Leaf] = {}
    _index(merged.tree, (), places, keys, leaves)
    values = plain(merged.tree)
    recipe, problems = _validated(values, places, keys, leaves)
    if recipe is None or merged.problems:
        unfilled = {problem.place for problem in merged.problems}
        others = [problem for problem in problems if problem.place not in unfilled]
        raise RecipeError(_in_order((*merged.problems, *others), str(path)))
    variables = {at: leaf.variables for at, leaf in leaves.items() if leaf.variables}
    written = {at: leaf.written for at, leaf in leaves.items() if leaf.written}
    return LoadedRecipe(recipe, Path(os.path.abspath(path)), values, places, variables, written)


def _index(
    node: Node,
    location: Location,
    places: dict[Location, Place],
    keys: dict[Location, Place],
    leaves: dict[Location, Leaf],
) -> None:
    """Enter the node, and all inside it, by location."""
    places[location] = node.place
    if isinstance(node, Leaf):
        leaves[location] = node
    elif isinstance(node, Items):
        for index, item in enumerate(node.nodes):
            _index(item, (*location, index), places, keys, leaves)
    elif isinstance(node, Table):
        for name, entry in node.entries.items():
            keys[*location, name] = entry.key.place
            _index(entry.node, (*location, name), places, keys, leaves)


def _validated(
    values: dict[str, Any],
    places: Mapping[Location, Place],
    keys: Mapping[Location, Place],
    leaves: Mapping[Location, Leaf],
) -> tuple[Recipe | None, list[Problem]]:
    """Return the recipe or its problems; edits ``values`` where a variable was meant as text.

    ``name: ${env:BUILD}`` with BUILD=12 was read as a number; where text is wanted, it is text.
    """
    recipe, findings, faults = validation.validate(values)
    meant_as_text = {
        fault.location: leaves[fault.location].text
        for fault in faults
        if fault.kind == "string_type" and _is_filled(leaves.get(fault.location))
    }
    if meant_as_text:
        for location, text in meant_as_text.items():
            _put(values, location, text)
        recipe, findings, _ = validation.validate(values)
    return recipe, [validation.problem(finding, places, keys) for finding in findings]


def _is_filled(leaf: Leaf | None) -> bool:
    return leaf is not None and bool(leaf.variables) and not isinstance(leaf.value, str)


def _put(values: Any, location: Location, value: str) -> None:
    for key in location[:-1]:
        values = values[key]
    values[location[-1]] = value


def _in_order(problems: Iterable[Problem], main: str) -> list[Problem]:
    """Return the problems without repetition, the recipe's own first, then its parents'."""

    def position(problem: Problem) -> tuple[bool, str, int, int]:
        place = problem.place or Place("", 0, 0)
        return place.file != main, place.file, place.line, place.column

    return sorted(dict.fromkeys(problems), key=position)
