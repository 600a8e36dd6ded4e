"""What a recipe optimises: metrics of its task and costs of prediction, in order, and its choice.

Knows names and directions; what is measured, and which trial wins, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from automl import tasks
from automl.compiler import limits
from automl.errors import Problem
from automl.plan import Direction, Goal, Prefer
from automl.recipe.loaded import LoadedRecipe, Location
from automl.recipe.schema import Objective
from automl.tasks import Task

COSTS: Mapping[str, Direction] = {
    "latency_ms": "minimize",
    "parameters": "minimize",
    "disk": "minimize",
}
"""What prediction costs: milliseconds for one row, weights, bytes of the saved model."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One objective as the recipe states it."""

    name: str
    direction: Direction
    where: Location


def wishes(objective: Objective) -> tuple[Wish, ...]:
    """Return the stated objectives, those to maximise first; () where the task's own holds."""
    found: list[Wish] = []
    stated: Mapping[Direction, str | list[str] | None] = {
        "maximize": objective.maximize,
        "minimize": objective.minimize,
    }
    for direction, names in stated.items():
        if isinstance(names, str):
            found.append(Wish(names, direction, ("objective", direction)))
        for index, name in enumerate(names if isinstance(names, list) else ()):
            found.append(Wish(name, direction, ("objective", direction, index)))
    return tuple(found)


def goal(loaded: LoadedRecipe, task: Task) -> Goal:
    """Return what a recipe without ``problems`` optimises."""
    objective = loaded.recipe.objective
    stated = {wish.name: wish.direction for wish in wishes(objective)} or _own(task)
    (metric, direction), *others = stated.items()
    prefer = objective.prefer
    return Goal(
        metric,
        direction,
        tuple(objective.subject_to),
        dict(others),
        Prefer(prefer.metric, prefer.within) if prefer else None,
    )


def needs_costs(goal: Goal) -> bool:
    """Return whether a trial's costs have to be measured to judge it."""
    return bool(goal.subject_to) or any(name in COSTS for name in goal.also)


def quantities(goal: Goal) -> frozenset[str]:
    """Return the costs that the goal minimises or limits."""
    limited = {limits.parse(text).quantity for text in goal.subject_to}
    return frozenset(limited | (set(goal.also) & set(COSTS)))


def _own(task: Task) -> dict[str, Direction]:
    return {each.name: each.direction for each in task.metrics if each.name == task.objective}


def problems(loaded: LoadedRecipe, task: Task) -> Iterator[Problem]:
    """Yield what is wrong with the objectives, their limits aside."""
    stated = wishes(loaded.recipe.objective)
    yield from _wish_problems(loaded, stated, task)
    yield from _order_problems(loaded, stated, task)
    yield from _choice_problems(loaded, stated)


def _wish_problems(loaded: LoadedRecipe, stated: tuple[Wish, ...], task: Task) -> Iterator[Problem]:
    known = {**{each.name: each.direction for each in tasks.metrics(task)}, **COSTS}
    seen: set[str] = set()
    for wish in stated:
        if wish.name not in known:
            yield loaded.problem(
                wish.where,
                f"{task.name} has no metric {wish.name!r}",
                value=wish.name,
                known=tuple(known),
            )
        elif known[wish.name] != wish.direction:
            right = known[wish.name]
            better = "larger" if right == "maximize" else "smaller"
            yield loaded.problem(
                wish.where,
                f"{wish.name} is better when {better}",
                hint=f"write {right}: {wish.name}",
            )
        elif wish.name in seen:
            yield loaded.problem(
                wish.where, f"{wish.name} is already an objective", hint="delete one of the two"
            )
        seen.add(wish.name)


def _order_problems(
    loaded: LoadedRecipe, stated: tuple[Wish, ...], task: Task
) -> Iterator[Problem]:
    """The first objective decides what is pruned, so it must be seen while a trial trains."""
    if not stated or stated[0].name not in COSTS or stated[0].direction == "maximize":
        return
    metric = next((wish.name for wish in stated if wish.name not in COSTS), None)
    (own,) = _own(task).items()
    hint = f"write {metric} before it" if metric else f"add {own[1]}: {own[0]}"
    yield loaded.problem(
        stated[0].where, f"{stated[0].name} cannot be the first objective: it is a cost", hint=hint
    )


def _choice_problems(loaded: LoadedRecipe, stated: tuple[Wish, ...]) -> Iterator[Problem]:
    prefer = loaded.recipe.objective.prefer
    if prefer is None:
        return
    names = tuple(wish.name for wish in stated[1:])
    where: Location = ("objective", "prefer")
    if not names:
        yield loaded.problem(
            where,
            "prefer chooses among several objectives, and there is one",
            hint=f"add minimize: {prefer.metric}" if prefer.metric in COSTS else "delete prefer",
        )
    elif prefer.metric not in names:
        first = stated[0].name == prefer.metric
        said = "is the first objective" if first else "is not one of the objectives"
        hint = "delete prefer: without it the best by the first objective is exported"
        yield loaded.problem(
            (*where, "metric"),
            f"{prefer.metric!r} {said}",
            hint=hint if first else None,
            value=None if first else prefer.metric,
            known=() if first else names,
        )
