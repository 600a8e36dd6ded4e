"""JSON documents with a schema name and a version: how anything crosses a process or a file.

A document is a frozen dataclass whose class carries ``schema`` and ``version`` fields; reading
refuses another schema and a newer version. Knows nothing of what the documents mean.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from automl.errors import InputError

T = TypeVar("T")
_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}
"""Kept, since making one takes 10 ms and more."""


def to_json(document: Any) -> bytes:
    """Return the document as canonical JSON: sorted keys, two-space indent, one last newline."""
    plain = _adapter(type(document)).dump_python(document, mode="json")
    text = json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def to_line(document: Any) -> str:
    """Return the document as one line of JSON, ending in a newline; for growing logs."""
    plain = _adapter(type(document)).dump_python(document, mode="json")
    return json.dumps(plain, sort_keys=True, ensure_ascii=False) + "\n"


def from_json(kind: type[T], data: bytes | str, *, source: str = "document") -> T:
    """Return the document of type ``kind`` held in ``data``.

    A kind with a function ``upgraded`` (plain data in, plain data out) reads what it wrote before.
    Raises InputError naming ``source`` where the text is not JSON, names another schema, or was
    written by a newer version than this one reads.
    """
    try:
        found = json.loads(data)
    except ValueError as error:
        raise InputError(f"{source} is not valid JSON: {error}") from error
    expected = {
        name: getattr(kind, "__dataclass_fields__")[name].default  # noqa: B009
        for name in ("schema", "version")
    }
    if not isinstance(found, dict) or found.get("schema") != expected["schema"]:
        raise InputError(f"{source} is not a document of schema {expected['schema']!r}")
    if found.get("version", 0) > expected["version"]:
        raise InputError(
            f"{source} has version {found['version']}; this automl reads up to "
            f"{expected['version']}: upgrade automl"
        )
    upgraded = getattr(kind, "upgraded", None)
    try:
        found = upgraded(found) if upgraded else found
        return _adapter(kind).validate_python(found)  # type: ignore[no-any-return]
    except ValidationError as error:
        raise InputError(f"{source} does not follow {expected['schema']}: {error}") from error


def read(kind: type[T], path: Path) -> T:
    """Return the document of type ``kind`` stored at ``path``; errors as in ``from_json``."""
    return from_json(kind, path.read_bytes(), source=str(path))


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Yield a stream whose content becomes ``path`` when all went well, and only then.

    ``path`` holds its old content or all of the new one at any moment; its folder is created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with replacing(path) as stream:
        stream.write(data)


def write(path: Path, document: Any) -> None:
    """Write the document to ``path`` atomically, as canonical JSON."""
    write_bytes(path, to_json(document))
