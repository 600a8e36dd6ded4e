"""``automl check``: the recipe alone, in well under a second."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from automl.errors import Problem
    from automl.recipe import LoadedRecipe


def command(
    recipe: Annotated[Path, typer.Argument(help="The recipe (YAML).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a recipe without opening its data or its models; every problem at once."""
    from automl.compiler.verify import load_verified
    from automl.errors import RecipeError

    try:
        loaded = load_verified(recipe)
    except RecipeError as error:
        if as_json:
            _print_json({"ok": False, "problems": [_plain(each) for each in error.problems]})
        raise
    if as_json:
        _print_json({"ok": True, "problems": [], **_facts(loaded)})
    else:
        print(f"ok  {_summary(loaded)}")


def _facts(loaded: LoadedRecipe) -> dict[str, Any]:
    from automl import tasks
    from automl.compiler import objectives

    recipe = loaded.recipe
    task = tasks.get(recipe.task)
    goal = objectives.goal(loaded, task)
    decided = task.narrow is None or objectives.wishes(recipe.objective)
    return {
        "name": recipe.name,
        "task": recipe.task,
        "models": len(recipe.models),
        # Where the recipe names none and the columns decide, nobody knows before the data is read.
        "objectives": {goal.metric: goal.direction, **goal.also} if decided else {},
        "trials": recipe.budget.trials,
        "time": recipe.budget.time,
    }


def _summary(loaded: LoadedRecipe) -> str:
    from automl.recipe.models import QueryModel

    recipe = loaded.recipe
    count = len(recipe.models)
    budget = [f"{recipe.budget.trials} trials"] if recipe.budget.trials else []
    budget += [recipe.budget.time] if recipe.budget.time else []
    asked = sum(isinstance(model, QueryModel) for model in recipe.models)
    parts = [_counted(count - asked, "model", "models")] if count > asked else []
    parts += [_counted(asked, "query", "queries")] if asked else []
    models = " and ".join(parts)
    return f"{recipe.name}: {recipe.task}, {models}, at most {' or '.join(budget)}"


def _counted(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def _plain(problem: Problem) -> dict[str, Any]:
    place = problem.place
    return {
        "message": problem.message,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "hint": problem.hint,
    }


def _print_json(value: dict[str, Any]) -> None:
    import json

    print(json.dumps(value, indent=2, ensure_ascii=False))
