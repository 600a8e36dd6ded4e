"""Where the rows of a recipe lie, and what to write for each place in the packed one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from automl.data import hub, local, remote
from automl.plan import SPLITS, DataPlan
from automl.recipe.loaded import LoadedRecipe, Location
from automl.tasks import Task

FETCHED = "fetched"
"""Folder beside the packed recipe with what lay behind URLs."""


@dataclass(slots=True)
class Sources:
    """The packed recipe's references, by split, and the files they need.

    A file of this machine keeps its place in relation to the recipe, so ``here`` are absolute
    paths; ``datasets`` are (hub id, commit).
    """

    references: dict[str, str | list[str]] = field(default_factory=dict)
    here: set[Path] = field(default_factory=set)
    datasets: set[tuple[str, str]] = field(default_factory=set)
    urls: list[tuple[str, str]] = field(default_factory=list)
    """(URL, split), to be fetched into ``fetched/<index>``."""


def gathered(loaded: LoadedRecipe, task: Task, data: DataPlan, fetched: Path) -> Sources:
    """Return what the recipe's data sources come to; what lies behind URLs is put in ``fetched``.

    Raises DataError where a source that was there is gone.
    """
    found = Sources()
    for split in SPLITS:
        value = getattr(loaded.recipe.data, split)
        if isinstance(value, float):
            continue
        listed = [value] if isinstance(value, str) else value
        written = [
            reference
            for index, each in enumerate(listed)
            for reference in _packed(
                loaded, task, data, found, fetched, split, each, _at(split, value, index)
            )
        ]
        found.references[split] = written[0] if len(written) == 1 else written
    return found


def _at(split: str, value: Any, index: int) -> Location:
    return ("data", split) if isinstance(value, str) else ("data", split, index)


def _packed(
    loaded: LoadedRecipe,
    task: Task,
    data: DataPlan,
    found: Sources,
    fetched: Path,
    split: str,
    reference: str,
    location: Location,
) -> Iterator[str]:
    """Yield what stands for the reference in the packed recipe; enter its files."""
    if remote.is_url(reference):
        place = fetched / str(len(found.urls))
        found.urls.append((reference, split))
        with remote.fetched(reference, split) as targets:
            for target in targets:
                copy = place / target.relative
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(target.path, copy)
                yield (Path(FETCHED) / place.name / target.relative).as_posix()
    elif local.exists(reference, loaded.folder):
        found.here |= set(_files(reference, loaded.folder, split, task))
        yield relative(Path(reference).expanduser(), loaded.folder)
    else:
        id = hub.parsed(reference)
        assert id is not None, "the plan was made, so it is one"
        published = loaded.reference(location, reference)
        commit = next(
            source.revision
            for source in data.sources
            if source.split == split and source.reference == published and source.revision
        )
        found.datasets.add((id.repository, commit))
        chosen = f":{id.configuration}" if id.configuration else ""
        yield f"{id.repository}{chosen}@{commit}"


def relative(path: Path, folder: Path) -> str:
    """Return the path as the recipe in ``folder`` would write it, with no machine's name in it."""
    if not path.is_absolute():
        return path.as_posix()
    return Path(os.path.relpath(path, folder)).as_posix()


def _files(reference: str, folder: Path, split: str, task: Task) -> Iterator[Path]:
    """Yield the files that a local reference stands for, whole folders where rows are files."""
    path = Path(os.path.abspath(folder / Path(reference).expanduser()))
    if path.is_dir() and (task.media or local.is_saved(path)):
        yield from (each for each in sorted(path.rglob("*")) if each.is_file())
        return
    for target in local.find(reference, folder, split):
        yield Path(os.path.abspath(target.path))
