"""Opens files as bytes and as text: gzip, byte-order marks, hashes. Knows no format of rows."""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from automl.data.part import Target, refused
from automl.errors import DataError
from automl.plan import FileHash

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """Yield the file's bytes, decompressed where its name ends in ``.gz``."""
    with path.open("rb") as plain:
        if path.suffix.lower() == ".gz":
            with gzip.GzipFile(fileobj=plain) as zipped:
                yield io.BufferedReader(cast(io.RawIOBase, zipped))
        else:
            yield plain


@contextmanager
def text_of(stream: io.BufferedReader) -> Iterator[IO[str]]:
    """Yield the bytes as text: UTF-8, or UTF-16 where a byte-order mark says so."""
    encoding = "utf-16" if stream.peek(2)[:2] in _UTF16 else "utf-8-sig"
    text = io.TextIOWrapper(stream, encoding=encoding, newline="")
    try:
        yield text
    finally:
        text.detach()  # the stream belongs to whoever opened it


def undecodable_line(target: Target, error: UnicodeDecodeError) -> DataError:
    """Return the error for text in another encoding, naming the first line that shows it."""
    place = target.name
    with opened(target.path) as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                place = f"{target.name}:{number}"
                break
    return refused(
        f"{place}: not UTF-8 text (byte 0x{error.object[error.start]:02x})",
        "convert it: iconv -f WINDOWS-1252 -t UTF-8 old.csv > new.csv",
    )


def hashed(target: Target) -> FileHash:
    """Return the file's SHA-256 and size, read in pieces; DataError when it cannot be read."""
    try:
        with target.path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return FileHash(target.relative, digest, stream.tell())
    except OSError as error:
        raise refused(f"{target.name} cannot be read: {error.strerror}") from error


DAMAGED = (gzip.BadGzipFile, zlib.error, EOFError)
"""What reading a damaged or cut-off ``.gz`` raises."""
