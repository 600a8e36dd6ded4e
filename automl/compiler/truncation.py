"""Texts that are cut so often that it must be said, with what to write instead. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from automl.plan import Candidate
from automl.tasks import Task

OFTEN = 0.05
"""Share of cut texts from which it is said. Where the recipe leaves ``max_length`` out, it is 1% at
most, unless the model itself reads no further."""


def warnings(candidates: Iterable[Candidate], wish: int | None, task: Task) -> tuple[str, ...]:
    """Return a sentence for each candidate that cuts many texts; ``wish`` is what recipes say."""
    return tuple(
        f"{each.id} reads {each.max_length} {task.unit} of a {task.things[:-1]}: "
        f"{each.lengths.truncated_share:.0%} of the training {task.things} are longer and are cut "
        f"(p95 {each.lengths.p95}, longest {each.lengths.max}); {_fix(each, wish)}"
        for each in candidates
        if each.lengths is not None and task.unit and each.lengths.truncated_share > OFTEN
    )


def _fix(candidate: Candidate, wish: int | None) -> str:
    assert candidate.lengths is not None
    if wish is not None and candidate.max_length >= wish:
        return f"data.max_length: {candidate.lengths.p95} cuts one in twenty, left out fewer still"
    return "it can read no more: take a model that reads longer texts, or shorten them"
