"""Rows to predict, one after the other: csv, tsv, jsonl, json, or one text a line.

Streams everything but a json array, and keeps columns it does not know. Knows no model.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, cast

from automl.data.media import is_media
from automl.data.streams import opened, text_of
from automl.errors import DataError, Problem
from automl.recipe.loaded import nearest

TEXT, PAIR = "text", "text_pair"
"""The columns' names where a row is nothing but its text, or its two texts."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it was read (``file:line``), and its columns as they were written."""

    place: str
    columns: Mapping[str, Any]
    folder: Path | None = field(default=None, compare=False)
    """Where paths in its columns start from; null: the folder that the program works in."""


def read(path: Path, format: str | None = None) -> Iterator[Row]:
    """Yield the rows of the file; ``-`` is standard input.

    ``format`` is a name in ``FORMATS``; left out, the file's name decides, and standard input is
    jsonl where it begins with ``{``, else one text a line. Raises DataError naming the line for
    what cannot be read.
    """
    name = "stdin" if path == Path("-") else path.name
    with _bytes(path) as stream:
        reader = FORMATS[format or _format(path, stream)]
        with text_of(stream) as text:
            home = None if path == Path("-") else path.absolute().parent
            try:
                yield from (replace(row, folder=home) for row in reader(text, name))
            except UnicodeDecodeError as error:
                raise DataError(
                    Problem(
                        f"{name}: not UTF-8 text (byte 0x{error.object[error.start]:02x})",
                        hint="convert it: iconv -f WINDOWS-1252 -t UTF-8 old.csv > new.csv",
                    )
                ) from error


FILE = "file"
"""The column's name where a row is nothing but a file."""


def files(paths: Iterable[Path], medium: str) -> Iterator[Row]:
    """Yield a row for each file, and for each picture (or sound) in each folder, by name.

    Raises DataError for a folder that holds none.
    """
    for path in paths:
        if not path.is_dir():
            yield Row(str(path), {FILE: str(path)})
            continue
        found = [
            each
            for each in sorted(path.rglob("*"))
            if each.is_file() and is_media(each.name, medium) and not each.name.startswith(".")
        ]
        if not found:
            raise DataError(f"{path} holds no {medium}")
        yield from (Row(str(each), {FILE: str(each)}) for each in found)


def file(row: Row, column: str) -> str | None:
    """Return the row's file as an absolute path; None where it names none, DataError if no path."""
    named = text(row, column)
    if named is None:
        return None
    return str((row.folder or Path.cwd()) / Path(named).expanduser())


def text_column(
    row: Row,
    wanted: str | None,
    trained: str,
    usual: Iterable[str],
    *,
    taken: Collection[str] = (),
    option: str = "--column",
) -> str:
    """Return the name of the column that holds the texts.

    That is ``wanted``; else the column of the training data; else the first ``usual`` name there
    is; else the only column that is not ``taken``. Raises DataError listing the columns, with a
    hint that names ``option``.
    """
    there = tuple(row.columns)
    free = [name for name in there if name not in taken]
    for name in (wanted,) if wanted else (trained, *usual):
        if name in there:
            return name
    if wanted is None and len(free) == 1:
        return free[0]
    missing = wanted or trained
    raise DataError(
        Problem(
            f"{row.place}: there is no column {missing!r}; there are {', '.join(map(repr, there))}",
            hint=nearest(missing, there)
            if wanted
            else f"name it: {option} {next(iter(free), 'NAME')}",
        )
    )


def text(row: Row, column: str) -> str | None:
    """Return the row's text, or None where it is empty; DataError where it is no text at all."""
    if column not in row.columns:
        raise DataError(f"{row.place}: this row has no {column!r}")
    value = row.columns[column]
    if isinstance(value, (list, dict)):
        raise DataError(f"{row.place}: {column!r} holds {json.dumps(value)[:60]}, not a text")
    found = "" if value is None else str(value)
    return found if found.strip() else None


