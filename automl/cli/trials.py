"""``automl trials``: everything that was tried, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from automl.plan import Plan
    from automl.search.study import StudyTrial


def command(
    run: Annotated[
        Path | None, typer.Argument(help="Run folder or recipe.", show_default="the newest run")
    ] = None,
    sort: Annotated[str, typer.Option(help="number, value, seconds or candidate.")] = "number",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List every trial: state, value, settings, seconds, and why it failed."""
    import json

    from automl import documents
    from automl.cli import _target
    from automl.errors import InputError
    from automl.plan import Plan
    from automl.search.history import read

    rundir = _target.find(run)
    plan = documents.read(Plan, rundir.plan)
    keys = {
        "number": lambda t: t.number,
        "value": lambda t: _rank(t, plan.goal.direction),
        "seconds": lambda t: -t.seconds,
        "candidate": lambda t: (t.configuration.candidate, t.number),
    }
    if sort not in keys:
        raise InputError(f"--sort {sort}: known are {', '.join(keys)}")
    trials = sorted(read(rundir.study).trials, key=keys[sort])
    if as_json:
        rows = [json.loads(documents.to_line(trial)) for trial in trials]
        print(json.dumps(rows, indent=2))
        return
    _print(trials, plan, live=rundir.holder() is not None)


def _rank(trial: StudyTrial, direction: str) -> tuple[bool, float]:
    value = trial.value(direction)
    return value is None, -(value or 0.0) if direction == "maximize" else (value or 0.0)


def _print(trials: list[StudyTrial], plan: Plan, live: bool) -> None:
    """Settings that are the same in all trials are left out: they tell nothing apart."""
    from automl.cli import _console

    direction = plan.goal.direction
    varied = _varied(trials)
    table = _console.table(
        "trial",
        "state",
        plan.goal.metric,
        "candidate",
        "settings",
        "evaluations",
        "seconds",
        "attempts",
        "message",
        folding=("settings", "message"),
    )
    for trial in trials:
        value = trial.value(direction)
        settings = trial.configuration.hyperparameters.items()
        table.add_row(
            str(trial.number),
            "paused" if trial.state == "running" and not live else trial.state,
            "" if value is None else f"{value:.4f}",
            trial.configuration.candidate,
            ", ".join(f"{name} {_number(v)}" for name, v in settings if name in varied),
            str(len(trial.evaluations)),
            f"{trial.seconds:.1f}",
            str(trial.attempts),
            trial.message,
        )
    _console.stdout().print(table)


def _varied(trials: list[StudyTrial]) -> set[str]:
    seen: dict[str, set[object]] = {}
    for trial in trials:
        for name, value in trial.configuration.hyperparameters.items():
            seen.setdefault(name, set()).add(value)
    return {name for name, values in seen.items() if len(values) > 1 or len(trials) == 1}


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
