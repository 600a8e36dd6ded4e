"""A bundle, whole or not at all: runs the exporters in a folder of its own, then swaps it in.

Knows no file of the bundle but ``automl.json``, by which it knows a bundle from anything else.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from pathlib import Path

from automl import exporters
from automl.bundle import INFO
from automl.errors import AutoMLError, InputError, Problem
from automl.exporters import Delivery, Exporter
from automl.exporters._paths import leaks, machine_paths
from automl.plan import Plan


def write_bundle(delivery: Delivery, target: Path) -> Path:
    """Write the bundle to ``target`` and return its absolute path.

    ``target`` holds the old bundle until the new one is complete and on disk, then the new one.
    After a crash the next call clears what was left beside it. The caller sees to it that no other
    call writes to the same target (the run's lock does).

    Raises InputError where ``target`` is there and is no bundle, AutoMLError where a file of the
    bundle names a path of this machine, and whatever an exporter raises.
    """
    target = target.expanduser().resolve()
    _refuse_other_content(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    building, old = _beside(target, "partial"), _beside(target, "old")
    _clear(target, building, old)
    building.mkdir(mode=0o755)
    try:
        for exporter in _chosen(delivery.plan):
            exporter.export(delivery, building)
        _refuse_leaks(delivery, building)
        _to_disk(building)
    except BaseException:
        shutil.rmtree(building)
        raise
    _swap(building, target, old)
    _clear(target, building, old)
    return target


def _chosen(plan: Plan) -> list[Exporter]:
    every = [exporters.get(name) for name in exporters.names()]
    wanted = [one for one in every if not one.format or one.name in plan.export.formats]
    return sorted(wanted, key=lambda one: (one.order, one.name))


def _refuse_other_content(target: Path) -> None:
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


def _beside(target: Path, what: str) -> Path:
    return target.with_name(f".{target.name}.{what}")


def _clear(target: Path, building: Path, old: Path) -> None:
    """Remove what a crash left; bring the old bundle back if it happened between two renames."""
    if old.exists() and not target.exists():
        os.replace(old, target)
    for leftover in (building, old):
        if leftover.exists():
            shutil.rmtree(leftover)


def _refuse_leaks(delivery: Delivery, building: Path) -> None:
    found = leaks(building, machine_paths(delivery, building))
    if found:
        named = "; ".join(f"{leak.file} names {leak.path}" for leak in found)
        raise AutoMLError(f"the bundle would name paths of this machine: {named}")


def _to_disk(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _swap(building: Path, target: Path, old: Path) -> None:
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
