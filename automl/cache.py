"""The user's cache folder: small answers that are dear to compute again. Holds no truth.

A cache that cannot be read or written is no error: the answer is computed again.
"""

from __future__ import annotations

import os
from pathlib import Path

from automl.documents import write_bytes


def folder() -> Path:
    """Return ``$XDG_CACHE_HOME/automl``, or ``~/.cache/automl``; it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "automl"


def kinds() -> tuple[str, ...]:
    """Return the kinds of answers that are remembered, by name."""
    try:
        return tuple(sorted(path.name for path in folder().iterdir() if path.is_dir()))
    except OSError:
        return ()


def answers(kind: str) -> tuple[Path, ...]:
    """Return the files and folders of one kind, without what is being written at this moment."""
    found = (folder() / kind).iterdir()
    return tuple(sorted(path for path in found if path.name[0] != "."))


def read(kind: str, key: str) -> bytes | None:
    """Return what was remembered under ``key`` (safe in a path), or None."""
    try:
        return (folder() / kind / key).read_bytes()
    except OSError:
        return None


def remember(kind: str, key: str, data: bytes) -> None:
    """Remember ``data`` under ``key``; a read-only or full home folder only costs the memory."""
    try:
        write_bytes(folder() / kind / key, data)
    except OSError:
        return
