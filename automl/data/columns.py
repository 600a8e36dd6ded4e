"""Which column holds which role: said by the recipe, by its name, or plain from its values.

Knows roles and columns; no file, no class, no split.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from automl.data import media, nested
from automl.data.part import Part, listed
from automl.errors import DataError, Problem
from automl.recipe.loaded import LoadedRecipe
from automl.tasks import MEDIA, Role, Task

SAMPLE = 2000
"""Rows of the first file looked at to tell columns apart by their values."""
_YAML_WORDS = ("null", "true", "false")
_ANY_MEDIUM = "file"
_LONG_TEXT = 15.0
"""Mean characters from which a column of mostly different strings reads as text."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a column's values look like."""

    name: str
    is_text: bool
    is_number: bool
    is_list: bool
    is_nested: bool
    medium: str | None
    """What kind of files it names or holds."""
    mean_characters: float
    distinct: int
    rows: int

    def fits(self, kind: str) -> bool:
        """Return whether the values alone make this a column of the role's kind."""
        if kind == "text":
            varied = self.distinct > self.rows / 2
            return self.is_text and varied and self.mean_characters >= _LONG_TEXT
        if kind in MEDIA:
            return self.medium in (kind, _ANY_MEDIUM)
        if kind in ("texts", "classes"):
            return self.is_list
        if kind == "json":
            return self.is_nested
        if kind == "class":
            return 2 <= self.distinct <= max(2, self.rows // 4)
        return self.is_number and self.distinct > max(2, self.rows // 10)


Pick = Callable[[Sequence[str], Mapping[str, str]], Mapping[str, str]]
"""(free columns, role → column so far) → role → column."""


def resolve(
    loaded: LoadedRecipe, roles: Sequence[Role], parts: Sequence[Part], pick: Pick | None = None
) -> dict[str, str]:
    """Return role → column for the train rows ``parts``.

    A role takes the column the recipe names; else the one column with a conventional name (its own
    name before others, letter case aside); else what ``pick`` tells from several names together;
    else, when required, the one column whose values fit.
    What isn't required takes what is left: of two columns the required role has one whatever they
    are called. Where the recipe names a text, no further one is guessed. Raises DataError at the
    recipe's place for unknown roles and columns (with the nearest name) and for what stays
    ambiguous (with columns to paste).
    """
    names = _all_names(parts)
    said = dict(loaded.recipe.data.columns)
    problems = _wrong(loaded, roles, names, said)
    if problems:
        raise DataError(problems)
    free = [n for n in names if n not in said.values() and n != loaded.recipe.data.group_by]
    found = {**said}
    stands_in = _stand_ins(roles, free, found)
    roles = [role for role in roles if role.name in found or not _is_spare(role, stands_in)]
    required = [role for role in roles if role.required and role.name not in found]
    optional = [role for role in roles if not role.required and _may_be_guessed(role, roles, said)]
    _take_named(required, free, found)
    missing = [role for role in required if role.name not in found]
    if missing and pick is not None:
        told = pick(free, found)
        found |= {role.name: told[role.name] for role in missing if role.name in told}
        free = [name for name in free if name not in found.values()]
        missing = [role for role in missing if role.name not in found]
    looks = [_look(_holding(parts, name), name) for name in free] if missing else []
    spoken_for = [name for role in optional for name in _named(role, free)]
    for role in missing:
        every = _fitting(looks, role)
        fitting = [name for name in every if name not in spoken_for] or every
        if len(fitting) == 1 and fitting[0] in free and len(_named(role, free)) < 2:
            found[role.name] = fitting[0]
            free.remove(fitting[0])
    if any(role.name not in found for role in missing):
        raise DataError(_ambiguous(loaded, roles, names, found, looks, parts[0]))
    _take_named(optional, free, found)
    return {role.name: found[role.name] for role in roles if role.name in found}


def of_form(loaded: LoadedRecipe, task: Task, parts: Sequence[Part]) -> tuple[Role, ...]:
    """Return the roles of the task's first form that is there, by name or as the recipe says.

    Where none is, the last form that has what the recipe names: what it lacks is then told.
    """
    if not task.forms:
        return task.roles
    said, names = loaded.recipe.data.columns, _all_names(parts)
    forms = [tuple(role for role in task.roles if role.name in form) for form in task.forms]
    able = [form for form in forms if set(said) <= {role.name for role in form}]
    for form in able:
        if all(role.name in said or _named(role, names) for role in form if role.required):
            return form
    return able[-1] if able else task.roles


def _stand_ins(
    roles: Sequence[Role], free: Sequence[str], said: Mapping[str, str]
) -> dict[str, list[str]]:
    """Return required role → the roles instead of it whose columns are there; itself if it is."""
    found: dict[str, list[str]] = {}
    for role in roles:
        if role.required:
            others = [each for each in roles if each.instead_of == role.name]
            named = [each.name for each in others if _conventional(each, free)]
            told = [each.name for each in others if each.name in said]
            own = role.name in said or (not told and _conventional(role, free))
            found[role.name] = [] if own else [*told, *named]
    return found


def _is_spare(role: Role, stands_in: Mapping[str, Sequence[str]]) -> bool:
    """Return whether the role is not needed: replaced, or without anything to replace."""
    if role.instead_of:
        return role.name not in stands_in.get(role.instead_of, ())
    return bool(stands_in.get(role.name))


def _may_be_guessed(role: Role, roles: Sequence[Role], said: Mapping[str, str]) -> bool:
    texts = [other.name for other in roles if other.kind == "text" and not other.target]
    return role.name not in said and not (role.name in texts and any(t in said for t in texts))


def _take_named(roles: Sequence[Role], free: list[str], found: dict[str, str]) -> None:
    """Move the columns with conventional names from ``free`` to ``found``."""
    for role in roles:
        if name := _conventional(role, free):
            found[role.name] = name
            free.remove(name)


def require(parts: Iterable[Part], columns: Mapping[str, str]) -> list[Problem]:
    """Return a problem for each file that lacks a column, or holds it in another type.

    Files that know only text (csv) go with any type.
    """
    problems = []
    kinds: dict[str, tuple[str, str]] = {}
    for part in parts:
        for role, column in columns.items():
            if column not in part.table.column_names:
                there = listed(part.table.column_names)
                message = f"{part.name} has no column {column!r} ({role}); it has {there}"
                problems.append(Problem(message))
            elif column in part.mixed:
                problems.append(Problem(part.mixed[column]))
            elif part.typed and (kind := kind_of(part.table[column].type)) != "null":
                first, file = kinds.setdefault(column, (kind, part.name))
                if first != kind:
                    message = f"column {column!r} holds {kind} in {part.name}, {first} in {file}"
                    problems.append(Problem(message, hint="write it alike everywhere"))
    return problems


def kind_of(type_: pa.DataType) -> str:
    """Return the kind of value a column holds, in words; integer widths do not differ."""
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    if pa.types.is_string(type_) or pa.types.is_large_string(type_) or _is_view(type_):
        return "text"
    if pa.types.is_integer(type_):
        return "whole numbers"
    if pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return "numbers"
    if pa.types.is_boolean(type_):
        return "true/false"
    return "null" if pa.types.is_null(type_) else str(type_)


def _is_view(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string_view(type_))


def _holding(parts: Sequence[Part], name: str) -> pa.Table:
    return next(part.table for part in parts if name in part.table.column_names)


def _all_names(parts: Sequence[Part]) -> list[str]:
    """Return the columns of any train file, in order of appearance."""
    return list(dict.fromkeys(name for part in parts for name in part.table.column_names))


def _wrong(
    loaded: LoadedRecipe, roles: Sequence[Role], names: Sequence[str], said: Mapping[str, str]
) -> list[Problem]:
    known = tuple(role.name for role in roles)
    problems = []
    for role, column in said.items():
        place = ("data", "columns", role)
        if role not in known:
            message = f"the task reads no role {role!r}"
            problems.append(loaded.problem(place, message, value=role, known=known))
        elif column not in names:
            message = f"train has no column {column!r}; it has {listed(names)}"
            problems.append(loaded.problem(place, message, value=column, known=tuple(names)))
    group = loaded.recipe.data.group_by
    if group is not None and group not in names:
        message = f"train has no column {group!r}; it has {listed(names)}"
        problems.append(
            loaded.problem(("data", "group_by"), message, value=group, known=tuple(names))
        )
    return problems


def _conventional(role: Role, free: Sequence[str]) -> str | None:
    """Return the one column named as this role usually is; None when none or several are."""
    own = [name for name in free if name.lower() == role.name]
    found = own or _named(role, free)
    return found[0] if len(found) == 1 else None


def _named(role: Role, free: Sequence[str]) -> list[str]:
    usual = {name.lower() for name in role.conventional}
    return [name for name in free if name.lower() in usual]


def _fitting(looks: Sequence[Look], role: Role) -> list[str]:
    return [look.name for look in looks if look.fits(role.kind)]


def _look(table: pa.Table, name: str) -> Look:
    column = pa.chunked_array(table.slice(0, SAMPLE)[name]).drop_null()
    kind = kind_of(column.type)
    if kind not in ("text", "whole numbers", "numbers", "true/false"):
        found, deep = nested.is_list(column.type), nested.is_nested(column.type)
        medium = _ANY_MEDIUM if _holds_files(column.type) else None
        return Look(name, False, False, found, deep, medium, 0.0, 0, len(column))
    distinct = pc.count_distinct(column).as_py() if len(column) else 0
    is_text = kind == "text"
    mean = pc.mean(pc.utf8_length(column)).as_py() if is_text and len(column) else 0.0
    number = kind in ("whole numbers", "numbers") or (is_text and _parses(column))
    text = is_text and not number
    medium = _medium(column) if text else None
    return Look(name, text, number, False, False, medium, mean or 0.0, distinct, len(column))


def _medium(column: pa.ChunkedArray) -> str | None:
    """Return the kind of files that all values name; None where they are something else."""
    values = column.to_pylist()
    return next(
        (
            kind
            for kind in MEDIA
            if values and all(media.is_media(value.strip(), kind) for value in values)
        ),
        None,
    )


def _holds_files(type_: pa.DataType) -> bool:
    """Return whether values are files themselves: bytes, or those with a path beside them."""
    if pa.types.is_struct(type_):
        return {field.name for field in type_} == {"bytes", "path"}
    return bool(pa.types.is_binary(type_) or pa.types.is_large_binary(type_))


def _parses(column: pa.ChunkedArray) -> bool:
    try:
        pc.cast(column, pa.float64())
    except pa.ArrowInvalid:
        return False
    return len(column) > 0


def _ambiguous(
    loaded: LoadedRecipe,
    roles: Sequence[Role],
    names: Sequence[str],
    found: Mapping[str, str],
    looks: Sequence[Look],
    part: Part,
) -> Problem:
    open_ = [role.name for role in roles if role.required and role.name not in found]
    guess = dict(found)
    for role in roles:
        if role.name in open_:
            left = [name for name in names if name not in guess.values()]
            likely = [name for name in [*_named(role, left), *_fitting(looks, role)]
                      if name in left]  # fmt: skip
            guess[role.name] = (likely or left or ["<column>"])[0]
    pairs = ", ".join(f"{r.name}: {_plain(guess[r.name])}" for r in roles if r.name in guess)
    message = f"cannot tell which column of {part.name} holds the {' and the '.join(open_)}; "
    message += f"columns: {listed(names, 20)}"
    hint = f"write under data: columns: {{{pairs}}}"
    if not part.typed and _unlike_names(names):
        hint += "; the first line of the file must name the columns"
    return loaded.problem(("data", "train"), message, hint=hint)


def _plain(name: str) -> str:
    """Return the name as YAML takes it inside braces."""
    safe = re.fullmatch(r"[^\W\d]([\w. -]*\w)?", name) and name.lower() not in _YAML_WORDS
    return name if safe else "'" + name.replace("'", "''") + "'"


def _unlike_names(names: Sequence[str]) -> bool:
    return any(len(name) > 30 or len(name.split()) > 4 for name in names)
