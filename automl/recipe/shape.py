"""What the schema says about a location: which sections, keys and alternatives may stand there.

Walks the annotations of the pydantic models; knows nothing of files or of particular keys.
"""

from __future__ import annotations

import re
import types
from collections.abc import Collection, Iterable
from typing import Annotated, Any, Union, get_args, get_origin

from automl.recipe.loaded import Location
from automl.recipe.schema import Recipe
from automl.recipe.section import Section


def members(annotation: Any) -> tuple[Any, ...]:
    """Return the alternatives of an annotation, flat, without None and without constraints."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return members(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return tuple(member for part in get_args(annotation) for member in members(part))
    return () if annotation is type(None) else (annotation,)


def child(member: Any, key: str | int) -> tuple[Any, ...]:
    """Return the alternatives for what stands at ``key`` inside one alternative."""
    if is_section(member):
        field = member.model_fields.get(key)
        return members(field.annotation) if field else ()
    inside = get_args(member)
    if get_origin(member) is list and isinstance(key, int):
        return members(inside[0])
    if get_origin(member) is dict and isinstance(key, str):
        return members(inside[1])
    return ()


def at(location: Location) -> tuple[Any, ...]:
    """Return the alternatives that may stand at ``location``; none where nothing may."""
    found: tuple[Any, ...] = (Recipe,)
    for key in location:
        found = tuple(inner for member in found for inner in child(member, key))
    return found


def is_section(member: Any) -> bool:
    """Return whether an alternative is one of the schema's models."""
    return isinstance(member, type) and issubclass(member, Section)


def section(alternatives: Iterable[Any], keys: Collection[str]) -> type[Section] | None:
    """Return the section among the alternatives that fits the written ``keys`` best, if any."""
    sections = [member for member in alternatives if is_section(member)]
    return max(sections, key=lambda one: _fit(one, keys), default=None)


def _fit(one: type[Section], keys: Collection[str]) -> tuple[bool, int]:
    """Order sections: those whose required keys are there, then those with more keys in common."""
    required = [name for name, field in one.model_fields.items() if field.is_required()]
    return all(name in keys for name in required), len(set(keys) & set(one.model_fields))


def description(owner: type[Section], key: str) -> str:
    """Return what a field's description says before its first colon, semicolon or full stop."""
    text = " ".join((owner.model_fields[key].description or "").split())
    return re.split(r"[.:;,](?: |$)", text)[0]
