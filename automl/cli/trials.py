"""``automl trials``: everything that was tried, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Set

    from automl.plan import Plan
    from automl.search.trial import StudyTrial


def command(
    run: Annotated[
        Path | None, typer.Argument(help="Run folder or recipe.", show_default="the newest run")
    ] = None,
    sort: Annotated[str, typer.Option(help="number, value, seconds or candidate.")] = "number",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List every trial: state, value, costs, settings, seconds, and why it failed."""
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
    _print(trials, plan, live=rundir.holder() is not None, held=rundir.held())


def _rank(trial: StudyTrial, direction: str) -> tuple[bool, float]:
    value = trial.value(direction)
    return value is None, -(value or 0.0) if direction == "maximize" else (value or 0.0)


def _print(trials: list[StudyTrial], plan: Plan, live: bool, held: Set[int]) -> None:
    """Columns without content, and settings that are the same in all trials, are left out."""
    from automl.cli import _console

    columns = _columns(trials, plan, live, held)
    shown = {
        name: cells
        for name, cells in ((name, [cell(t) for t in trials]) for name, cell in columns.items())
        if name in _ALWAYS or any(cells)
    }
    table = _console.table(*shown, folding=("settings", "message"))
    for row in zip(*shown.values(), strict=True):
        table.add_row(*row)
    _console.stdout().print(table)


_ALWAYS = ("trial", "state", "candidate", "settings")


def _columns(
    trials: list[StudyTrial], plan: Plan, live: bool, held: Set[int]
) -> dict[str, Callable[[StudyTrial], str]]:
    """Column → what it says of a trial; empty cells say nothing."""
    from automl.compiler import objectives
    from automl.search.choice import broken, costs, values

    goal, varied, settled = plan.goal, _varied(trials), costs(trials)
    repeated = {trial.repeat_of for trial in trials}

    def measured(name: str) -> Callable[[StudyTrial], str]:
        return lambda trial: _cost({**values(trial, goal), **settled[trial.number]}, name)

    def mean(trial: StudyTrial) -> str:
        if trial.number not in repeated:
            return ""
        return _value(values(trial, goal, trials).get(goal.metric))

    limited = sorted(objectives.quantities(goal) - set(goal.also))
    return {
        "trial": lambda trial: str(trial.number),
        "state": lambda trial: _state(trial, live, held),
        "repeat of": lambda trial: "" if trial.repeat_of is None else str(trial.repeat_of),
        goal.metric: lambda trial: _value(trial.value(goal.direction)),
        "mean": mean,
        **{name: measured(name) for name in (*goal.also, *limited)},
        "candidate": lambda trial: trial.configuration.candidate,
        "settings": lambda trial: _settings(trial, varied),
        "evaluations": lambda trial: str(len(trial.evaluations)),
        "seconds": lambda trial: f"{trial.seconds:.1f}",
        "attempts": lambda trial: str(trial.attempts),
        "message": lambda trial: _message(trial, broken(settled[trial.number], goal)),
    }


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _cost(found: Mapping[str, float], name: str) -> str:
    from automl.exporters._units import cost

    return cost(name, found[name]) if name in found else ""


def _state(trial: StudyTrial, live: bool, held: Set[int]) -> str:
    if trial.state != "running":
        return trial.state
    if trial.number in held:
        return "put aside"
    if trial.paused and trial.evaluations:
        return f"paused at {trial.evaluations[-1].samples:,}"
    return "running" if live else "paused"


def _settings(trial: StudyTrial, varied: set[str]) -> str:
    settings = trial.configuration.hyperparameters.items()
    return ", ".join(f"{name} {_number(value)}" for name, value in settings if name in varied)


def _message(trial: StudyTrial, limits: Iterable[str]) -> str:
    return "; ".join(filter(None, (trial.message, *(f"breaks {limit}" for limit in limits))))


def _varied(trials: list[StudyTrial]) -> set[str]:
    seen: dict[str, set[object]] = {}
    for trial in trials:
        for name, value in trial.configuration.hyperparameters.items():
            seen.setdefault(name, set()).add(value)
    return {name for name, values in seen.items() if len(values) > 1 or len(trials) == 1}


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
