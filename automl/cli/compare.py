"""``automl compare``: runs side by side, or why they cannot be compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from automl.reporting.comparison import Comparison, Run


def command(
    runs: Annotated[list[Path], typer.Argument(help="Two or more run folders or recipes.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Also write a page (HTML) there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare runs by what they scored on the same test rows, and show in what they differ.

    Where the rows, the task or the metric are not the same, that is said instead.
    """
    import json

    from automl.cli import _target
    from automl.errors import InputError, Problem
    from automl.reporting import comparison

    if len(runs) < 2:
        hint = f"automl compare {runs[0]} ANOTHER"
        raise InputError(Problem("there is one run, and nothing to compare it with", hint=hint))
    folders = [_target.find(run) for run in runs]
    names = comparison.names([folder.root.resolve() for folder in folders])
    found = comparison.compare(
        [comparison.read(folder, name) for folder, name in zip(folders, names, strict=True)]
    )
    if output is not None:
        from automl.reporting.side_by_side import write

        write(found, output)
    if as_json:
        print(json.dumps(_facts(found), indent=2))
        return
    _print(found)
    if output is not None:
        print(output)


def _print(found: Comparison) -> None:
    from rich.markup import escape

    from automl.cli import _console

    console = _console.stdout()
    for objection in found.objections:
        console.print(f"not comparable: {escape(objection)}", style="bold red", soft_wrap=True)
    every = [(section, row) for section in found.sections for row in section.rows]
    table = _console.table("", *(run.name for run in found.runs), folding=_folding(found))
    last = None
    for section, (name, values) in every:
        if section is not last:
            table.add_row() if last is not None else None
            table.add_row(f"[bold]{escape(section.title)}[/bold]")
            last = section
        table.add_row(escape(name), *map(escape, values))
    console.print(table)
    for remark in found.remarks:
        console.print(escape(remark), soft_wrap=True)


def _folding(found: Comparison) -> tuple[str, ...]:
    return tuple(run.name for run in found.runs)


def _facts(found: Comparison) -> dict[str, Any]:
    return {
        "comparable": found.comparable,
        "objections": list(found.objections),
        "remarks": list(found.remarks),
        "runs": [_run(run) for run in found.runs],
        "differences": {
            section.title: {name: list(values) for name, values in section.rows}
            for section in found.sections
        },
    }


def _run(run: Run) -> dict[str, Any]:
    test = run.test
    return {
        "name": run.name,
        "task": run.plan.task,
        "goal": {"metric": run.plan.goal.metric, "direction": run.plan.goal.direction},
        "metrics": dict(test.metrics) if test else None,
        "intervals": {name: [one.low, one.high] for name, one in test.intervals.items()}
        if test
        else None,
        "candidate": run.best.configuration.candidate if run.best else None,
        "hyperparameters": dict(run.best.configuration.hyperparameters) if run.best else None,
        "trials": run.trials,
        "seconds": run.seconds,
        "rows": dict(run.plan.data.rows),
        "split": run.plan.data.split.hash,
    }
