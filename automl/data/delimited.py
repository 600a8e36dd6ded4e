"""Reads comma- and tab-separated text. Every value stays the text it is: nothing becomes a number,
and ``NA`` or ``null`` nothing else. Knows no columns by meaning.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import chain
from typing import IO, TYPE_CHECKING

import pyarrow as pa

from automl.data.arrays import integers, strings
from automl.data.part import Part, Target, refused
from automl.data.streams import opened, text_of, undecodable_line

if TYPE_CHECKING:
    from _csv import Reader

CHUNK = 8192
"""Rows gathered as Python objects before they become an Arrow chunk."""
REPORTED = 5
"""Ragged rows named before the rest is only counted."""
_OTHERS = (";", "\t", "|")


def read_delimited(target: Target, delimiter: str) -> Part:
    """Return the rows under the header line, all columns as strings.

    A comma file whose header holds no comma but exactly one of ``; tab |`` is read with that one.
    Lines are counted as an editor does, also where quoted fields span several. Raises DataError
    for an empty file, a repeated column name, rows of another length than the header, an
    unfinished quote, and text that is not UTF-8 (or UTF-16 with a byte-order mark).
    """
    csv.field_size_limit(2**31 - 1)  # the default refuses texts over 128 KiB
    try:
        with opened(target.path) as stream, text_of(stream) as text:
            return _parsed(target, text, delimiter)
    except UnicodeDecodeError as error:
        raise undecodable_line(target, error) from error


def _parsed(target: Target, text: IO[str], delimiter: str) -> Part:
    first = text.readline()
    if delimiter == ",":
        delimiter = _sniffed(first)
    reader = csv.reader(chain([first], text), delimiter=delimiter, strict=True)
    try:
        header = _header(target, next((row for row in reader if row), None))
        return _filled(target, header, _records(target, reader, len(header)))
    except csv.Error as error:
        raise refused(
            f"{target.name}:{reader.line_num}: {error}",
            'a field that holds a quote is written "like ""this"" one"',
        ) from error


def _sniffed(header: str) -> str:
    found = [other for other in _OTHERS if other in header]
    return found[0] if "," not in header and len(found) == 1 else ","


def _header(target: Target, row: list[str] | None) -> list[str]:
    if row is None:
        raise refused(f"{target.name} is empty", "the first line names the columns: text,label")
    names = [name.strip() or f"column_{number}" for number, name in enumerate(row, 1)]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise refused(f"{target.name}:1: column {repeated[0]!r} is named twice in the header")
    return names


def _records(target: Target, reader: Reader, width: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the line each record begins on and its fields; blank lines are no records."""
    ragged: list[tuple[int, int]] = []
    begins = reader.line_num + 1
    for row in reader:
        if len(row) == width:
            yield begins, row
        elif row:
            ragged.append((begins, len(row)))
        elif width == 1:
            yield begins, [""]
        begins = reader.line_num + 1
    if ragged:
        raise _ragged(target, ragged, width)


def _ragged(target: Target, ragged: list[tuple[int, int]], width: int) -> Exception:
    lines = [
        f"{target.name}:{line}: {found} fields where the header names {width}"
        for line, found in ragged[:REPORTED]
    ]
    if len(ragged) > REPORTED:
        lines.append(f"and {len(ragged) - REPORTED} more such rows")
    return refused("\n".join(lines), 'quote fields that hold the separator: "like, this",label')


def _filled(target: Target, header: list[str], records: Iterator[tuple[int, list[str]]]) -> Part:
    schema = pa.schema([(name, pa.string()) for name in header])
    batches: list[pa.RecordBatch] = []
    numbers: list[int] = []
    rows: list[list[str]] = []
    for line, row in records:
        numbers.append(line)
        rows.append(row)
        if len(rows) == CHUNK:
            batches.append(_batch(rows, schema))
            rows = []
    if rows:
        batches.append(_batch(rows, schema))
    if not batches:
        raise refused(f"{target.name} has a header but no rows")
    table = pa.Table.from_batches(batches, schema)
    return Part(target.name, table, integers(numbers), typed=False)


def _batch(rows: list[list[str]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [strings(column) for column in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
