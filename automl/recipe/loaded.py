"""A recipe together with where each of its values was written. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from automl.errors import Place, Problem
from automl.plan import Parent
from automl.recipe.schema import Recipe

Location = tuple[str | int, ...]
"""Keys and list indices from the top of the recipe, e.g. ``("data", "columns", "text")``."""


@dataclass(frozen=True, slots=True)
class LoadedRecipe:
    """A valid recipe, its file, its effective values as plain data, and each value's place.

    ``places`` holds the position of every value (and section) written in the recipe or one of its
    parents; what is missing there is a default. ``path`` is absolute. Relative paths inside values
    that come from a parent recipe have been made relative to ``path``'s folder.
    """

    recipe: Recipe
    path: Path
    values: Mapping[str, object]
    places: Mapping[Location, Place]
    variables: Mapping[Location, tuple[str, ...]] = field(default_factory=dict)
    """Names of the environment variables that a value was filled in from."""
    written: Mapping[Location, str] = field(default_factory=dict)
    """Text with references to the environment, of the values that have them."""
    parents: tuple[Parent, ...] = ()
    """The recipes from elsewhere that it extends, pinned."""

    @property
    def folder(self) -> Path:
        """The folder relative paths in the recipe start from."""
        return self.path.parent

    def place(self, location: Location) -> Place | None:
        """Return where ``location``, or the nearest section around it, was written."""
        for end in range(len(location), -1, -1):
            if location[:end] in self.places:
                return self.places[location[:end]]
        return None

    def reference(self, location: Location, value: str) -> str:
        """Return ``value`` of ``location`` fit to be published: before the environment filled it.

        Plans, locks and bundles travel; what a variable held on this machine stays here.
        """
        return self.written.get(location, value)

    def problem(
        self,
        location: Location,
        message: str,
        *,
        value: str | None = None,
        known: tuple[str, ...] = (),
        hint: str | None = None,
    ) -> Problem:
        """Return a Problem at ``location``; with ``value`` and ``known``, the nearest is hinted."""
        return Problem(message, self.place(location), hint or nearest(value, known))


def nearest(value: str | None, known: tuple[str, ...]) -> str | None:
    """Return a hint naming the known name closest to ``value``, or listing them all."""
    if not known:
        return None
    close = get_close_matches(value or "", known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
