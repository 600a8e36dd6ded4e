"""Candidates whose weights an installed Python package carries. The package is never imported:

its import could pull in torch, or run anything at all.
"""

from __future__ import annotations

import importlib.util
from importlib import metadata
from pathlib import Path

from automl.catalog import files, folder
from automl.catalog.model import FoundModel
from automl.errors import CandidateError
from automl.recipe.loaded import LoadedRecipe
from automl.recipe.models import PackageModel


def find(loaded: LoadedRecipe, index: int, reference: PackageModel) -> FoundModel:
    """Return the one model the package carries.

    Raises CandidateError when the package is not installed, carries no model or several.
    """
    where = ("models", index, "package")
    home = location(reference.package)
    if home is None:
        raise CandidateError(
            loaded.problem(
                where,
                f"the package {reference.package} is not installed",
                hint=install_hint(reference.package),
            )
        )
    roots = model_folders(home)
    if len(roots) == 1:
        return folder.describe(
            roots[0],
            source="package",
            reference=reference.package,
            revision=_version(_top(reference.package)),
            trust_remote_code=reference.trust_remote_code,
        )
    if not roots:
        raise CandidateError(
            loaded.problem(
                where,
                f"the package {reference.package} carries no model: no config.json lies beside "
                "*.safetensors in it",
            )
        )
    names = [".".join((reference.package, *root.relative_to(home).parts)) for root in roots]
    raise CandidateError(
        loaded.problem(
            where,
            f"the package {reference.package} carries {len(roots)} models",
            hint=f"name one: {', '.join(names)}",
        )
    )


def location(name: str) -> Path | None:
    """Return the folder of an installed package (``top`` or ``top.folder``), or None."""
    top, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    found = Path(next(iter(spec.submodule_search_locations))).joinpath(*rest)
    return found if found.is_dir() else None


def install_hint(name: str) -> str:
    """Return the command that installs the package called ``name``."""
    return f"pip install {_top(name).replace('_', '-')}"


def _top(name: str) -> str:
    return name.split(".")[0]


def model_folders(home: Path) -> list[Path]:
    """Return the folders below ``home`` that hold a model."""
    return sorted(
        config.parent
        for config in home.rglob(files.CONFIG)
        if any(config.parent.glob("*.safetensors"))
    )


def _version(top: str) -> str | None:
    """The version of the distribution that carries the module, usually of the same name."""
    try:
        return metadata.version(top)
    except metadata.PackageNotFoundError:
        carriers = metadata.packages_distributions().get(top, [])
        return metadata.version(carriers[0]) if carriers else None
