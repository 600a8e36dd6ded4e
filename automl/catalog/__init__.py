"""Where candidates come from: a folder, an installed package, the hub. One module a source.

``find`` looks (and downloads no weights), ``objection`` says what speaks against a model before
its weights are fetched, ``fetch`` makes it a local folder with hashed files. Knows nothing of
tasks and never imports torch or transformers.
"""

from __future__ import annotations

from collections.abc import Mapping

from automl.catalog import folder, hub, package
from automl.catalog.model import FoundModel, ResolvedModel
from automl.catalog.objections import objection
from automl.recipe.loaded import LoadedRecipe
from automl.recipe.models import FolderModel, PackageModel, QueryModel

__all__ = ["FoundModel", "ResolvedModel", "fetch", "find", "objection"]


def find(loaded: LoadedRecipe, index: int, pins: Mapping[str, str] | None = None) -> FoundModel:
    """Return what is known of the recipe's model number ``index`` without its weights.

    ``pins`` maps a hub id as the recipe writes it to the commit a lock holds for it; it applies
    where the recipe names no revision. Raises CandidateError, with the place in the recipe, when
    there is no such model: no folder, package, repository or revision, no access, no network.
    """
    reference = loaded.recipe.models[index]
    if isinstance(reference, FolderModel):
        return folder.find(loaded, index, reference)
    if isinstance(reference, PackageModel):
        return package.find(loaded, index, reference)
    assert not isinstance(reference, QueryModel), "a query is many models: see catalog.query"
    return hub.find(loaded, index, reference, pins or {})


def fetch(loaded: LoadedRecipe, index: int, found: FoundModel) -> ResolvedModel:
    """Return the model as a local folder, its files hashed; downloads the weights of a hub model.

    Raises CandidateError when the download fails or does not match the hub's own hashes.
    """
    if found.source == "hub":
        return hub.fetch(loaded, index, found)
    return folder.fetch(found)
