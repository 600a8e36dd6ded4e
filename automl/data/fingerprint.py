"""Hashes of rows that depend on what they say and not on where they stand. Knows no split rule."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa


def row_hashes(table: pa.Table, roles: Sequence[str]) -> list[bytes]:
    """Return each row's SHA-256 over the values of ``roles``, in the order of their names.

    Equal content gives equal hashes in every file, format and order; a number counts by its
    shortest exact form.
    """
    columns = [table[name].to_pylist() for name in sorted(roles)]
    return [_digest(values) for values in zip(*columns, strict=True)]


def fingerprint(hashes: Iterable[bytes]) -> str:
    """Return the SHA-256 (hex) over the sorted row hashes."""
    digest = hashlib.sha256()
    for found in sorted(hashes):
        digest.update(found)
    return digest.hexdigest()


def split_hash(hashes: Mapping[str, Sequence[bytes]]) -> str:
    """Return the SHA-256 (hex) over each split's name and fingerprint; one moved row changes it."""
    lines = [f"{split} {fingerprint(hashes[split])}\n" for split in sorted(hashes)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _digest(values: Sequence[str | float]) -> bytes:
    digest = hashlib.sha256()
    for value in values:
        data = (value if isinstance(value, str) else repr(value)).encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()
