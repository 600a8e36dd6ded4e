"""Which view of a run the terminal gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from automl.cli._live import View
    from automl.recipe import LoadedRecipe


def of(loaded: LoadedRecipe, as_json: bool) -> View:
    """Return a live screen for a terminal, plain lines elsewhere, or JSON lines."""
    from rich.console import Console

    from automl import tasks
    from automl.cli import _live, _live_state

    if as_json:
        return _live.JsonLines()
    metric, minimize = _goal(loaded, tasks.names())
    state = _live_state.State(metric, minimize)
    console = Console(stderr=True)
    return _live.Screen(console, state) if console.is_terminal else _live.Lines(console, state)


def _goal(loaded: LoadedRecipe, known: tuple[str, ...]) -> tuple[str, bool]:
    """The metric to show and its direction; an unknown task is refused later, with its place."""
    from automl import tasks
    from automl.compiler import objectives

    if loaded.recipe.task not in known:
        return "", False
    goal = objectives.goal(loaded, tasks.get(loaded.recipe.task))
    return goal.metric, goal.direction == "minimize"
