"""Candidates in a folder, as ``save_pretrained`` writes them; every source ends in one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from automl.catalog import files, hashes, readme
from automl.catalog.model import FoundModel, ResolvedModel
from automl.errors import CandidateError
from automl.recipe.loaded import LoadedRecipe
from automl.recipe.models import FolderModel

TIMM = "timm_wrapper"
"""The family of all that timm has published, by its own description."""


def find(loaded: LoadedRecipe, index: int, reference: FolderModel) -> FoundModel:
    """Return the model in the folder; CandidateError when there is no such folder."""
    root = loaded.folder / reference.path
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise CandidateError(
            loaded.problem(
                ("models", index, "path"),
                f"the model folder {reference.path} {what}",
                hint="the path is relative to the recipe",
            )
        )
    return describe(
        root,
        source="folder",
        reference=loaded.reference(("models", index, "path"), Path(reference.path).as_posix()),
        revision=None,
        trust_remote_code=reference.trust_remote_code,
    )


def describe(
    root: Path,
    *,
    source: Literal["folder", "hub", "package"],
    reference: str,
    revision: str | None,
    trust_remote_code: bool,
    sizes: Mapping[str, int] | None = None,
) -> FoundModel:
    """Return the model whose small files lie in ``root``; ``sizes`` where more files exist."""
    listing = files.listing(root) if sizes is None else sizes
    license_, language = readme.facts(root)
    return FoundModel(
        source=source,
        reference=reference,
        revision=revision,
        root=root,
        sizes=listing,
        config=_config(root),
        weights=files.weights(root, listing),
        license=license_,
        language=language,
        trust_remote_code=trust_remote_code,
    )


def fetch(found: FoundModel, download_bytes: int = 0) -> ResolvedModel:
    """Return the model with every file that matters hashed; all of them must lie in its root."""
    names = files.that_matter(found.sizes, found.weights, found.trust_remote_code)
    hashed = tuple(hashes.file_hash(found.root, name) for name in names)
    return ResolvedModel(
        source=found.source,
        reference=found.reference,
        revision=found.revision,
        path=found.root,
        files=hashed,
        config=found.config,
        weights=found.weights,
        license=found.license,
        language=found.language,
        download_bytes=download_bytes,
        weights_bytes=sum(each.bytes for each in hashed if each.path in found.weights),
        trust_remote_code=found.trust_remote_code,
    )


def _config(root: Path) -> Mapping[str, Any]:
    try:
        found = json.loads((root / files.CONFIG).read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    if "architecture" in found and "pretrained_cfg" in found and "model_type" not in found:
        return {**found, "model_type": TIMM}  # as timm writes it, and transformers reads it
    return found
