"""``automl status``: where a run stands, also while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from automl.plan import Plan
    from automl.rundir import RunDir
    from automl.search.history import History
    from automl.search.trial import StudyTrial


def command(
    run: Annotated[
        Path | None, typer.Argument(help="Run folder or recipe.", show_default="the newest run")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            help="Database URL, for a study that several machines share; with its recipe.",
            envvar="AUTOML_STORAGE",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show where a run stands: live or not, budget used, what waits, best so far, disk.

    A study in a database can be looked at from any machine, by its recipe.
    """
    import json

    from automl.cli import _target

    elsewhere = _elsewhere(run, storage)
    facts = _shared_facts(*elsewhere) if elsewhere else _facts(_target.find(run))
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    from automl.cli import _console
    from automl.exporters import _units

    table = _console.table("", "", folding=("",))
    table.show_header = False
    for name, value in facts.items():
        shown = _console.size(value) if name.endswith("_bytes") else _text(value)
        if name == "best_costs":
            shown = ", ".join(f"{cost} {_units.cost(cost, spent)}" for cost, spent in value.items())
        table.add_row(name.removesuffix("_bytes").replace("_", " "), shown)
    _console.stdout().print(table)


def _elsewhere(run: Path | None, storage: str | None) -> tuple[str, str] | None:
    """The database and the name of the study that is meant; None where it is a run folder."""
    from automl import pipeline

    if run is None or not run.is_file():
        return None
    recipe = pipeline.load_recipe(run).recipe
    url = storage or recipe.storage
    return (url, recipe.name) if url else None


def _shared_facts(storage: str, name: str) -> dict[str, Any]:
    from automl import membership

    found = membership.look(storage, name)
    live = bool(found.machines)
    state = f"running on {len(found.machines)}" if live else "stopped"
    facts = {
        "run": name,
        "storage": found.storage,
        "state": "finished" if found.finished and not live else state,
        "machines": ", ".join(found.machines) or None,
        **_search(found.plan, found.history, live),
    }
    return _known(facts)


def _facts(rundir: RunDir) -> dict[str, Any]:
    from automl import documents, finish
    from automl.plan import Plan
    from automl.rundir import bytes_below
    from automl.search.history import read

    plan = documents.read(Plan, rundir.plan)
    ended = finish.read(rundir)
    holder = rundir.holder()
    state = f"running (pid {holder})" if holder else "finished" if ended else "stopped"
    facts: dict[str, Any] = {
        "run": plan.name,
        "folder": str(rundir.root),
        "state": state,
        **_search(plan, read(rundir.study), holder is not None),
        "test": dict(ended.score.splits["test"].metrics) if ended else None,
        "bundle": str(rundir.bundle) if rundir.bundle.exists() else None,
        "checkpoints_bytes": sum(bytes_below(path) for path in rundir.trials.glob("*/checkpoint")),
        "disk_bytes": bytes_below(rundir.root),
    }
    return _known(facts)


def _search(plan: Plan, history: History, live: bool) -> dict[str, Any]:
    """What the search has come to."""
    from automl import finish
    from automl.search.choice import choose, values

    goal = plan.goal
    best = choose(finish.of_the_plan(history.trials, plan), goal)
    found = values(best, goal, history.trials) if best else {}
    tried = sum(trial.repeat_of is None for trial in history.trials)
    return {
        "why_it_ended": history.ended or None,
        "trials": f"{tried} of {plan.budget.trials or 'unlimited'}",
        "states": _states(history.trials, live),
        "waiting_at_rungs": _waiting(history.trials),
        "repeats": len(history.trials) - tried,
        "search_seconds": round(history.seconds, 1),
        "time_budget_seconds": plan.budget.seconds,
        "goal": f"{goal.direction} {goal.metric}",
        "best_trial": best.number if best else None,
        "best_candidate": best.configuration.candidate if best else None,
        "best_value": found.get(goal.metric),
        "best_costs": {name: value for name, value in found.items() if name != goal.metric},
    }


def _known(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts without those that say nothing."""
    absent = ("why_it_ended", "waiting_at_rungs", "repeats", "best_costs")
    return {name: value for name, value in facts.items() if value or name not in absent}


def _states(trials: Iterable[StudyTrial], live: bool) -> dict[str, int]:
    from collections import Counter

    return dict(
        Counter(
            "paused" if trial.state == "running" and (trial.paused or not live) else trial.state
            for trial in trials
        )
    )


def _waiting(trials: Iterable[StudyTrial]) -> dict[str, int]:
    """Training samples of a rung → trials that wait there."""
    from collections import Counter

    waiting = [t for t in trials if t.paused and t.state == "running" and t.evaluations]
    counts = Counter(trial.evaluations[-1].samples for trial in waiting)
    return {f"{samples:,}": count for samples, count in sorted(counts.items())}


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(part)}" for name, part in value.items())
    return str(value)
