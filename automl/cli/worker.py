"""``automl worker``: one more machine at a study that several share."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from automl.rundir import RunDir


def command(
    recipe: Annotated[Path, typer.Argument(help="The recipe (YAML).")],
    storage: Annotated[
        str | None,
        typer.Option(
            help="Database URL.", show_default="the recipe's storage", envvar="AUTOML_STORAGE"
        ),
    ] = None,
    artifacts: Annotated[
        str | None,
        typer.Option(
            help="Folder that all machines see, or s3://bucket/prefix.",
            show_default="the recipe's artifacts",
            envvar="AUTOML_ARTIFACTS",
        ),
    ] = None,
    run_dir: Annotated[
        Path | None,
        typer.Option(help="This machine's run folder.", show_default="runs/<name>-<host>"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Stream events as JSON lines to stdout.")
    ] = False,
) -> None:
    """Join a study that several machines share, until it is over; on any number of machines."""
    from automl import membership, pipeline
    from automl.cli import _interrupts, _view
    from automl.errors import InputError

    loaded = pipeline.load_recipe(recipe)
    shared = membership.of(loaded, storage, artifacts)
    if shared is None:
        raise InputError(
            "a worker needs the database that keeps the study: `storage:` in the recipe, or "
            "--storage postgresql+psycopg://user@host/database"
        )
    rundir = pipeline.run_folder(loaded, run_dir) if run_dir else _free(loaded.recipe.name)
    view = _view.of(loaded, as_json)
    with _interrupts.counted() as interrupts, view:
        result = pipeline.run(
            loaded,
            run_dir=rundir.root,
            listen=view,
            interrupts=interrupts,
            shared=shared,
            fetch=False,
        )
    if not as_json:
        what = result.state.replace("_", " ")
        if result.bundle:
            what = f"the bundle is in {result.bundle}"
        elif result.state == "interrupted":
            what = "interrupted; the same command goes on"
        print(f"{result.name}: {what}")
    raise typer.Exit(result.exit_code)


def _free(name: str) -> RunDir:
    """This machine's run folder, or the next one where another worker of it is at work there."""
    from automl.rundir import RunDir

    number = 1
    while True:
        suffix = f"-{number}" if number > 1 else ""
        found = RunDir.at(Path("runs") / f"{name}-{socket.gethostname()}{suffix}")
        if found.holder() is None:
            return found
        number += 1
