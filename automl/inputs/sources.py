"""Where the rows of a recipe lie, and what to write for each place in the packed one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from automl.data import hub, local, remote
from automl.plan import SPLITS, DataPlan
from automl.recipe.loaded import LoadedRecipe, Location
from automl.tasks import Task

FETCHED = "fetched"
"""Folder beside the packed recipe with what lay behind URLs."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The packed recipe's references, by split, and the files they need.

    A file of this machine keeps its place in relation to the recipe, so ``here`` are absolute
    paths; ``datasets`` are (hub id, commit).
    """

    references: Mapping[str, str | list[str]]
    here: frozenset[Path]
    datasets: frozenset[tuple[str, str]]


def gathered(loaded: LoadedRecipe, task: Task, data: DataPlan, fetched: Path) -> Sources:
    """Return what the recipe's data sources come to; what lies behind URLs is put in ``fetched``.

    Raises DataError where a source that was there is gone.
    """
    work = _Gathering(loaded, task, data, fetched)
    references: dict[str, str | list[str]] = {}
    for split in SPLITS:
        value = getattr(loaded.recipe.data, split)
        if isinstance(value, float):
            continue
        listed: dict[Location, str] = (
            {("data", split): value}
            if isinstance(value, str)
            else {("data", split, index): each for index, each in enumerate(value)}
        )
        written = [new for at, each in listed.items() for new in work.packed(split, each, at)]
        references[split] = written[0] if len(written) == 1 else written
    return Sources(references, frozenset(work.here), frozenset(work.datasets))


@dataclass(slots=True)
class _Gathering:
    loaded: LoadedRecipe
    task: Task
    data: DataPlan
    fetched: Path
    here: set[Path] = field(default_factory=set)
    datasets: set[tuple[str, str]] = field(default_factory=set)
    urls: int = 0

    def packed(self, split: str, reference: str, location: Location) -> list[str]:
        """Return what stands for the reference in the packed recipe, and enter its files."""
        if remote.is_url(reference):
            return list(self._from_url(split, reference))
        if local.exists(reference, self.loaded.folder):
            self.here |= set(_files(reference, self.loaded.folder, split, self.task))
            return [relative(Path(reference).expanduser(), self.loaded.folder)]
        return [self._dataset(reference, self.loaded.reference(location, reference))]

    def _from_url(self, split: str, url: str) -> Iterator[str]:
        place = self.fetched / str(self.urls)
        self.urls += 1
        with remote.fetched(url, split) as targets:
            for target in targets:
                copy = place / target.relative
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(target.path, copy)
                yield (Path(FETCHED) / place.name / target.relative).as_posix()

    def _dataset(self, reference: str, published: str) -> str:
        """Name the hub data set by the commit that the plan has of it."""
        id = hub.parsed(reference)
        assert id is not None, "the plan was made, so it is one"
        commit = next(
            source.revision
            for source in self.data.sources
            if source.reference == published and source.revision is not None
        )
        self.datasets.add((id.repository, commit))
        chosen = f":{id.configuration}" if id.configuration else ""
        return f"{id.repository}{chosen}@{commit}"


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
