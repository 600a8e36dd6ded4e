"""Validation errors in plain words: what was expected, what was found, what to type instead.

Knows pydantic's kinds of error, so that nobody else has to; has no rule of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from automl.recipe import scalars, shape
from automl.recipe.loaded import Location, nearest
from automl.recipe.schema import Recipe
from automl.recipe.section import Section
from automl.recipe.syntax import describe

KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
"""Errors that mean "this is another kind of value", and the kind that was expected."""
_PLAIN = {int: "a whole number", float: "a number"}
"""What may stand beside the words of a fixed choice."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One pydantic error with its location in the recipe; ``branches`` are its union branches.

    A branch is (depth in ``location`` at which the union stands, its tag), outermost first.
    """

    kind: str
    location: Location
    branches: tuple[tuple[int, str], ...]
    found: Any
    context: Mapping[str, Any]
    message: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with the value at ``location``, or (``at_key``) with the key itself."""

    location: Location
    message: str
    hint: str | None = None
    at_key: bool = False


def finding(fault: Fault) -> Finding:
    """Return the fault in plain words."""
    if fault.kind in KINDS:
        return wrong_kind(fault.location, [fault.kind], fault.found)
    say = _SAYINGS.get(fault.kind)
    return say(fault) if say else Finding(fault.location, fault.message)


def is_of_another_kind(fault: Fault) -> bool:
    """Return whether the value found is not even of the kind the fault's branch wants."""
    if fault.kind == "literal_error":
        return not isinstance(fault.found, str)
    return fault.kind in KINDS


def none_of(location: Location, faults: Iterable[Fault], found: Any) -> Finding:
    """Return the finding for a value of none of the kinds that a union's branches want."""
    faults = list(faults)
    kinds = [fault.kind for fault in faults if fault.kind in KINDS]
    if len(kinds) == len(faults):
        return wrong_kind(location, kinds, found)
    words = [str(word) for one in shape.at(location) for word in get_args(one)]
    expected = any_of(dict.fromkeys([*words, *(KINDS[kind] for kind in kinds)]))
    hint = f"write `{location[-1]}: {words[0]}`"
    return Finding(location, f"expected {expected}, found {describe(found)}", hint)


def wrong_kind(location: Location, kinds: Iterable[str], found: Any) -> Finding:
    """Return the finding for a value of none of the expected kinds (keys of ``KINDS``)."""
    kinds = tuple(dict.fromkeys(kinds))
    if "float_type" in kinds:
        kinds = tuple(kind for kind in kinds if kind != "int_type")
    expected = any_of(dict.fromkeys(KINDS[kind] for kind in kinds))
    return Finding(location, f"expected {expected}, found {describe(found)}", _cure(kinds, found))


def _cure(kinds: tuple[str, ...], found: Any) -> str | None:
    """Return how to write the found scalar so that it has one of the kinds, where that helps."""
    if isinstance(found, str):
        unquoted = scalars.read(found) if len(found) < 100 else found
        if isinstance(unquoted, bool) and "bool_type" in kinds:
            return f"without quotes: {found}"
        if isinstance(unquoted, int | float) and {"int_type", "float_type"} & set(kinds):
            return f"without quotes: {found}"
        return f"[{scalars.write(found)}]" if kinds == ("list_type",) else None
    if kinds[0] == "string_type" and isinstance(found, bool | int | float):
        return f'in quotes: "{scalars.write(found)}"'
    return None


def undecided(location: Location, found: Mapping[str, Any]) -> Finding:
    """Return the finding for a mapping that may be one of several sections but is none of them."""
    sections = [one for one in shape.at(location) if shape.is_section(one)]
    required = tuple(name for one in sections for name in _required(one))
    known = {name for one in sections for name in one.model_fields}
    strangers = [name for name in found if name not in known]
    guess = nearest(strangers[0], required) if strangers else None
    keys = any_of(repr(name) for name in found) or "none"
    return Finding(
        location,
        f"expected the key {any_of(required)}, found {keys}",
        guess if guess and guess.startswith("did") else f"`{required[0]}: …`",
    )


