"""The last screen of a run: what won, how good it is, what failed, and what to type next."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from automl.cli import _console
from automl.cli._live import short
from automl.exporters import CheckResult
from automl.pipeline import RunResult


def show(result: RunResult) -> None:
    """Print the result to stdout."""
    console = _console.stdout()
    if result.bundle is None:
        _interrupted(console, result)
        return
    _winner(console, result)
    console.print(_scores(result))
    _floor(console, result)
    if result.checks:
        console.print(_checks(result.checks))
    _next(console, result)


def _interrupted(console: Console, result: RunResult) -> None:
    best = result.best
    found = f"best so far: {_value(result)} (trial {best.number})" if best else "no result yet"
    console.print(f"interrupted; {found}. What was running is saved.")
    console.print("continue: the same command again")


def _value(result: RunResult) -> str:
    value = result.best.value if result.best else None
    return f"{result.goal.metric} {value:.4f}" if value is not None else "none"


def _winner(console: Console, result: RunResult) -> None:
    best = result.best
    assert best is not None
    states = [trial.state for trial in result.trials]
    counts = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
    console.print(
        f"\n[bold]{result.name}[/bold]: {len(states)} trials ({counts}) in {result.seconds:.0f} s"
    )
    console.print(
        f"winner: trial {best.number}, {best.configuration.candidate}, "
        f"{short(best.configuration.hyperparameters)}; validation {_value(result)}"
    )


def _scores(result: RunResult) -> Table:
    assert result.test is not None
    assert result.floor is not None
    table = Table(box=None, padding=(0, 2), title_justify="left", header_style="dim")
    table.add_column(f"test ({result.test.rows} rows)")
    table.add_column("winner", justify="right")
    table.add_column("95% interval", justify="right")
    table.add_column("floor", justify="right")
    for name, value in result.test.metrics.items():
        interval = result.test.intervals.get(name)
        style = "bold" if name == result.goal.metric else None
        table.add_row(
            name,
            f"{value:.4f}",
            f"{interval.low:.4f} to {interval.high:.4f}" if interval else "",
            f"{result.floor.metrics[name]:.4f}",
            style=style,
        )
    return table


def _floor(console: Console, result: RunResult) -> None:
    assert result.test is not None
    assert result.floor is not None
    name = result.goal.metric
    gain = result.test.metrics[name] - result.floor.metrics[name]
    if (gain if result.goal.direction == "maximize" else -gain) <= 0:
        console.print(
            f"[bold red]The floor, a model without a neural network, is as good or better on "
            f"{name}: ship that, or look at the data.[/bold red]"
        )


def _checks(checks: tuple[CheckResult, ...]) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for column in ("check", "actual", ""):
        table.add_column(column)
    for check in checks:
        actual = "not measured" if check.actual is None else f"{check.actual:.4f}"
        mark = "[green]passed[/green]" if check.passed else "[bold red]MISSED[/bold red]"
        table.add_row(check.expression.replace("[", r"\["), actual, mark)
    return table


def _next(console: Console, result: RunResult) -> None:
    assert result.bundle is not None
    bundle = _short_path(result.bundle)
    if any(not check.passed for check in result.checks):
        console.print("[bold red]checks missed: the bundle is written, and marked[/bold red]")
    console.print(f"\nbundle: {bundle}")
    console.print("next:")
    console.print(f'  automl predict {bundle} --text "..."   # or a csv, jsonl or txt file')
    console.print(f"  {bundle}/README.md   # the model card")
    console.print(f"  automl trials {_short_path(result.folder)}   # all that was tried")
    console.print("  a larger budget in the recipe, then the same command: the search goes on")


def _short_path(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
