"""Turns a source reference of a recipe into rows: the one place that knows all kinds of sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from automl.data import archives, folders, hub, local, remote
from automl.data.formats import has_data_suffix, read_file
from automl.data.part import Part, Reading, Target
from automl.data.streams import hashed
from automl.errors import DataError, Problem
from automl.tasks import Task


def read(reference: str, folder: Path, split: str, task: Task | None = None) -> Reading:
    """Return the rows of ``split`` that ``reference`` stands for, and what was read.

    A reference is, in this order: a URL; a path or glob relative to ``folder``; a hub id
    ``owner/name[:configuration][@revision]``. Where the task's rows hold files, a folder may hold
    nothing but these, and archives stand for the folder in them; without a ``task`` they are text.
    Raises DataError naming file and row, without a place in the recipe: the caller knows that. All
    unreadable files are named at once.
    """
    if remote.is_url(reference):
        with remote.fetched(reference, split) as targets:
            return _reading(targets)
    if local.exists(reference, folder):
        return _local(reference, folder, split, task)
    id = hub.parsed(reference)
    if id is None or has_data_suffix(reference) or reference.startswith("."):
        raise local.missing(reference, folder)
    if task is not None and task.media:
        root, commit = hub.folder_of_files(id, task)
        if root is not None:
            found = folders.read(root, id.repository, split, task)
            if isinstance(found, Reading):
                return replace(found, revision=commit)
            return _reading(found, commit)
    targets, commit = hub.download(id, split)
    return _reading(targets, commit)


def _local(reference: str, folder: Path, split: str, task: Task | None) -> Reading:
    path = (folder / Path(reference).expanduser()).absolute()
    if task is None or not task.media:
        return _reading(local.find(reference, folder, split))
    if path.is_file() and archives.is_archive(path.name):
        inside = folders.read(archives.unpacked(path), path.name, split, task)
        found = inside if isinstance(inside, Reading) else _reading(inside)
        return replace(found, files=(hashed(Target(path, reference, path.name)),))
    if path.is_dir() and not local.is_saved(path):
        inside = folders.read(path, reference, split, task)
        return inside if isinstance(inside, Reading) else _reading(inside)
    return _reading(local.find(reference, folder, split))


def _reading(targets: Sequence[Target], revision: str | None = None) -> Reading:
    parts: list[Part] = []
    problems: list[Problem] = []
    for target in targets:
        try:
            parts.append(_at_home(read_file(target), target))
        except DataError as error:
            problems.extend(error.problems)
    if problems:
        raise DataError(problems)
    return Reading(tuple(parts), tuple(hashed(target) for target in targets), revision)


def _at_home(part: Part, target: Target) -> Part:
    """Return the part with the folders that paths in its rows may start from."""
    depth = len(PurePosixPath(target.relative).parts) - 1
    return replace(part, folder=target.path.absolute().parent, depth=depth)
