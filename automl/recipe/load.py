"""A recipe file to a LoadedRecipe: read, inherit, fill in the environment, validate.

Touches the file system, the hub and git only to read recipes; knows nothing of tasks or data.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from automl.errors import Place, Problem, RecipeError
from automl.plan import Parent
from automl.recipe import validation
from automl.recipe.inheritance import gather
from automl.recipe.loaded import LoadedRecipe, Location
from automl.recipe.parents import Pins
from automl.recipe.schema import Recipe
from automl.recipe.syntax import Entry, Items, Leaf, Node, Table, plain


def load(path: Path, environ: Mapping[str, str] | None = None, pins: Pins = dict) -> LoadedRecipe:
    """Return the recipe at ``path``, merged over what it extends, filled in and validated.

    ``environ`` answers ``${env:NAME}``; left out, the process's environment does. ``pins`` gives
    the commits of parents from elsewhere. Raises RecipeError with every problem found, in the
    order of the files.
    """
    merged = gather(path, os.environ if environ is None else environ, pins)
    places: dict[Location, Place] = {}
    keys: dict[Location, Place] = {}
    leaves: dict[Location, Leaf] = {}
    _index(merged.tree, (), places, keys, leaves)
    values = plain(merged.tree)
    recipe, problems = _validated(values, places, keys, leaves)
    if recipe is None or merged.problems:
        unfilled = {problem.place for problem in merged.problems}
        others = [problem for problem in problems if problem.place not in unfilled]
        found = in_order((*merged.problems, *others), str(path))
        raise RecipeError(found, None if merged.problems else _remainder(merged.tree, path))
    return _loaded(recipe, path, values, places, leaves, merged.parents)


def _loaded(
    recipe: Recipe,
    path: Path,
    values: dict[str, Any],
    places: dict[Location, Place],
    leaves: dict[Location, Leaf],
    parents: tuple[Parent, ...] = (),
) -> LoadedRecipe:
    variables = {at: leaf.variables for at, leaf in leaves.items() if leaf.variables}
    written = {at: leaf.written for at, leaf in leaves.items() if leaf.written}
    home = Path(os.path.abspath(path))
    return LoadedRecipe(recipe, home, values, places, variables, written, parents)


def _remainder(tree: Table, path: Path) -> LoadedRecipe | None:
    """Return the recipe without its faulty values, or None where too little would be left.

    A value that is missing takes its section with it. Each round takes away at least one value.
    """
    while True:
        places: dict[Location, Place] = {}
        leaves: dict[Location, Leaf] = {}
        _index(tree, (), places, {}, leaves)
        values = plain(tree)
        recipe, findings, _ = validation.validate(values)
        if recipe is not None:
            return _loaded(recipe, path, values, places, leaves)
        faulty = {_written_at(finding.location, places) for finding in findings}
        if () in faulty:
            return None
        outermost = [at for at in faulty if not any(at[:n] in faulty for n in range(len(at)))]
        for location in sorted(outermost, key=_last_first):
            tree = cast(Table, _without(tree, location))


def _written_at(location: Location, places: Mapping[Location, Place]) -> Location:
    """Return the location, or the nearest section around it that was written."""
    ends = range(len(location), -1, -1)
    return next(location[:end] for end in ends if location[:end] in places)


def _last_first(location: Location) -> tuple[tuple[int, str], ...]:
    """Sorts later items of a list before earlier ones, whose index must not move."""
    return tuple((-part, "") if isinstance(part, int) else (0, part) for part in location)


def _without(node: Node, location: Location) -> Node:
    """Return the node without what is at ``location`` inside it; itself where nothing is."""
    part, rest = location[0], location[1:]
    if isinstance(node, Table) and part in node.entries:
        entries = dict(node.entries)
        entry = entries.pop(str(part))
        if rest:
            entries[str(part)] = Entry(entry.key, _without(entry.node, rest))
        return replace(node, entries=entries)
    if isinstance(node, Items) and isinstance(part, int) and part < len(node.nodes):
        kept = (_without(node.nodes[part], rest),) if rest else ()
        return replace(node, nodes=(*node.nodes[:part], *kept, *node.nodes[part + 1 :]))
    return node


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


def in_order(problems: Iterable[Problem], main: str) -> list[Problem]:
    """Return the problems without repetition, the recipe's own first, then its parents'."""

    def position(problem: Problem) -> tuple[bool, str, int, int]:
        place = problem.place or Place("", 0, 0)
        return place.file != main, place.file, place.line, place.column

    return sorted(dict.fromkeys(problems), key=position)
