"""``automl status``: where a run stands, also while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from automl.rundir import RunDir


def command(
    run: Annotated[
        Path | None, typer.Argument(help="Run folder or recipe.", show_default="the newest run")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show where a run stands: live or not, budget used, best so far, failures, disk."""
    import json

    from automl.cli import _target

    facts = _facts(_target.find(run))
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    from automl.cli import _console

    table = _console.table("", "", folding=("",))
    table.show_header = False
    for name, value in facts.items():
        shown = _console.size(value) if name == "disk_bytes" else _text(value)
        table.add_row(name.removesuffix("_bytes").replace("_", " "), shown)
    _console.stdout().print(table)


def _facts(rundir: RunDir) -> dict[str, Any]:
    from collections import Counter

    from automl import documents, finish
    from automl.plan import Plan
    from automl.search.history import read

    plan = documents.read(Plan, rundir.plan)
    history = read(rundir.study)
    best = history.best(plan.goal.direction)
    ended = finish.read(rundir)
    holder = rundir.holder()
    state = f"running (pid {holder})" if holder else "finished" if ended else "stopped"
    return {
        "run": plan.name,
        "folder": str(rundir.root),
        "state": state,
        "trials": f"{len(history.trials)} of {plan.budget.trials or 'unlimited'}",
        "states": dict(
            Counter(
                "paused" if trial.state == "running" and not holder else trial.state
                for trial in history.trials
            )
        ),
        "search_seconds": round(history.seconds, 1),
        "time_budget_seconds": plan.budget.seconds,
        "goal": f"{plan.goal.direction} {plan.goal.metric}",
        "best_trial": best.number if best else None,
        "best_candidate": best.configuration.candidate if best else None,
        "best_value": best.value(plan.goal.direction) if best else None,
        "test": dict(ended.score.splits["test"].metrics) if ended else None,
        "bundle": str(rundir.bundle) if rundir.bundle.exists() else None,
        "disk_bytes": sum(p.stat().st_size for p in rundir.root.rglob("*") if p.is_file()),
    }


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(part)}" for name, part in value.items())
    return str(value)
