"""Reads parquet and Arrow files, resolving class indices to the names that the file declares.

Knows the ``huggingface`` schema metadata that data set tools write; no columns by meaning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from automl.data import nested
from automl.data.arrays import integers, null, strings
from automl.data.part import Part, Target, listed, refused

_FILE_MAGIC = b"ARROW1"


def read_parquet(target: Target) -> Part:
    """Return the file's rows; DataError when it is not parquet, or holds no row."""
    import pyarrow.parquet as pq

    try:
        # Not read_table: that one takes folders called `key=value` above the file for columns.
        table = pq.ParquetFile(target.path).read()
    except (pa.ArrowException, OSError) as error:
        raise refused(f"{target.name} cannot be read as parquet: {error}") from error
    return _part(target, table)


def read_arrow(target: Target) -> Part:
    """Return the rows of an Arrow IPC file or stream, memory-mapped; errors as read_parquet."""
    try:
        with target.path.open("rb") as stream:
            is_file = stream.read(len(_FILE_MAGIC)) == _FILE_MAGIC
        source = pa.memory_map(str(target.path))
        open_ = pa.ipc.open_file if is_file else pa.ipc.open_stream
        table = open_(source).read_all()
    except (pa.ArrowException, OSError) as error:
        raise refused(f"{target.name} cannot be read as Arrow data: {error}") from error
    return _part(target, table)


def class_names(features: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return column → class names for the columns of ``ClassLabel``, or of lists of them.

    Those within objects, or lists of objects, are under ``column.field``.
    """
    found = {column: _entry(feature) for column, feature in features.items()}
    for column, entry in tuple(found.items()):
        if isinstance(entry, dict) and "_type" not in entry:
            found |= {f"{column}.{name}": _entry(inner) for name, inner in entry.items()}
    return {
        column: tuple(entry["names"])
        for column, entry in found.items()
        if isinstance(entry, dict) and entry.get("_type") == "ClassLabel"
    }


def _entry(feature: Any) -> Any:
    """Return what a list holds, by the description of any version of ``datasets``; else itself."""
    if isinstance(feature, list) and len(feature) == 1:
        return feature[0]
    lists = isinstance(feature, dict) and feature.get("_type") in ("Sequence", "List", "LargeList")
    return feature.get("feature") if lists else feature


def _part(target: Target, table: pa.Table) -> Part:
    if table.num_rows == 0:
        raise refused(f"{target.name} has no rows")
    declared = {**_declared(target, table.schema), **target.classes}
    classes = {}
    for column, names in declared.items():
        if column in table.column_names and _holds_indices(table[column].type):
            place = table.column_names.index(column)
            table = table.set_column(place, column, _named(target, column, table[column], names))
            classes[column] = names
        elif "." in column and column not in table.column_names:
            table = _named_within(target, table, column, names)
    numbers = integers(range(1, table.num_rows + 1))
    return Part(target.name, table, numbers, typed=True, classes=classes)


def _holds_indices(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_.value_type if nested.is_list(type_) else type_))


def _declared(target: Target, schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    written = (schema.metadata or {}).get(b"huggingface")
    if written is None:
        return {}
    try:
        return class_names(json.loads(written)["info"]["features"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise refused(f"{target.name}: its data set description is damaged: {error}") from error


def _named_within(target: Target, table: pa.Table, path: str, names: tuple[str, ...]) -> pa.Table:
    """Return the table with class names for the indices in a field of a column's objects."""
    column, field = path.rsplit(".", 1)
    if column not in table.column_names or not nested.is_nested(table[column].type):
        return table

    def named(value: Any) -> Any:
        if isinstance(value, list):
            return [named(each) for each in value]
        if not isinstance(value, int):
            return value
        if value >= len(names):
            raise refused(
                f"{target.name}: {path!r} holds class {value}, but it declares only "
                f"{len(names)}: {listed(names)}"
            )
        return names[value] if value >= 0 else None

    def renamed(value: Any) -> Any:
        if isinstance(value, list):
            return [renamed(each) for each in value]
        return {**value, field: named(value[field])} if isinstance(value, dict) else value

    values = pa.array([renamed(value) for value in table[column].to_pylist()])
    return table.set_column(table.column_names.index(column), column, values)


def _named(
    target: Target, column: str, indices: pa.ChunkedArray, names: tuple[str, ...]
) -> pa.Array:
    """Return class names for indices; negative ones, by convention unlabelled, become null."""
    found = indices.combine_chunks()
    if isinstance(found, pa.ChunkedArray):
        found = pa.concat_arrays(found.chunks)
    if nested.is_list(found.type):
        each = _named(target, column, pa.chunked_array([found.values]), names)
        missing = found.is_null() if found.null_count else None
        return pa.ListArray.from_arrays(found.offsets.cast(pa.int32()), each, mask=missing)
    highest = pc.max(found).as_py()
    if highest is not None and highest >= len(names):
        raise refused(
            f"{target.name}: column {column!r} holds class {highest}, but it declares only "
            f"{len(names)}: {listed(names)}"
        )
    known = pc.if_else(pc.less(found, integers([0])[0]), null(found.type), found)
    return strings(names).take(known)
