"""SHA-256 of files; those of big files are remembered by path, size, mtime and inode."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from automl import cache
from automl.plan import FileHash

REMEMBERED_FROM = 1 << 20
"""Bytes from which remembering is worth a file of its own; below, hashing takes a millisecond."""


def sha256(path: Path) -> str:
    """Return the hex SHA-256 of the file's content."""
    status = path.stat()
    if status.st_size < REMEMBERED_FROM:
        return _digest(path)
    identity = f"{path.resolve()}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ino}"
    key = hashlib.sha256(identity.encode()).hexdigest()
    known = cache.read("hashes", key)
    if known is not None and len(known) == 64:
        return known.decode("ascii")
    found = _digest(path)
    cache.remember("hashes", key, found.encode("ascii"))
    return found


def file_hash(root: Path, name: str) -> FileHash:
    """Return name, hash and size of the file ``name`` below ``root``."""
    return FileHash(name, sha256(root / name), (root / name).stat().st_size)


def is_as_listed(path: Path, entry: Any) -> bool:
    """Return whether the file is there and has the content that the hub's tree listing says.

    ``entry`` names the size and, of a large file, the SHA-256; of a small one git's own id.
    """
    if not path.is_file() or path.stat().st_size != entry.size:
        return False
    if entry.lfs is not None:
        return bool(sha256(path) == entry.lfs.sha256)
    data = path.read_bytes()
    blob = hashlib.sha1(f"blob {len(data)}\0".encode() + data, usedforsecurity=False)
    return bool(blob.hexdigest() == entry.blob_id)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
