"""Rows by role: picks the role columns of what was read and gives them their one type.

Text, classes and what is nested become strings, lists become lists of strings, numbers float64.
Knows no split and no order of classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from automl.data import media, nested
from automl.data.arrays import integers, null, string
from automl.data.columns import kind_of
from automl.data.part import GROUP, SLICE, SOURCE, Part, listed, refused
from automl.data.relabelling import NOTHING, Names, relabelled, written
from automl.tasks import MEDIA, Role

_NONE = integers([0])[0]


@dataclass(frozen=True, slots=True)
class Selected:
    """Rows with columns by role, ``__source__`` and, where asked for, ``__group__`` and slices."""

    table: pa.Table
    dropped: tuple[str, ...] = ()
    """Where rows without text stood; they are not in ``table``."""
    renamed: Counter[str] = field(default_factory=Counter)
    """Classes that the recipe gives a name, as they were written, and how many rows had them."""
    left_out: tuple[str, ...] = ()
    """Where rows stood that the recipe leaves out by their class."""


def select(
    parts: Sequence[Part],
    roles: Sequence[Role],
    columns: Mapping[str, str],
    group_by: str | None,
    names: Names | None = None,
    slices: Sequence[str] = (),
) -> Selected:
    """Return the rows of all parts under their roles' names, in the order they were read.

    Rows whose text is empty or blank are dropped, and classes called by ``names``. Raises DataError
    for values that are not of the role's kind, and for empty classes and numbers, naming the rows.
    ``slices`` are columns that stay beside the roles, as strings.
    """
    held = [role for role in roles if role.name in columns]
    tables = [_table(part, held, columns, group_by, slices) for part in parts]
    table = pa.concat_tables(tables)
    keep = _has_text(table, [role for role in held if not role.is_target])
    dropped = tuple(table[SOURCE].filter(pc.invert(keep)).to_pylist())
    table = table.filter(keep) if dropped else table
    renamed, left_out = Counter[str](), list[str]()
    for role in held:
        if role.kind in ("class", "classes"):
            aligned = any(each.kind == "texts" for each in held)
            found = relabelled(table, role, names or {}, SOURCE, aligned=aligned)
            table, renamed = found.table, renamed + found.renamed
            left_out += found.dropped
        if role.required and (role.is_target or role.kind == "json"):
            _refuse_empty(table, role, columns[role.name])
    return Selected(table, dropped, renamed, tuple(left_out))


def _table(
    part: Part,
    roles: Sequence[Role],
    columns: Mapping[str, str],
    group_by: str | None,
    slices: Sequence[str],
) -> pa.Table:
    source = part.places
    if source is None:
        number = pc.cast(part.numbers, pa.string())
        source = pc.binary_join_element_wise(string(part.name), number, string(":"))
    found = {
        role.name: _converted(part.table[columns[role.name]], role, part, columns[role.name])
        for role in roles
    }
    if group_by is not None:
        found[GROUP] = _strings(part, group_by, "group rows")
    for column in slices:
        found[SLICE + column] = _strings(part, column, "divide rows into slices")
    return pa.table({**found, SOURCE: source})


def _strings(part: Part, column: str, purpose: str) -> pa.ChunkedArray:
    try:
        return _flat(pc.cast(_decoded(part.table[column]), pa.string()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise refused(f"{part.name}: column {column!r} cannot {purpose}: {error}") from error


def _converted(values: pa.ChunkedArray, role: Role, part: Part, column: str) -> pa.ChunkedArray:
    if role.kind in ("texts", "classes"):
        return nested.lists(values, role, part, column)
    if role.kind == "json":
        return nested.as_json(values)
    if role.kind in MEDIA:
        return media.located(values, part, column)
    values = _decoded(values)
    kind = kind_of(values.type)
    if role.kind == "text":
        if kind not in ("text", "null"):
            raise refused(f"{part.name}: column {column!r} ({role.name}) holds {kind}, not text")
        return _flat(pc.cast(values, pa.string()))
    if role.kind == "number":
        return _numbers(values, role, part, column)
    if kind == "numbers":
        values = _whole(values, role, part, column)
    elif kind not in ("text", "whole numbers", "true/false", "null"):
        raise refused(f"{part.name}: column {column!r} ({role.name}) holds {kind}, not classes")
    return _flat(pc.cast(values, pa.string()))


def _decoded(values: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(values.type):
        return pc.cast(values, values.type.value_type)
    return values


def _flat(values: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray:
    return values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])


def _whole(values: pa.ChunkedArray, role: Role, part: Part, column: str) -> pa.ChunkedArray:
    """Return floats as integers: tables with gaps keep whole numbers that way."""
    values = pc.cast(values, pa.float64())
    values = pc.if_else(pc.is_nan(values), null(pa.float64()), values)
    try:
        return pc.cast(values, pa.int64())
    except pa.ArrowInvalid as error:
        raise refused(
            f"{part.name}: column {column!r} ({role.name}) holds fractions, not classes"
        ) from error


def _numbers(values: pa.ChunkedArray, role: Role, part: Part, column: str) -> pa.ChunkedArray:
    if kind_of(values.type) == "text":
        values = pc.utf8_trim_whitespace(values)
        values = pc.if_else(pc.equal(values, string("")), null(values.type), values)
    try:
        return _flat(pc.cast(values, pa.float64()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise refused(
            f"{part.name}: column {column!r} ({role.name}) holds what is no number: {error}"
        ) from error


def _has_text(table: pa.Table, roles: Sequence[Role]) -> pa.ChunkedArray:
    """Return where no text, and no list of texts, is empty."""
    keep = pc.is_valid(table[SOURCE])  # which every row is
    for role in roles:
        if role.kind == "text":
            keep = pc.and_(keep, pc.invert(_blank(table[role.name])))
        elif role.kind == "texts":
            counts = pc.coalesce(pc.list_value_length(table[role.name]), _NONE)
            keep = pc.and_(keep, pc.greater(counts, _NONE))
    return keep


def _blank(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return where strings are null, empty or all space."""
    return pc.equal(pc.coalesce(pc.utf8_trim_whitespace(values), string("")), string(""))


def _refuse_empty(table: pa.Table, role: Role, column: str) -> None:
    values = table[role.name]
    blank = role.kind in ("class", "text")
    empty = _blank(values) if blank else pc.is_null(values, nan_is_null=role.kind == "number")
    rows = table[SOURCE].filter(empty).to_pylist()
    if rows:
        hint = f"fill in the {role.name}, or remove these rows"
        if role.kind in ("class", "classes"):
            hint += f"; to leave them out, under data: {written({NOTHING: None})}"
        raise refused(
            f"{len(rows)} rows have no {role.name} (column {column!r}): {listed(rows)}", hint
        )
