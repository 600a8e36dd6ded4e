"""Files that rows name, pictures and sounds: found, looked at, known by their content.

A look at a file is remembered by path, size and time of change, so that a second run opens none.
Knows no task.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from automl import cache, machine
from automl.data.arrays import integers, strings
from automl.data.part import SOURCE, Part, listed, refused
from automl.documents import write_bytes
from automl.errors import DataError
from automl.tasks import MEDIA, Role, _images, _sounds
from automl.tasks._layouts import IMAGES, SOUNDS

Medium = Literal["image", "audio"]
SUFFIXES: Mapping[str, tuple[str, ...]] = {"image": IMAGES, "audio": SOUNDS}
LOOKS, FILES = "looks", "media"
"""Kinds in the user's cache: what files were found to hold; files that lay within tables."""
_FORMAT = 1
"""Raised when a look says something else than before of the same file."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A file: SHA-256 of its content, what is wrong with it, what should be known of it."""

    sha256: str
    fault: str | None = None
    note: str | None = None


def is_media(path: str, medium: str) -> bool:
    """Return whether the name ends as that of a picture, or sound, does."""
    return path.lower().endswith(SUFFIXES[medium])


def located(values: pa.ChunkedArray, part: Part, column: str) -> pa.ChunkedArray:
    """Return the files that a column names as absolute paths; null where a row names none.

    A path is relative to the file it is written in, or to a folder above it up to the source's
    root. What lies within the table itself, as bytes or as ``{"bytes": ..., "path": ...}``, is
    written to the user's cache under its content's name.
    """
    found = [_path(value, part) for value in values.to_pylist()]
    if _NONSENSE in found:
        raise refused(f"{part.name}: column {column!r} holds neither paths nor files")
    return pa.chunked_array([pa.array(found, type=pa.string())])


_NONSENSE = "\0"
"""Stands for what can't be a file."""


def told_apart(table: pa.Table, roles: Sequence[Role], digests: Mapping[str, str]) -> pa.Table:
    """Return the table with the content of files, by its digest, in the place of their paths."""
    for role in roles:
        if role.kind in MEDIA and role.name in table.column_names:
            named = strings(digests[path] for path in table[role.name].to_pylist())
            place = table.column_names.index(role.name)
            table = table.set_column(place, role.name, named)
    return table


def _path(value: Any, part: Part) -> str | None:
    if isinstance(value, dict):
        inside = value.get("bytes")
        value = inside if inside else value.get("path")
    if isinstance(value, bytes):
        return _kept(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str):
        return _NONSENSE
    wanted = Path(value).expanduser()
    if wanted.is_absolute() or part.folder is None:
        return str(wanted)
    tried = [part.folder, *part.folder.parents][: part.depth + 1]
    there = (folder / wanted for folder in tried if (folder / wanted).exists())
    return str(next(there, part.folder / wanted).absolute())


def _kept(content: bytes) -> str:
    """Return where the bytes lie as a file, written if they don't yet."""
    digest = hashlib.sha256(content).hexdigest()
    target = cache.folder() / FILES / digest[:2] / f"{digest}{_suffix(content)}"
    if not target.exists():
        write_bytes(target, content)
    return str(target)


def _suffix(content: bytes) -> str:
    for begun, suffix in (
        (b"\xff\xd8", ".jpg"),
        (b"\x89PNG", ".png"),
        (b"RIFF", ".wav"),
        (b"fLaC", ".flac"),
        (b"OggS", ".ogg"),
        (b"ID3", ".mp3"),
        (b"GIF8", ".gif"),
    ):
        if content.startswith(begun):
            return ".webp" if begun == b"RIFF" and content[8:12] == b"WEBP" else suffix
    return ""


@dataclass(frozen=True, slots=True)
class Looked:
    """A split's rows without those whose files are of no use, and the files' content by path."""

    table: pa.Table
    digests: Mapping[str, str]
    notes: tuple[str, ...]


