"""A bundle, whole or not at all: runs the exporters in a folder of its own, then swaps it in.

Knows no file of the bundle.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from automl import exporters, folders
from automl.errors import AutoMLError
from automl.exporters import Delivery, Exporter
from automl.exporters._paths import leaks, machine_paths
from automl.plan import Plan
from automl.tasks._weights import SAFETENSORS


def write_bundle(delivery: Delivery, target: Path) -> Path:
    """Write the bundle to ``target`` and return its absolute path.

    ``target`` holds the old bundle until the new one is complete and on disk, then the new one.
    After a crash the next call clears what was left beside it. The caller sees to it that no other
    call writes to the same target (the run's lock does).

    Raises InputError where ``target`` is there and is no bundle, AutoMLError where a file of the
    bundle names a path of this machine, and whatever an exporter raises.
    """
    target = target.expanduser().resolve()
    folders.refuse_other_content(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    building, old = folders.beside(target, "partial"), folders.beside(target, "old")
    folders.clear(target, building, old)
    building.mkdir(mode=0o755)
    try:
        for exporter in _chosen(delivery.plan):
            exporter.export(delivery, building)
        _refuse_leaks(delivery, building)
        folders.to_disk(building)
    except BaseException:
        shutil.rmtree(building)
        raise
    folders.swap(building, target, old)
    folders.clear(target, building, old)
    return target


def _chosen(plan: Plan) -> list[Exporter]:
    every = [exporters.get(name) for name in exporters.names()]
    formats = {SAFETENSORS, *plan.export.formats}
    wanted = [one for one in every if not one.format or one.name in formats]
    return sorted(wanted, key=lambda one: (one.order, one.name))


def _refuse_leaks(delivery: Delivery, building: Path) -> None:
    found = leaks(building, machine_paths(delivery, building))
    if found:
        named = "; ".join(f"{leak.file} names {leak.path}" for leak in found)
        raise AutoMLError(f"the bundle would name paths of this machine: {named}")