def _required(section: type[Section]) -> list[str]:
    return [name for name, field in section.model_fields.items() if field.is_required()]


def any_of(words: Iterable[str]) -> str:
    """Return ``a, b or c``."""
    *others, last = list(words) or [""]
    return f"{', '.join(others)} or {last}" if others else last


def _section_name(location: Location) -> str:
    if location and isinstance(location[-1], int):
        return f"item {location[-1] + 1} of {_section_name(location[:-1])}"
    return ".".join(map(str, location)) or "the recipe"


def _missing(fault: Fault) -> Finding:
    *around, name = fault.location
    section = tuple(around)
    owner = shape.section(shape.at(section), (str(name),)) or Recipe
    hint = f"add `{name}: …` ({shape.description(owner, str(name))})"
    return Finding(section, f"{name!r} is missing from {_section_name(section)}", hint)


def _unknown(fault: Fault) -> Finding:
    section, name = fault.location[:-1], str(fault.location[-1])
    owners = [one for one in shape.at(section) if shape.is_section(one)]
    tag = fault.branches[-1][1] if fault.branches else ""
    owner = next((one for one in owners if one.__name__ == tag), owners[0])
    message = f"{name!r} is not a key of {_section_name(section)}"
    if any(name in one.model_fields for one in owners):
        message += f" beside {any_of(map(repr, _required(owner)))}"
        hint: str | None = "delete one of the two"
    else:
        hint = _home(name, section) or nearest(name, tuple(owner.model_fields))
    return Finding(fault.location, message, hint, at_key=True)


def _home(name: str, section: Location) -> str | None:
    """Return a hint naming the sections that do have the key."""
    homes = [
        key
        for key, field in Recipe.model_fields.items()
        for one in shape.members(field.annotation)
        if shape.is_section(one) and name in one.model_fields and (key,) != section
    ]
    if name in Recipe.model_fields and section:
        homes.append("the top of the recipe")
    return f"it belongs in {any_of(homes)}" if homes else None


def _literal(fault: Fault) -> Finding:
    alternatives = shape.at(fault.location)
    options = [option for one in alternatives for option in get_args(one)]
    others = [name for one, name in _PLAIN.items() if one in alternatives]
    message = f"expected {any_of([*map(str, options), *others])}, found {describe(fault.found)}"
    cure = _cure(("int_type",), fault.found) if others else None
    if cure:
        hint: str | None = cure
    elif len(options) == 1:
        hint = f"write `{fault.location[-1]}: {options[0]}`"
    else:
        hint = nearest(str(fault.found), tuple(map(str, options)))
    return Finding(fault.location, message, hint)


def _bound(words: str, key: str) -> Callable[[Fault], Finding]:
    def say(fault: Fault) -> Finding:
        limit, found = _figure(fault.context[key]), _figure(fault.found)
        return Finding(fault.location, f"must be {words} {limit}, found {found}")

    return say


def _figure(number: float) -> str:
    return str(int(number)) if number == number // 1 else scalars.write(number)


def _empty(fault: Fault) -> Finding:
    return Finding(fault.location, "must not be empty")


def _empty_key(fault: Fault) -> Finding:
    return Finding(fault.location, "a key must not be empty", at_key=True)


def _refused_value(fault: Fault) -> Finding:
    return Finding(fault.location, str(fault.context["error"]))


def _broken_rule(fault: Fault) -> Finding:
    return Finding(fault.location, fault.message, fault.context["hint"])


def _infinite(fault: Fault) -> Finding:
    return Finding(fault.location, f"must be a finite number, found {scalars.write(fault.found)}")


_SAYINGS: dict[str, Callable[[Fault], Finding]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "literal_error": _literal,
    "greater_than": _bound("greater than", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("less than", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "too_short": _empty,
    "string_too_short": _empty,
    "key": _empty_key,
    "value_error": _refused_value,
    "rules": _broken_rule,
    "finite_number": _infinite,
}
