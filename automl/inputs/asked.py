"""What a recipe's checks stand on: files of words, and earlier bundles with their base models."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from automl import documents
from automl.bundle import INFO, BundleInfo
from automl.compiler import asked, checks
from automl.compiler.checks import Check
from automl.inputs.sources import relative
from automl.recipe.loaded import LoadedRecipe
from automl.recipe.schema import NotWorse
from automl.serving import base


def files(loaded: LoadedRecipe) -> set[Path]:
    """Return the absolute paths of all files that checks read, of bundles every file."""
    words = {path for path in map(_words_of, _texts(loaded)) if path is not None}
    found = {Path(os.path.abspath(loaded.folder / path)) for path in words}
    for bundle in asked.bundles(loaded).values():
        found |= {path for path in bundle.rglob("*") if path.is_file()}
    return found


def base_models(loaded: LoadedRecipe) -> Iterator[tuple[BundleInfo, Path]]:
    """Yield each earlier bundle of adapters and the folder of the model that it is for.

    Raises InputError where that is not on this machine.
    """
    for bundle in asked.bundles(loaded).values():
        info = documents.read(BundleInfo, bundle / INFO)
        if info.adapter:
            yield info, base.find(info, None)


def rewritten(loaded: LoadedRecipe) -> list[Any]:
    """Return the recipe's checks with every path as one from the recipe's folder."""
    return [_rewritten(check, loaded.folder) for check in loaded.recipe.checks]


def _rewritten(check: str | NotWorse, folder: Path) -> Any:
    if isinstance(check, NotWorse):
        place = relative(Path(check.not_worse_than).expanduser(), folder)
        return {"not_worse_than": place, **({"by": check.by} if check.by else {})}
    words = _words_of(check)
    return check if words is None else check.replace(words, relative(Path(words), folder), 1)


def _texts(loaded: LoadedRecipe) -> Iterator[str]:
    yield from (check for check in loaded.recipe.checks if isinstance(check, str))


def _words_of(text: str) -> str | None:
    check = checks.parse(text)
    return check.words if isinstance(check, Check) else None
