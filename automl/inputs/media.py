"""The files that rows name: pictures and sounds. Looks into tables and opens nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any


def paths(tables: Mapping[str, Any], columns: Sequence[str]) -> tuple[Path, ...]:
    """Return the absolute paths in those columns of the splits' tables, sorted, each once."""
    found = {
        Path(value)
        for table in tables.values()
        for column in columns
        if column in table.column_names
        for value in _texts(table[column].to_pylist())
    }
    return tuple(sorted(found))


def _texts(values: Sequence[Any]) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from _texts(value)
