"""Which reader a file's name calls for. Knows names and readers; finds no files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import PurePosixPath

from automl.data.columnar import read_arrow, read_parquet
from automl.data.conll import read_conll
from automl.data.delimited import read_delimited
from automl.data.jsonrows import read_json
from automl.data.part import Part, Target, refused
from automl.data.plaintext import read_plain
from automl.data.streams import DAMAGED

READERS: dict[str, Callable[[Target], Part]] = {
    ".csv": partial(read_delimited, delimiter=","),
    ".tsv": partial(read_delimited, delimiter="\t"),
    ".json": partial(read_json, lines=False),
    ".jsonl": partial(read_json, lines=True),
    ".ndjson": partial(read_json, lines=True),
    ".conll": read_conll,
    ".bio": read_conll,
    ".iob": read_conll,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
    ".txt": read_plain,
}
_ZIPPED = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".conll", ".bio", ".iob", ".txt")
PLAIN = ".txt"
SUFFIXES = f"{' '.join(READERS)}, the text ones also with .gz"
"""The supported file names, for error texts."""


def data_files(paths: Iterable[str]) -> list[str]:
    """Return those whose name calls for a reader; hidden files and folders do not.

    Plain text counts only where nothing else is there: beside data it is a licence or a note.
    """
    known = [path for path in paths if _suffix(path) is not None and not is_hidden(path)]
    return [path for path in known if _suffix(path) != PLAIN] or known


def is_hidden(path: str) -> bool:
    """Return whether the file, or a folder of its path, is hidden, or made by another system."""
    return any(part.startswith((".", "__")) for part in PurePosixPath(path).parts if part != "..")


def has_data_suffix(path: str) -> bool:
    """Return whether the name ends as a data file's does."""
    return _suffix(path) is not None


def read_file(target: Target) -> Part:
    """Return the rows of one file; DataError naming the file, and the row where there is one."""
    suffix = _suffix(target.name) or _suffix(target.path.name)
    if suffix is None:
        raise refused(f"{target.name}: not a known kind of data file", f"known: {SUFFIXES}")
    try:
        return READERS[suffix](target)
    except DAMAGED as error:
        raise refused(f"{target.name} is damaged: {error}") from error
    except OSError as error:
        raise refused(f"{target.name} cannot be read: {error.strerror or error}") from error


def _suffix(path: str) -> str | None:
    suffixes = [suffix.lower() for suffix in PurePosixPath(path).suffixes]
    if suffixes[-1:] == [".gz"] and suffixes[-2:-1] and suffixes[-2] in _ZIPPED:
        return suffixes[-2]
    return suffixes[-1] if suffixes and suffixes[-1] in READERS else None