def look(split: str, table: pa.Table, roles: Sequence[Role], most_bad: float) -> Looked:
    """Return the rows of a split whose files can be read.

    Every file is opened and decoded once. Raises DataError listing the bad ones where their share
    of the rows is above ``most_bad``, and where no row is left.
    """
    held = [role for role in roles if role.kind in MEDIA and role.name in table.column_names]
    if not held:
        return Looked(table, {}, ())
    seen: dict[str, Seen] = {}
    for role in held:
        paths = (path for path in table[role.name].to_pylist() if path is not None)
        seen |= seen_files(dict.fromkeys(paths), role.kind)
    bad = _bad(table, held, seen)
    if len(bad) > most_bad * table.num_rows:
        raise _too_many(split, table.num_rows, bad, most_bad)
    notes = []
    if bad:
        shown = listed(bad.values(), 5)
        are = "is" if len(bad) == 1 else "are"
        notes.append(f"{split}: {len(bad)} of {table.num_rows} rows {are} left out: {shown}")
    kept = table.take(integers(row for row in range(table.num_rows) if row not in bad))
    if kept.num_rows == 0:
        raise refused(f"{split} has no row whose files can be read")
    notes += _remarks(split, kept, held, seen)
    digests = {path: each.sha256 for path, each in seen.items()}
    return Looked(kept, digests, tuple(notes))


def _too_many(split: str, rows: int, bad: Mapping[int, str], most_bad: float) -> DataError:
    said = f"{len(bad)} of {rows} {split} rows have files of no use"
    if most_bad:
        said += f", more than the {most_bad:.1%} that may be left out"
    hint = "mend or remove them; or leave more out, under data: "
    hint += f"{{bad_files: {min(0.99, round(len(bad) / rows + 0.005, 2))}}}"
    return refused(f"{said}: {listed(bad.values(), 20)}", hint)


def _bad(table: pa.Table, roles: Sequence[Role], seen: Mapping[str, Seen]) -> dict[int, str]:
    """Return row → what is wrong with one of its files, and where that stands."""
    found: dict[int, str] = {}
    sources = table[SOURCE].to_pylist()
    for role in roles:
        for row, path in enumerate(table[role.name].to_pylist()):
            if path is None:
                found[row] = f"{sources[row]} names no {role.name}"
            elif seen[path].fault is not None:
                name = Path(path).name
                named = "" if sources[row].endswith(name) else f"{name} "
                found[row] = f"{sources[row]}: {named}{seen[path].fault}"
    return found


def _remarks(
    split: str, table: pa.Table, roles: Sequence[Role], seen: Mapping[str, Seen]
) -> list[str]:
    """Return what should be known of files that can be used, by kind."""
    by_note: dict[str, list[str]] = {}
    for role in roles:
        for path in table[role.name].to_pylist():
            if note := seen[path].note:
                by_note.setdefault(note, []).append(Path(path).name)
    return [
        f"{split}: {len(names)} {note} file{'s' * (len(names) > 1)}: {listed(names, 5)}"
        for note, names in sorted(by_note.items())
    ]


def seen_files(paths: Iterable[str], medium: str) -> dict[str, Seen]:
    """Return what each file holds, by path."""
    by_folder: dict[Path, list[Path]] = {}
    for path in map(Path, paths):
        by_folder.setdefault(path.parent, []).append(path)
    found: dict[str, Seen] = {}
    for folder, files in by_folder.items():
        found |= _in_folder(folder, files, medium)
    return found


def _in_folder(folder: Path, files: Sequence[Path], medium: str) -> dict[str, Seen]:
    key = hashlib.sha256(f"{_FORMAT} {medium} {folder}".encode()).hexdigest()
    known = _known(key)
    stamps = {str(file): _stamp(file) for file in files}
    fresh = [path for path, stamp in stamps.items() if known.get(path, {}).get("stamp") != stamp]
    looked = _images.checked(fresh, _LOOKS[medium], machine.cores())
    for path, seen in zip(fresh, looked, strict=True):
        known[path] = {"stamp": stamps[path], "seen": asdict(seen)}
    if fresh:
        cache.remember(LOOKS, key, json.dumps(known).encode())
    return {path: Seen(**known[path]["seen"]) for path in stamps}


def _known(key: str) -> dict[str, Any]:
    data = cache.read(LOOKS, key)
    try:
        found = json.loads(data) if data else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _stamp(path: Path) -> list[int]:
    try:
        found = path.stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]


def _image(path: str) -> Seen:
    return Seen(_digest(path), _images.looked_at(path).fault)


def _audio(path: str) -> Seen:
    found = _sounds.looked_at(path)
    return Seen(_digest(path), found.fault, None if found.fault or not found.silent else "silent")


def _whole(look: Callable[[str], Seen]) -> Callable[[str], Seen]:
    """Return the look at a file that may not be there."""

    def looked(path: str) -> Seen:
        try:
            return look(path)
        except FileNotFoundError:
            return Seen("", "is not there")
        except OSError as error:
            return Seen("", f"can't be read: {error.strerror}")

    return looked


def _digest(path: str) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


_LOOKS = {"image": _whole(_image), "audio": _whole(_audio)}
