"""The lock: the part of a plan that is committed next to the recipe. Knows files by name only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from automl import documents
from automl.plan import Answer, FileHash, Parameter, Parent, Plan, Source


@dataclass(frozen=True, slots=True)
class LockedData:
    """The rows, pinned: ``fingerprint`` over their content, ``split`` over their division."""

    sources: tuple[Source, ...]
    fingerprint: str
    split: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LockedModel:
    """One candidate, pinned, with the space it is searched over."""

    id: str
    source: Literal["folder", "hub", "package"]
    reference: str
    revision: str | None
    files: tuple[FileHash, ...]
    max_length: int
    space: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class Lock:
    """What must stay the same for a run to mean the same."""

    name: str
    task: str
    data: LockedData
    models: tuple[LockedModel, ...]
    seeds: Mapping[str, int]
    """``search`` draws configurations and trains, ``split`` divides the rows."""
    versions: Mapping[str, str]
    parents: tuple[Parent, ...] = ()
    """The recipes from elsewhere that the recipe extends."""
    answers: tuple[Answer, ...] = ()
    """What the recipe's queries for candidates found."""
    schema: Literal["automl/lock"] = "automl/lock"
    version: int = 1

    def pins(self) -> dict[str, str]:
        """Return hub id → commit, for compiling with the revisions held here."""
        return {
            model.reference: model.revision
            for model in self.models
            if model.source == "hub" and model.revision is not None
        }


def make_lock(plan: Plan) -> Lock:
    """Return the lock of a plan."""
    return Lock(
        name=plan.name,
        task=plan.task,
        data=LockedData(
            plan.data.sources, plan.data.fingerprint, plan.data.split.hash, plan.data.labels
        ),
        models=tuple(
            LockedModel(
                each.id,
                each.source,
                each.reference,
                each.revision,
                each.files,
                each.max_length,
                each.space,
            )
            for each in plan.candidates
        ),
        seeds={"search": plan.search.seed, "split": plan.data.split.seed},
        versions=plan.versions,
        parents=plan.parents,
        answers=plan.answers,
    )


def lock_path(recipe: Path) -> Path:
    """Return where the recipe's lock lies: beside it, ``recipe.yaml`` → ``recipe.lock``."""
    return recipe.with_suffix(".lock")


def parent_pins(recipe: Path) -> dict[str, str]:
    """Return the commits of parents from elsewhere that the recipe's lock holds; {} without one."""
    lock = locked(recipe)
    return {each.reference: each.revision for each in lock.parents} if lock else {}


def read_lock(path: Path) -> Lock:
    """Return the lock at ``path``; InputError when it is not one, or of a newer version."""
    return documents.read(Lock, path)


def locked(recipe: Path) -> Lock | None:
    """Return the lock beside the recipe, or None; raises InputError as ``read_lock`` does."""
    path = lock_path(recipe)
    return read_lock(path) if path.exists() else None


def write_lock(path: Path, lock: Lock) -> None:
    """Write the lock atomically."""
    documents.write(path, lock)
