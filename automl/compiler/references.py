"""Whether the files, folders and packages a recipe names are there. Looks, and opens nothing."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from automl.catalog import hub, package
from automl.errors import Problem
from automl.recipe.loaded import LoadedRecipe, Location
from automl.recipe.models import FolderModel, HubModel, PackageModel, QueryModel

_CONFIGURATION = re.compile(r":[\w.-]+(?=@|$)")
"""Of a data set: ``owner/name:configuration``."""


def reference_problems(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield a problem for every model and data reference that cannot be what it says."""
    data = loaded.recipe.data
    for split, source in (
        ("train", data.train),
        ("validation", data.validation),
        ("test", data.test),
    ):
        if isinstance(source, str):
            yield from _source_problems(loaded, ("data", split), source)
        elif isinstance(source, list):
            for index, each in enumerate(source):
                yield from _source_problems(loaded, ("data", split, index), each)
    for index, model in enumerate(loaded.recipe.models):
        where: Location = ("models", index)
        if isinstance(model, FolderModel):
            yield from _folder_problems(loaded, (*where, "path"), model.path)
        elif isinstance(model, PackageModel):
            yield from _package_problems(loaded, (*where, "package"), model.package)
        elif not isinstance(model, QueryModel):
            yield from _hub_problems(loaded, where, model)


def _source_problems(loaded: LoadedRecipe, where: Location, source: str) -> Iterator[Problem]:
    if "://" in source or (loaded.folder / source).exists():
        return
    if any(sign in source for sign in "*?["):
        if not glob.glob(source, root_dir=loaded.folder, recursive=True):
            yield loaded.problem(
                where, f"no file matches {source}", hint="the pattern is relative to the recipe"
            )
        return
    first, *rest = Path(source).parts
    local_folder = rest and (loaded.folder / first).is_dir()
    named = hub.parse(_CONFIGURATION.sub("", source))
    if named and not Path(named[0]).suffix and not local_folder:
        return
    yield loaded.problem(where, f"{source} does not exist", hint=_neighbour(loaded, source))


def _neighbour(loaded: LoadedRecipe, source: str) -> str:
    """The file of the closest name beside the missing one, or where the path starts from."""
    missing = loaded.folder / source
    beside = [each.name for each in missing.parent.iterdir()] if missing.parent.is_dir() else []
    close = get_close_matches(missing.name, beside, n=1, cutoff=0.5)
    if close:
        return f"did you mean {(Path(source).parent / close[0]).as_posix()!r}?"
    return "paths are relative to the recipe"


def _folder_problems(loaded: LoadedRecipe, where: Location, path: str) -> Iterator[Problem]:
    root = loaded.folder / path
    if not root.exists():
        yield loaded.problem(
            where, f"the model folder {path} does not exist", hint=_neighbour(loaded, path)
        )
    elif not root.is_dir():
        yield loaded.problem(
            where, f"{path} is a file", hint="name the folder that save_pretrained wrote"
        )


def _package_problems(loaded: LoadedRecipe, where: Location, name: str) -> Iterator[Problem]:
    if package.location(name) is None:
        yield loaded.problem(
            where, f"the package {name} is not installed", hint=package.install_hint(name)
        )


def _hub_problems(
    loaded: LoadedRecipe, where: Location, model: str | HubModel
) -> Iterator[Problem]:
    text = model if isinstance(model, str) else model.id
    if isinstance(model, str) and (loaded.folder / model).is_dir():
        yield loaded.problem(
            where, f"{model} is a folder, and a plain name is a hub id", hint=f"{{path: {model}}}"
        )
    elif isinstance(model, str) and "/" not in model and package.location(model):
        yield loaded.problem(
            where, f"{model} is an installed package", hint=f"{{package: {model}}}"
        )
    elif hub.parse(model) is None:
        yield loaded.problem(
            where if isinstance(model, str) else (*where, "id"),
            f"{text!r} is no hub id",
            hint="write owner/name, owner/name@revision, {path: folder} or {package: name}",
        )
