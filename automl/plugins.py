"""Plug-ins: a package's modules are its registry, each offering one object under one name.

``text-classification`` in a recipe is ``text_classification.py`` in the package. Modules whose
name begins with an underscore are shared pieces, not plug-ins. Listing imports nothing.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from functools import cache
from typing import Any


@cache
def names(package: str) -> tuple[str, ...]:
    """Return the plug-in names that ``package`` (dotted) offers, sorted, importing only itself."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        raise ModuleNotFoundError(f"{package} is not a package")
    modules = pkgutil.iter_modules(spec.submodule_search_locations)
    return tuple(sorted(m.name.replace("_", "-") for m in modules if not m.name.startswith("_")))


def is_installed(package: str) -> bool:
    """Return whether a top-level package can be imported, without doing so.

    A mere folder of that name, as trackers leave them where they are run, is none.
    """
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None


def load(package: str, name: str, attribute: str) -> Any:
    """Return the object called ``attribute`` of the plug-in ``name``.

    Raises KeyError with the known names when there is no such plug-in.
    """
    if name not in names(package):
        raise KeyError(f"{name!r} is not one of {', '.join(names(package))}")
    module = importlib.import_module(f"{package}.{name.replace('-', '_')}")
    return getattr(module, attribute)
