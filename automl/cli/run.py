"""``automl run``: the main job, shown live."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from automl.cli._live import View
    from automl.recipe import LoadedRecipe


def command(
    recipe: Annotated[Path, typer.Argument(help="The recipe (YAML).")],
    run_dir: Annotated[
        Path | None, typer.Option(help="Run folder.", show_default="runs/<name>")
    ] = None,
    locked: Annotated[
        bool, typer.Option("--locked", help="Refuse to run when anything differs from the lock.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Stream events as JSON lines to stdout.")
    ] = False,
    push: Annotated[
        bool,
        typer.Option(help="Upload to export.push_to_hub when every check has passed."),
    ] = True,
) -> None:
    """Search, fine-tune, score and export; run again to continue."""
    from automl import pipeline
    from automl.cli import _interrupts, _result

    loaded = pipeline.load_recipe(recipe)
    view = _view(loaded, as_json)
    with _interrupts.counted() as interrupts, view:
        result = pipeline.run(
            loaded, run_dir=run_dir, locked=locked, listen=view, interrupts=interrupts
        )
    if not as_json:
        _result.show(result)
    repository = loaded.recipe.export.push_to_hub
    if push and repository and result.bundle is not None and result.state == "finished":
        from automl.exporters._hub import push as upload

        url = upload(result.bundle, repository, private=loaded.recipe.export.private)
        print(f"uploaded: {url}", file=sys.stderr if as_json else sys.stdout)
    raise typer.Exit(result.exit_code)


def _view(loaded: LoadedRecipe, as_json: bool) -> View:
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
