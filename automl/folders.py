"""A folder put in place whole or not at all: made beside its place, on disk, then swapped in.

Knows a bundle from anything else by its ``automl.json``, so that nothing else is replaced.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from pathlib import Path

from automl.bundle import INFO
from automl.errors import InputError, Problem


def refuse_other_content(target: Path) -> None:
    """Raise InputError where ``target`` is there, is not empty and is no bundle."""
    if not target.exists() or (target / INFO).exists():
        return
    if not target.is_dir() or any(target.iterdir()):
        raise InputError(
            Problem(
                f"{target} is there and is not a bundle; it is not overwritten",
                hint="name a folder that does not exist yet, e.g. "
                f"{target / 'bundle' if target.is_dir() else target.with_name('bundle')}",
            )
        )


def beside(target: Path, what: str) -> Path:
    """Return where the folder that is to become ``target`` is made: on the same disk, hidden."""
    return target.with_name(f".{target.name}.{what}")


def clear(target: Path, building: Path, old: Path) -> None:
    """Remove what a crash left; bring the old bundle back if it happened between two renames."""
    if old.exists() and not target.exists():
        os.replace(old, target)
    for leftover in (building, old):
        if leftover.exists():
            shutil.rmtree(leftover)


def to_disk(folder: Path) -> None:
    """Wait until all of the folder is on disk."""
    for path in (*folder.rglob("*"), folder):
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def swap(building: Path, target: Path, old: Path) -> None:
    """Put ``building`` in the place of ``target``, which becomes ``old`` where it was there."""
    if not target.exists():
        os.rename(building, target)
    elif not _exchange(building, target):
        os.rename(target, old)
        os.rename(building, target)
    _sync(target.parent)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; False where the system or its file system cannot.

    renameat2(2) with RENAME_EXCHANGE on Linux; Python offers no call for it.
    """
    if sys.platform != "linux":
        return False
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "renameat2"):
        return False
    here, exchange = -100, 2
    if library.renameat2(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))
