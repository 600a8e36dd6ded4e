"""Folders to continue a trial from: written whole, marked when complete, verified before use.

A folder without a marker, or whose files differ from it, is set aside and the one before is used.
Knows nothing of what the files hold.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from automl import documents
from automl.errors import InputError
from automl.worker import durable

MARKER = "complete.json"


@dataclass(frozen=True, slots=True)
class FileMark:
    """Size in bytes and BLAKE2b (hex) of one file of a checkpoint."""

    bytes: int
    blake2b: str


@dataclass(frozen=True, slots=True)
class Marker:
    """Written last: says that a checkpoint is complete, and of which configuration it is."""

    step: int
    configuration: str
    files: Mapping[str, FileMark]
    schema: Literal["automl/checkpoint"] = "automl/checkpoint"
    version: int = 1


def path(root: Path, step: int) -> Path:
    """Return the folder of the checkpoint at ``step``."""
    return root / f"step-{step:08d}"


def step(folder: Path) -> int:
    """Return the step of a checkpoint's folder."""
    return int(folder.name.rpartition("-")[2])


def newest(root: Path, configuration: str) -> Path | None:
    """Return the newest checkpoint that is complete and verified, or None.

    Newer ones that are broken, or of another configuration, are renamed out of the way with a line
    on stderr; leftovers of an interrupted write are deleted.
    """
    if not root.is_dir():
        return None
    for leftover in root.glob(".step-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    for folder in sorted(root.glob("step-*"), reverse=True):
        fault = _fault(folder, configuration)
        if fault is None:
            return folder
        print(f"{folder.name} is set aside: {fault}", file=sys.stderr)
        aside = root / f"bad-{folder.name}"
        shutil.rmtree(aside, ignore_errors=True)
        os.rename(folder, aside)
    return None


def fresh(root: Path, step: int) -> Path:
    """Return where to fill the checkpoint of ``step``; it counts once ``complete`` is called."""
    return root / f".step-{step:08d}"


def complete(root: Path, step: int, configuration: str) -> tuple[Path, int]:
    """Mark the filled folder as the checkpoint of ``step`` and delete all others.

    Returns its final path and its size in bytes. The marker is written last, after all else is on
    the disk; the others go only after that.
    """
    filled = fresh(root, step)
    files = {
        str(file.relative_to(filled)): FileMark(file.stat().st_size, _digest(file))
        for file in sorted(filled.rglob("*"))
        if file.is_file()
    }
    durable.sync(filled)
    documents.write(filled / MARKER, Marker(step, configuration, files))
    target = path(root, step)
    shutil.rmtree(target, ignore_errors=True)
    os.rename(filled, target)
    durable.sync(target)
    for other in root.iterdir():
        if other != target:
            shutil.rmtree(other)
    return target, sum(mark.bytes for mark in files.values())


def _fault(folder: Path, configuration: str) -> str | None:
    try:
        marker = documents.read(Marker, folder / MARKER)
    except FileNotFoundError:
        return "it was never completed"
    except InputError as error:
        return str(error)
    if marker.configuration != configuration:
        return "it belongs to another configuration"
    for name, mark in marker.files.items():
        file = folder / name
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != mark.bytes or _digest(file) != mark.blake2b:
            return f"{name} has changed since it was written"
    return None


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "blake2b").hexdigest()
