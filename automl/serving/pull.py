"""A bundle from the hub, verified, put in place whole. Loads no model and runs no code of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automl import documents, folders
from automl.bundle import INFO, BundleInfo
from automl.catalog import hashes, hub
from automl.errors import InputError, Problem
from automl.patience import patiently

LEFT_OUT = (".gitattributes", ".cache")
"""What the hub and its client keep for themselves."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """A bundle that came from the hub: where it lies, at which commit, and what it is."""

    folder: Path
    commit: str
    bytes: int
    info: BundleInfo


def pull(reference: str, target: Path | None = None) -> Pulled:
    """Download the bundle ``owner/name[@revision]`` to ``target``, left out ``name`` here.

    Every file is compared with the hub's own hash of it. ``target`` holds what it held before, a
    bundle or nothing, until all of the new one is there; a download that breaks off is continued
    by the next call. Raises InputError: no such repository or revision, no access, no network, no
    room, a repository that is no bundle, damage.
    """
    parsed = hub.parse(reference)
    if parsed is None:
        raise _refused(f"{reference!r} is no hub id", "write owner/name or owner/name@revision")
    name, revision = parsed
    place = (target or Path(name.partition("/")[2])).expanduser().resolve()
    folders.refuse_other_content(place)
    with hub.explained(_refused, name, revision):
        commit, tree = _tree(name, revision)
    if INFO not in tree:
        raise _refused(
            f"{name} is not a bundle: it holds no {INFO}",
            f"a model that is to be trained is listed in a recipe: models: [{name}]",
        )
    size = sum(each.size for each in tree.values())
    building, old = folders.beside(place, f"pull-{commit[:12]}"), folders.beside(place, "old")
    building.mkdir(parents=True, exist_ok=True)
    _refuse_full_disk(building, size)
    with hub.explained(_refused, name, revision):
        _download(name, commit, building)
    _refuse_damage(name, building, tree)
    info = documents.read(BundleInfo, building / INFO)
    shutil.rmtree(building / ".cache", ignore_errors=True)
    folders.to_disk(building)
    folders.swap(building, place, old)
    folders.clear(place, building, old)
    return Pulled(place, commit, size, info)


def _tree(name: str, revision: str | None) -> tuple[str, dict[str, Any]]:
    """Return the commit that is meant and its files by path; asks the hub, never the cache."""
    from huggingface_hub import HfApi

    api = HfApi()
    commit = str(patiently(lambda: api.repo_info(name, revision=revision)).sha)
    found = patiently(lambda: list(api.list_repo_tree(name, recursive=True, revision=commit)))
    files = {each.path: each for each in found if hasattr(each, "blob_id")}
    return commit, {path: each for path, each in files.items() if path not in LEFT_OUT}


def _download(name: str, commit: str, building: Path) -> None:
    from huggingface_hub import snapshot_download

    patiently(
        lambda: snapshot_download(
            name, revision=commit, local_dir=building, ignore_patterns=[LEFT_OUT[0]]
        )
    )


def _refuse_full_disk(building: Path, size: int) -> None:
    here = sum(path.stat().st_size for path in building.rglob("*") if path.is_file())
    free = shutil.disk_usage(building).free
    if size - here > free:
        raise _refused(
            f"the bundle has {size:,} bytes and {building.parent} has room for {free:,}",
            "free some, or name a folder on another disk with -o",
        )


def _refuse_damage(name: str, building: Path, tree: dict[str, Any]) -> None:
    for path, entry in tree.items():
        if not hashes.is_as_listed(building / path, entry):
            (building / path).unlink(missing_ok=True)
            raise _refused(
                f"{path} of {name} is damaged: not the hub's hash", "pull again: it comes anew"
            )


def _refused(message: str, hint: str) -> InputError:
    return InputError(Problem(message, hint=hint))
