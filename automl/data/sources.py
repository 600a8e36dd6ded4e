"""Turns a source reference of a recipe into rows: the one place that knows all kinds of sources."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from automl.data import hub, local, remote
from automl.data.formats import has_data_suffix, read_file
from automl.data.part import Part, Reading, Target
from automl.data.streams import hashed
from automl.errors import DataError, Problem


def read(reference: str, folder: Path, split: str) -> Reading:
    """Return the rows of ``split`` that ``reference`` stands for, and what was read.

    A reference is, in this order: a URL; a path or glob relative to ``folder``; a hub id
    ``owner/name[:configuration][@revision]``. Raises DataError naming file and row, without a
    place in the recipe: the caller knows that. All unreadable files are named at once.
    """
    if remote.is_url(reference):
        with remote.fetched(reference, split) as targets:
            return _reading(targets)
    if local.exists(reference, folder):
        return _reading(local.find(reference, folder, split))
    id = hub.parsed(reference)
    if id is None or has_data_suffix(reference) or reference.startswith("."):
        raise local.missing(reference, folder)
    targets, commit = hub.download(id, split)
    return _reading(targets, commit)


def _reading(targets: Sequence[Target], revision: str | None = None) -> Reading:
    parts: list[Part] = []
    problems: list[Problem] = []
    for target in targets:
        try:
            parts.append(read_file(target))
        except DataError as error:
            problems.extend(error.problems)
    if problems:
        raise DataError(problems)
    return Reading(tuple(parts), tuple(hashed(target) for target in targets), revision)
