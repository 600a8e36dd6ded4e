"""What the grid sampler cannot go through: ranges of numbers that have no next one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from automl.compiler.hyperparameters import HYPERPARAMETERS
from automl.errors import Problem
from automl.plan import Candidate
from automl.recipe.loaded import LoadedRecipe
from automl.recipe.schema import Range

BY_DEFAULT = ("learning_rate", "weight_decay", "label_smoothing")
"""Hyperparameters that are ranges for every model unless the recipe says otherwise."""


def recipe_problems(loaded: LoadedRecipe) -> Iterator[Problem]:
    """Yield a problem for every range a grid is asked for, as far as the recipe alone tells."""
    wishes = loaded.recipe.search.space
    ranges = [
        name
        for name, known in HYPERPARAMETERS.items()
        if known.kind == "float"
        and (isinstance(wishes.get(name), Range) or (name not in wishes and name in BY_DEFAULT))
    ]
    yield from _problems(loaded, ranges)


def candidate_problems(loaded: LoadedRecipe, candidates: Iterable[Candidate]) -> Iterator[Problem]:
    """Yield a problem for every range in the candidates' spaces."""
    ranges = {p.name: None for each in candidates for p in each.space if p.kind == "float"}
    yield from _problems(loaded, ranges)


def _problems(loaded: LoadedRecipe, ranges: Iterable[str]) -> Iterator[Problem]:
    search = loaded.recipe.search
    if search.sampler != "grid":
        return
    unwished = [name for name in ranges if name not in search.space]
    for name in ranges:
        entry = search.space.get(name)
        if isinstance(entry, Range):
            yield loaded.problem(
                ("search", "space", name),
                f"a grid goes through lists, and {name} is a range",
                hint=f"{name}: [{entry.low:g}, {entry.high:g}]",
            )
    if unwished:
        verb = "are ranges" if len(unwished) > 1 else "is a range"
        yield loaded.problem(
            ("search", "sampler"),
            f"a grid goes through lists, and {', '.join(unwished)} {verb} by default",
            hint=f"give search.space a value or a list for {', '.join(unwished)}",
        )
