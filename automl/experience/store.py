"""Where records lie: one JSON file each, in a folder that several people and machines may share.

A folder that cannot be read is no error: a study then starts without experience.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from automl import documents
from automl.errors import InputError
from automl.experience.record import Record, content_id

VARIABLE = "AUTOML_EXPERIENCE"


@dataclass(frozen=True, slots=True)
class Reading:
    """The records found, newest first, one a study; ``warnings`` name what was not taken."""

    records: tuple[Record, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Import:
    """What became of each record of a file: added, there already, or skipped for a reason."""

    added: tuple[str, ...]
    known: tuple[str, ...]
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Archive:
    """Several records in one file, for carrying elsewhere."""

    records: tuple[Record, ...]
    schema: Literal["automl/experience-archive"] = "automl/experience-archive"
    version: int = 1


def folder() -> Path:
    """Return ``$AUTOML_EXPERIENCE``, or ``~/.automl/experience``; it need not exist."""
    chosen = os.environ.get(VARIABLE)
    return Path(chosen).expanduser() if chosen else Path.home() / ".automl" / "experience"


def write(record: Record, root: Path | None = None) -> Path:
    """Write the record and remove earlier ones of the same study; return its file.

    Writers do not wait for each other: a record appears whole or not at all, and readers take the
    newest of a study. Raises OSError where the folder cannot be written.
    """
    root = root or folder()
    path = root / f"{record.id}.json"
    documents.write(path, record)
    for other in _files(root):
        if other != path and _is_older(other, record):
            _remove(other)
    return path


def read_all(root: Path | None = None) -> Reading:
    """Return every record of the folder. Never raises for what lies in it, or for its absence."""
    root = root or folder()
    newest: dict[str, Record] = {}
    warnings = []
    try:
        files = _files(root)
    except OSError as error:
        return Reading((), (f"experience in {root} cannot be read: {error}",))
    for path in files:
        try:
            record = parse(path.read_bytes(), str(path))
        except FileNotFoundError:
            continue
        except (OSError, InputError) as error:
            warnings.append(f"experience skipped: {error}")
            continue
        known = newest.get(record.study)
        if known is None or _order(record) > _order(known):
            newest[record.study] = record
    return Reading(tuple(sorted(newest.values(), key=_order, reverse=True)), tuple(warnings))


def find(records: Iterable[Record], beginning: str) -> Record:
    """Return the one record whose id begins so; InputError where there is none or several."""
    found = [record for record in records if record.id.startswith(beginning)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputError(f"no experience has an id that begins with {beginning!r}")
    names = ", ".join(record.id for record in found[:5])
    raise InputError(f"{len(found)} records begin with {beginning!r}: {names}")


def export(records: Iterable[Record], path: Path) -> None:
    """Write the records to one file, which ``take`` reads."""
    documents.write(path, Archive(tuple(records)))


def take(path: Path, root: Path | None = None) -> Import:
    """Add the records of a file: an archive, or a single record.

    Each is checked by itself. A study of which a newer record is there keeps that one. Raises
    InputError where the file holds neither, OSError where it or the folder cannot be used.
    """
    root = root or folder()
    here = {record.study: record for record in read_all(root).records}
    added: list[str] = []
    known: list[str] = []
    skipped: list[str] = []
    for index, item in enumerate(_items(path)):
        try:
            record = parse(json.dumps(item), f"{path}, record {index + 1}")
        except InputError as error:
            skipped.append(str(error))
            continue
        mine = here.get(record.study)
        if mine is not None and mine.id == record.id:
            known.append(record.id)
        elif mine is not None and _order(mine) > _order(record):
            skipped.append(f"{record.id}: {mine.id} is a newer record of the same study")
        else:
            write(record, root)
            here[record.study] = record
            added.append(record.id)
    return Import(tuple(added), tuple(known), tuple(skipped))


def parse(data: bytes | str, source: str) -> Record:
    """Return the record in ``data``; InputError names ``source`` and what is wrong.

    A record whose id is not that of its content was damaged or edited, and is refused.
    """
    try:
        record = documents.from_json(Record, data, source=source)
    except RecursionError as error:
        raise InputError(f"{source} is not valid JSON: nested too deeply") from error
    if content_id(json.loads(data)) != record.id:
        raise InputError(f"{source} does not match its id {record.id!r}: damaged, or edited")
    if any(not 0 <= trial.model < len(record.models) for trial in record.trials):
        raise InputError(f"{source} has a trial of a model that it does not list")
    return record


def _items(path: Path) -> list[Any]:
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON: {error}") from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema == Record.__dataclass_fields__["schema"].default:
        return [document]
    known = Archive.__dataclass_fields__["schema"].default
    if schema != known or not isinstance(document.get("records"), list):
        raise InputError(f"{path} holds no experience: its schema is neither a record nor {known}")
    if document.get("version") != 1:
        raise InputError(f"{path} has version {document.get('version')}: upgrade automl")
    return list(document["records"])


def _files(root: Path) -> list[Path]:
    """All but hidden files: those are being written."""
    if not root.exists():
        return []
    return sorted(p for p in root.iterdir() if p.suffix == ".json" and p.name[0] != ".")


def _order(record: Record) -> tuple[float, str]:
    return record.time, record.id


def _is_older(path: Path, record: Record) -> bool:
    """Whether the file holds an earlier record of the same study; unreadable ones stay."""
    try:
        data = path.read_bytes()
        if record.study.encode() not in data:
            return False
        other = parse(data, str(path))
    except (OSError, InputError):
        return False
    return other.study == record.study and _order(other) < _order(record)


def _remove(path: Path) -> None:
    """In a shared folder the file may be someone else's, or gone; readers take the newest."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return
