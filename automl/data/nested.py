"""Lists and nested values: as columns of one form, as text to compare rows by. Knows no file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from automl.data.part import Part, refused
from automl.tasks import Role

LISTS = pa.list_(pa.string())
_SEPARATORS = re.compile(r"\s*[|;,]\s*")


def is_list(type_: pa.DataType) -> bool:
    """Return whether a column of the type holds a list a row."""
    return bool(pa.types.is_list(type_) or pa.types.is_large_list(type_))


def is_nested(type_: pa.DataType) -> bool:
    """Return whether a column of the type holds lists or objects."""
    return is_list(type_) or bool(pa.types.is_struct(type_))


def opened(part: Part) -> Part:
    """Return the part with each field of its objects as a column too: ``translation.en``."""
    table = part.table
    for name in part.table.column_names:
        type_ = table[name].type
        if pa.types.is_struct(type_):
            for index, field in enumerate(type_):
                found = pc.struct_field(table[name], [index])
                if f"{name}.{field.name}" not in table.column_names:
                    table = table.append_column(f"{name}.{field.name}", found)
    return part if table is part.table else replace(part, table=table)


def lists(values: pa.ChunkedArray, role: Role, part: Part, column: str) -> pa.ChunkedArray:
    """Return lists of strings. Text is a JSON array, or, for classes, names between | ; or ,.

    Raises DataError naming the first row that is neither.
    """
    if is_list(values.type) and not is_nested(values.type.value_type):
        return _checked(_flat(pc.cast(values, LISTS)), role, part, column)
    found = list(_as_lists(values.to_pylist(), role, part, column))
    return _checked(_flat(pa.array(found, type=LISTS)), role, part, column)


def _as_lists(
    values: Sequence[Any], role: Role, part: Part, column: str
) -> Iterator[list[str | None] | None]:
    for number, value in zip(part.numbers.to_pylist(), values, strict=True):
        items = _parsed(value, role) if isinstance(value, str) else value
        if items is None:
            yield None
        elif isinstance(items, list) and not any(isinstance(each, list | dict) for each in items):
            yield [None if each is None else str(each) for each in items]
        else:
            raise refused(
                f"{part.name}:{number}: {column!r} ({role.name}) is no list: {_short(value)}",
                'write ["one", "two"]',
            )


def _parsed(text: str, role: Role) -> Any:
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text
    if role.kind == "classes":
        return [name for name in _SEPARATORS.split(text.strip()) if name]
    return text


def _checked(values: pa.ChunkedArray, role: Role, part: Part, column: str) -> pa.ChunkedArray:
    """Raise DataError for a list with a null in it, naming its row."""
    numbers = part.numbers.to_pylist()
    for number, items in zip(numbers, values.to_pylist(), strict=True):
        if items is not None and None in items:
            raise refused(
                f"{part.name}:{number}: {column!r} ({role.name}) has an empty entry: {items}"
            )
    return values


def as_json(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return whatever is nested as JSON text without null fields; text that is no JSON is quoted.

    Equal content gives equal text, whatever the order of an object's keys.
    """
    found = [None if value is None else _canonical(value) for value in values.to_pylist()]
    return _flat(pa.array(found, type=pa.string()))


def _canonical(value: Any) -> str:
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        with suppress(json.JSONDecodeError):  # a text that only looks like JSON is a text
            value = json.loads(value)
    return json.dumps(_filled(value), ensure_ascii=False, sort_keys=True)


def _filled(value: Any) -> Any:
    """Return the value without the nulls that Arrow gives to keys that some rows have."""
    if isinstance(value, dict):
        return {key: _filled(each) for key, each in value.items() if each is not None}
    return [_filled(each) for each in value] if isinstance(value, list) else value


def readable(table: pa.Table, role: Role) -> list[str]:
    """Return each row's value as one text, by which rows are compared."""
    values = table[role.name].to_pylist()
    if role.kind in ("texts", "classes"):
        return ["\x1f".join(items) for items in values]
    return [str(value) for value in values]


def exploded(table: pa.Table, role: str, *others: str) -> pa.Table:
    """Return one row for each entry of the lists under ``role``, with ``others`` repeated."""
    lists_ = table[role].combine_chunks()
    parents = pc.list_parent_indices(lists_)
    kept = {name: table[name].take(parents) for name in others}
    return pa.table({role: pc.list_flatten(lists_), **kept})


def _flat(values: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray:
    return values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
