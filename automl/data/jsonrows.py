"""Reads JSON arrays of objects and JSON lines. Knows no columns by meaning."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from typing import IO, Any

import pyarrow as pa

from automl.data import coco, squad
from automl.data.arrays import integers, strings
from automl.data.part import Part, Target, refused
from automl.data.streams import opened, text_of, undecodable_line

Numbered = tuple[int, Any]
_UNFIT = (
    pa.ArrowInvalid,
    pa.ArrowTypeError,
    pa.ArrowNotImplementedError,
    OverflowError,
    UnicodeEncodeError,
)
"""What Arrow raises for values that do not share one type, or fit none."""


def read_json(target: Target, lines: bool) -> Part:
    """Return the objects as rows; keys that a row lacks are null.

    With ``lines`` each line is an object and rows are numbered by line; otherwise the file is an
    array, numbered by element, or where it begins with ``{`` lines after all, or one object of
    questions as SQuAD nests them, numbered by question, or of pictures as COCO nests them. A column
    whose values share no type is kept as JSON text and named in ``mixed``. Raises DataError naming
    the row for what is not JSON or not an object, and for an empty file.
    """
    try:
        with opened(target.path) as stream, text_of(stream) as text:
            rows = list(_lines(target, text) if lines else _either(target, text))
    except UnicodeDecodeError as error:
        raise undecodable_line(target, error) from error
    if not rows:
        raise refused(f"{target.name} is empty", 'one row is {"text": "...", "label": "..."}')
    for number, row in rows:
        if not isinstance(row, dict):
            raise refused(
                f"{target.name}:{number}: a row is an object, this is {_kind(row)}",
                'write rows as {"text": "...", "label": "..."}',
            )
    return _part(target, rows)


def _either(target: Target, text: IO[str]) -> Iterator[Numbered]:
    content = text.read()
    if content.lstrip()[:1] == "{":
        described = coco.document(content)
        if described is not None:
            return enumerate(coco.pictures(target, described), 1)
        articles = squad.articles(content)
        if articles is None:
            return _lines(target, io.StringIO(content))
        return enumerate(squad.questions(target, articles), 1)
    if not content.strip():
        return iter(())
    found = _decoded(target, content, 1)
    if not isinstance(found, list):
        raise refused(f"{target.name}: expected an array of objects, found {_kind(found)}")
    return iter(enumerate(found, 1))


def _lines(target: Target, lines: Iterable[str]) -> Iterator[Numbered]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, _decoded(target, line, number)


def _decoded(target: Target, text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"{target.name}:{line + error.lineno - 1}"
        raise refused(
            f"{place}: not JSON: {error.msg} at column {error.colno}",
            ".json is an array of objects or one object a line; .jsonl is one object a line",
        ) from error
    except RecursionError as error:
        raise refused(f"{target.name}:{line}: nested too deeply") from error


def _part(target: Target, rows: list[Numbered]) -> Part:
    columns: dict[str, pa.Array] = {}
    mixed: dict[str, str] = {}
    names = dict.fromkeys(name for _, row in rows for name in row)
    for name in names:
        values = [row.get(name) for _, row in rows]
        try:
            columns[name] = _array(values)
        except _UNFIT:
            mixed[name] = _difference(target, name, rows)
            columns[name] = strings(None if v is None else json.dumps(v) for v in values)
    numbers = integers(number for number, _ in rows)
    return Part(target.name, pa.table(columns), numbers, typed=True, mixed=mixed)


def _array(values: list[Any]) -> pa.Array:
    """Return the values as an array of one type; raises one of ``_UNFIT`` when there is none."""
    kinds = set(map(type, values))
    if kinds <= {str, type(None)}:
        return strings(values)
    return integers(values) if kinds == {int} else pa.array(values)


def _difference(target: Target, name: str, rows: list[Numbered]) -> str:
    """Return what does not fit in a column, naming the first two rows that disagree."""
    seen: tuple[int, str] | None = None
    for number, row in rows:
        value = row.get(name)
        if value is None:
            continue
        try:
            pa.array([value])
        except _UNFIT as error:
            return f"{target.name}:{number}: {name!r} holds a value that cannot be kept: {error}"
        if seen is not None and seen[1] != _kind(value):
            return (
                f"{target.name}:{number}: {name!r} is {_kind(value)} where row {seen[0]} has "
                f"{seen[1]}"
            )
        seen = seen or (number, _kind(value))
    return f"{target.name}: {name!r} holds values of different shapes"


def _kind(value: Any) -> str:
    kinds = {
        bool: "true/false",
        int: "a number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "an object",
        type(None): "null",
    }
    return kinds[type(value)]
