"""``automl clean``: give disk back that nothing needs any more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from automl.cleaning import Waste
    from automl.rundir import RunDir


def command(
    run: Annotated[
        Path | None, typer.Argument(help="Run folder or recipe.", show_default=False)
    ] = None,
    cache: Annotated[
        bool, typer.Option("--cache", help="This user's cache (~/.cache/automl), for all studies.")
    ] = False,
    finished: Annotated[
        bool,
        typer.Option(
            "--finished",
            help="Also what only a larger budget would need: trials that wait would begin anew.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Delete nothing; show what would go.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Delete what can be made again or is of no more use; the study still continues and exports."""
    import json

    from automl.cli import _target
    from automl.errors import InputError, Problem

    if run is None and not cache:
        problem = Problem("nothing is named to clean", hint="a run folder, a recipe, or --cache")
        raise InputError(problem)
    if finished and run is None:
        raise InputError("--finished is about a run: name its folder or its recipe")
    rundir = _target.find(run) if run is not None else None
    facts: dict[str, Any] = {"dry_run": dry_run}
    if rundir is not None:
        facts["run"] = _clean_run(rundir, finished, dry_run)
    if cache:
        facts["cache"] = _clean_cache(dry_run)
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    for name in ("run", "cache"):
        if name in facts:
            _print(facts[name], dry_run)


def _clean_run(rundir: RunDir, finished: bool, dry_run: bool) -> dict[str, Any]:
    from automl import cleaning
    from automl.rundir import bytes_below

    with rundir.lock():
        if not dry_run:
            cleaning.settle(rundir)
        before = bytes_below(rundir.root)
        waste = cleaning.of_the_run(rundir, finished)
        if not dry_run:
            cleaning.delete(waste)
    return _facts(rundir.root, before, waste)


def _clean_cache(dry_run: bool) -> dict[str, Any]:
    from automl import cache, cleaning
    from automl.rundir import bytes_below

    before = bytes_below(cache.folder())
    waste = cleaning.of_the_cache()
    if not dry_run:
        cleaning.delete(waste)
    return _facts(cache.folder(), before, waste)


def _facts(folder: Path, before: int, waste: tuple[Waste, ...]) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "bytes": before,
        "freed_bytes": sum(each.bytes for each in waste),
        "kinds": [
            {"kind": each.kind, "bytes": each.bytes, "meaning": each.meaning} for each in waste
        ],
    }


def _print(facts: dict[str, Any], dry_run: bool) -> None:
    from automl.cli import _console

    table = _console.table("", "", "", folding=("",))
    table.show_header = False
    for each in facts["kinds"]:
        table.add_row(each["kind"], _console.size(each["bytes"]), each["meaning"])
    _console.stdout().print(table)
    verb = "would free" if dry_run else "freed"
    freed, before = _console.size(facts["freed_bytes"]), _console.size(facts["bytes"])
    print(f"{verb} {freed} of {before} in {facts['folder']}")