def nested(row: Row, column: str, *, listed: bool) -> Any:
    """Return a list of strings, or, unless ``listed``, what is nested as JSON text; None if empty.

    Text that is JSON stands for what it says, other text for itself. Raises DataError where a list
    is none.
    """
    if column not in row.columns:
        raise DataError(f"{row.place}: this row has no {column!r}")
    value = row.columns[column]
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        with suppress(json.JSONDecodeError, RecursionError):  # it only looks like JSON
            value = json.loads(value)
    if value in (None, "", []):
        return None
    if not listed:
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    if not isinstance(value, list):
        raise DataError(Problem(f"{row.place}: {column!r} is no list", hint='["one", "two"]'))
    return [str(each) for each in value]


@contextmanager
def _bytes(path: Path) -> Iterator[BufferedReader]:
    if path == Path("-"):
        yield cast(BufferedReader, sys.stdin.buffer)
        return
    try:
        with opened(path) as stream:
            yield stream
    except FileNotFoundError:
        raise DataError(f"{path} is not there") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder; name a file") from None


def _format(path: Path, stream: BufferedReader) -> str:
    if path == Path("-"):
        return "jsonl" if stream.peek(64).lstrip()[:1] == b"{" else "txt"
    suffixes = [suffix for suffix in path.suffixes if suffix.lower() != ".gz"]
    found = suffixes[-1].lower().lstrip(".") if suffixes else ""
    found = {"ndjson": "jsonl", "text": "txt"}.get(found, found)
    if found not in FORMATS:
        raise DataError(
            Problem(
                f"{path}: {found or 'no suffix'!r} is not a format known here",
                hint=f"name it: --input-format, one of {', '.join(FORMATS)}",
            )
        )
    return found


def _delimited(delimiter: str) -> Callable[[IO[str], str], Iterator[Row]]:
    def rows(stream: IO[str], name: str) -> Iterator[Row]:
        csv.field_size_limit(2**31 - 1)  # the default refuses texts over 128 KiB
        reader = csv.reader(stream, delimiter=delimiter, strict=True)
        try:
            header = next(reader, None)
            if header is None:
                return
            _refuse_repeated(header, name)
            line = reader.line_num + 1
            for fields in reader:
                if fields or len(header) == 1:
                    yield Row(f"{name}:{line}", _record(header, fields or [""], f"{name}:{line}"))
                line = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{name}:{reader.line_num}: {error}") from error

    return rows


def _refuse_repeated(header: list[str], name: str) -> None:
    repeated = sorted({column for column in header if header.count(column) > 1})
    if repeated:
        raise DataError(f"{name}:1: column {repeated[0]!r} is named twice")


def _record(header: list[str], fields: list[str], place: str) -> dict[str, str]:
    if len(fields) != len(header):
        raise DataError(
            Problem(
                f"{place}: {len(fields)} fields where the header names {len(header)}",
                hint='quote fields that hold the separator: "like, this"',
            )
        )
    return dict(zip(header, fields, strict=True))


def _lines(stream: IO[str], name: str) -> Iterator[Row]:
    for number, line in enumerate(stream, 1):
        yield Row(f"{name}:{number}", {TEXT: line.rstrip("\r\n")})


def _json_lines(stream: IO[str], name: str) -> Iterator[Row]:
    for number, line in enumerate(stream, 1):
        if line.strip():
            place = f"{name}:{number}"
            yield Row(place, _columns(_decoded(line, place), place))


def _json(stream: IO[str], name: str) -> Iterator[Row]:
    content = stream.read()
    found = _decoded(content, name) if content.strip() else []
    if not isinstance(found, list):
        raise DataError(f"{name}: a json file holds an array of rows; one row a line is jsonl")
    for number, row in enumerate(found, 1):
        place = f"{name}: row {number}"
        yield Row(place, _columns(row, place))


def _decoded(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{place}: not JSON: {error}") from error


def _columns(found: Any, place: str) -> Mapping[str, Any]:
    if isinstance(found, str):
        return {TEXT: found}
    if isinstance(found, dict):
        return found
    raise DataError(f'{place}: a row is an object such as {{"{TEXT}": "..."}}, or a text')


FORMATS: dict[str, Callable[[IO[str], str], Iterator[Row]]] = {
    "csv": _delimited(","),
    "tsv": _delimited("\t"),
    "jsonl": _json_lines,
    "json": _json,
    "txt": _lines,
}
