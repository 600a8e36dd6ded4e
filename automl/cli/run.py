"""``automl run``: the main job, shown live."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    recipe: Annotated[Path, typer.Argument(help="The recipe (YAML), or a file of bundle-inputs.")],
    run_dir: Annotated[
        Path | None, typer.Option(help="Run folder.", show_default="runs/<name>")
    ] = None,
    locked: Annotated[
        bool, typer.Option("--locked", help="Refuse to run when anything differs from the lock.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Stream events as JSON lines to stdout.")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option(help="JUnit XML of the checks to write, for CI.")
    ] = None,
    push: Annotated[
        bool,
        typer.Option(help="Upload to export.push_to_hub when every check has passed."),
    ] = True,
) -> None:
    """Search, fine-tune, score and export; run again to continue."""
    if recipe.suffix == ".tar" and recipe.is_file():
        from automl.cli import _inputs

        _inputs.run(recipe, run_dir, locked, as_json)
    from automl import membership, pipeline
    from automl.cli import _interrupts, _result, _view

    loaded = pipeline.load_recipe(recipe)
    shared = membership.of(loaded)
    view = _view.of(loaded, as_json)
    with _interrupts.counted() as interrupts, view:
        result = pipeline.run(
            loaded,
            run_dir=run_dir,
            locked=locked,
            listen=view,
            interrupts=interrupts,
            shared=shared,
        )
    if not as_json:
        _result.show(result)
    if junit is not None and result.bundle is not None:
        from automl.finish import junit as report

        report.write(junit, result.name, result.checks, result.seconds)
    repository = loaded.recipe.export.push_to_hub
    if push and repository and result.bundle is not None and result.state == "finished":
        from automl.exporters._hub import Push
        from automl.exporters._hub import push as upload

        wanted = Push(result.bundle, repository, loaded.recipe.export.private)
        url = upload(wanted, lambda text: print(text, file=sys.stderr))
        print(f"uploaded: {url}", file=sys.stderr if as_json else sys.stdout)
    raise typer.Exit(result.exit_code)
