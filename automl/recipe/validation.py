"""A recipe's values against the schema: all that is wrong, found where the author wrote it.

Sorts pydantic's errors by location and union; has no rule of its own and no wording.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, get_origin

from pydantic import ValidationError

from automl.errors import Place, Problem
from automl.recipe import shape, wording
from automl.recipe.loaded import Location
from automl.recipe.schema import Recipe
from automl.recipe.wording import Fault, Finding

_WRAPPED = re.compile(r"(?:constrained-|function-\w+\[[^,]*, )(.*?)\]?")


def validate(values: Mapping[str, Any]) -> tuple[Recipe | None, list[Finding], list[Fault]]:
    """Return the recipe, or None with everything that is wrong with the values.

    The faults are the raw errors, for who wants to answer some of them before giving up.
    """
    try:
        return Recipe.model_validate(values), [], []
    except ValidationError as error:
        faults = [fault for one in error.errors(include_url=False) for fault in _faults(one)]
        return None, list(_findings(faults, values)), faults


def problem(
    finding: Finding, places: Mapping[Location, Place], keys: Mapping[Location, Place]
) -> Problem:
    """Return the finding as a Problem at the nearest place that was written."""
    first = keys if finding.at_key else places
    if finding.location in first:
        return Problem(finding.message, first[finding.location], finding.hint)
    around = (finding.location[:end] for end in range(len(finding.location), -1, -1))
    near = next((places[location] for location in around if location in places), None)
    return Problem(finding.message, near, finding.hint)


def _faults(error: Any) -> Iterator[Fault]:
    """Yield the error, or one a rule it breaks; union tags taken out of its location.

    After a union's location comes the tag of one of its branches.
    """
    location: list[str | int] = []
    branches: list[tuple[int, str]] = []
    alternatives: tuple[Any, ...] = (Recipe,)
    for part in error["loc"]:
        if part == "[key]":
            break
        if len(alternatives) > 1:
            tag = _bare(str(part))
            branches.append((len(location), tag))
            alternatives = tuple(one for one in alternatives if _has_tag(one, tag))[:1]
            continue
        location.append(part)
        alternatives = tuple(inner for one in alternatives for inner in shape.child(one, part))
    context = error.get("ctx", {})
    kind = "key" if error["loc"][-1:] == ("[key]",) else error["type"]
    fault = Fault(kind, tuple(location), tuple(branches), error["input"], context, error["msg"])
    for broken in context.get("broken", ()):
        details = {"hint": broken.hint}
        where = (*fault.location, *broken.at)
        yield replace(fault, location=where, message=broken.message, context=details)
    if "broken" not in context:
        yield fault


def _bare(tag: str) -> str:
    """Return pydantic's name for a union's branch without the validators wrapped around it."""
    while wrapped := _WRAPPED.fullmatch(tag):
        tag = wrapped[1]
    return tag


def _has_tag(alternative: Any, tag: str) -> bool:
    name = getattr(get_origin(alternative) or alternative, "__name__", "")
    return tag == name or tag.startswith(f"{name}[")


def _findings(faults: Iterable[Fault], values: Any, level: int = 0) -> Iterator[Finding]:
    """Yield one finding a fault, those of a union's branches reduced to the branch meant."""
    unions: dict[Location, list[Fault]] = {}
    for fault in faults:
        if len(fault.branches) <= level:
            yield wording.finding(fault)
        else:
            unions.setdefault(fault.location[: fault.branches[level][0]], []).append(fault)
    for location, inside in unions.items():
        yield from _of_union(location, inside, values, level)


def _of_union(
    location: Location, faults: list[Fault], values: Any, level: int
) -> Iterator[Finding]:
    """Yield what is wrong in the branch whose kind the value has; one finding if none has it."""
    branches: dict[str, list[Fault]] = {}
    for fault in faults:
        branches.setdefault(fault.branches[level][1], []).append(fault)
    right = [
        inside
        for inside in branches.values()
        if not any(_is_wrong_kind(fault, location, level) for fault in inside)
    ]
    found = _value(values, location)
    if isinstance(found, Mapping) and len(right) > 1:
        meant = shape.section(shape.at(location), found.keys())
        right = [branches[meant.__name__]] if meant else []
        if any(fault.kind == "missing" for fault in right[0]):
            yield wording.undecided(location, found)
            return
    if right:
        yield from _findings(right[0], values, level + 1)
    else:
        yield wording.none_of(location, faults, found)


def _is_wrong_kind(fault: Fault, location: Location, level: int) -> bool:
    outermost = len(fault.branches) == level + 1
    return outermost and fault.location == location and wording.is_of_another_kind(fault)


def _value(values: Any, location: Location) -> Any:
    for key in location:
        values = values[key]
    return values
