"""The last screen of a run: what won, how good it is, what failed, and what to type next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from automl import documents, tasks
from automl.bundle import INFO, BundleInfo
from automl.cli import _console
from automl.cli._live import short
from automl.compiler.limits import parse
from automl.exporters import CheckResult
from automl.exporters._search_tables import MOST_POINTS, standing
from automl.exporters._units import checked, cost
from automl.pipeline import RunResult

if TYPE_CHECKING:
    from automl.finish.retest import Retest


def show(result: RunResult) -> None:
    """Print the result to stdout."""
    console = _console.stdout()
    if result.bundle is None:
        _interrupted(console, result)
        return
    _winner(console, result)
    front = _front(result)
    if front is not None:
        console.print()
        console.print(front)
    console.print()
    console.print(_scores(result))
    for line in [*_tuned(result), *_formats(result)]:
        console.print(escape(line))
    if _costs(result):
        console.print(_costs(result))
    _probe(console, result)
    _floor(console, result)
    if result.checks:
        console.print(answers(result.checks))
    _next(console, result)


def _interrupted(console: Console, result: RunResult) -> None:
    best = result.best
    found = f"best so far: {_value(result)} (trial {best.number})" if best else "no result yet"
    console.print(f"interrupted; {found}. What was running is saved.")
    console.print("continue: the same command again")
    if result.report is not None:
        console.print(f"report: {_short_path(result.report)}")


def _value(result: RunResult) -> str:
    value = result.best.value if result.best else None
    return f"{result.goal.metric} {value:.4f}" if value is not None else "none"


def _winner(console: Console, result: RunResult) -> None:
    best = result.best
    assert best is not None
    searched = [trial.state for trial in result.trials if trial.repeat_of is None]
    counts = ", ".join(f"{searched.count(s)} {s}" for s in dict.fromkeys(searched))
    repeats = len(result.trials) - len(searched)
    more = f" and {repeats} repeats" if repeats else ""
    console.print(
        f"\n[bold]{result.name}[/bold]: {len(searched)} trials ({counts}){more} "
        f"in {result.seconds:.0f} s"
    )
    if result.choice and result.choice.ended:
        console.print(f"the search ended: {escape(result.choice.ended)}")
    console.print(
        f"winner: trial {best.number}, {best.configuration.candidate}, "
        f"{short(best.configuration.hyperparameters)}; validation {_value(result)}"
    )
    for line in _confirmed(result) + _soup(result):
        console.print(line)


def _confirmed(result: RunResult) -> list[str]:
    """What new seeds say of the winner, and of picking by the best value."""
    choice, best, metric = result.choice, result.best, result.goal.metric
    if choice is None or best is None or choice.optimism is None:
        return []
    found = choice.of(best.number)
    lines = []
    if found:
        seeds = ", ".join(f"{value:.4f}" for value in found.values)
        lines.append(f"  mean of {len(found.values)} seeds: {metric} {found.mean:.4f} ({seeds})")
    worse = choice.optimism > 0
    lines.append(
        f"  new seeds of the best {len(choice.confirmed)} did "
        f"{abs(choice.optimism):.4f} {'worse' if worse else 'better'} on average than first seen"
        + (": so much does picking flatter" if worse else "")
    )
    return lines


def _soup(result: RunResult) -> list[str]:
    soup = result.choice.soup if result.choice else None
    if soup is None:
        return []
    if len(soup.members) < 2:
        return ["  averaging weights gained nothing: the winner leaves alone"]
    figures = f"{soup.average:.4f} against {soup.single:.4f} on the held-back half of validation"
    if not soup.accepted:
        return [f"  the average of {len(soup.members)} models is not taken: {figures}"]
    named = ", ".join(map(str, soup.members))
    return [f"  exported is the average of trials {named}: {figures}"]


def _front(result: RunResult) -> Table | None:
    """What can be had with several objectives, the best by the first one on top."""
    points = result.choice.points if result.choice else ()
    shown = [one for one in points if one.front or one.chosen or len(points) <= MOST_POINTS]
    if not shown:
        return None
    table = Table(box=None, padding=(0, 2), header_style="dim")
    names = list(shown[0].values)
    for column in ("trial", "candidate"):
        table.add_column(column)
    for column in names:
        table.add_column(column, justify="right")
    table.add_column("")
    for one in shown:
        table.add_row(
            str(one.trial),
            one.candidate,
            *(cost(name, one.values[name]) for name in names),
            standing(one.front, one.feasible, one.chosen),
            style="bold" if one.chosen else None if one.feasible else "dim",
        )
    return table


def _costs(result: RunResult) -> str:
    """What prediction with the model that leaves costs, with the goal's limits."""
    if not result.costs or not (result.goal.subject_to or result.goal.also):
        return ""
    told = [
        f"{name.removesuffix('_ms')} {cost(name, value)}" for name, value in result.costs.items()
    ]
    limits = [parse(text) for text in result.goal.subject_to]
    over = [
        limit.text
        for limit in limits
        if limit.quantity in result.costs and not limit.holds(result.costs[limit.quantity])
    ]
    kept = f"; breaks {', '.join(over)}" if over else "; keeps its limits" if limits else ""
    return f"costs, measured now: {', '.join(told)}{kept}"


def _tuned(result: RunResult) -> list[str]:
    from automl.finish.calibrating import said  # with Optuna behind it: not for refusals

    return said(result.tuned, result.goal.metric) if result.tuned else []


def _formats(result: RunResult) -> list[str]:
    from automl.finish.converting import said  # as above

    return said(result.formats)


def _scores(result: RunResult) -> Table:
    assert result.test is not None
    assert result.floor is not None
    table = Table(box=None, padding=(0, 2), title_justify="left", header_style="dim")
    table.add_column(f"test ({result.test.rows} rows)")
    table.add_column("winner", justify="right")
    table.add_column("95% interval", justify="right")
    if result.plain:
        table.add_column("without thresholds", justify="right")
    table.add_column("floor", justify="right")
    came = result.untrained
    if came is not None:
        fewer = "" if came.rows == result.test.rows else f" ({came.rows} rows)"
        table.add_column(f"untrained{fewer}", justify="right")
    for name, value in result.test.metrics.items():
        interval = result.test.intervals.get(name)
        style = "bold" if name == result.goal.metric else None
        table.add_row(
            name,
            f"{value:.4f}",
            f"{interval.low:.4f} to {interval.high:.4f}" if interval else "",
            *([f"{result.plain[name]:.4f}"] if result.plain else []),
            f"{result.floor.metrics[name]:.4f}",
            *([] if came is None else [f"{came.metrics[name]:.4f}"]),
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
    if result.untrained is None:
        return
    gain = result.test.metrics[name] - result.untrained.metrics[name]
    if (gain if result.goal.direction == "maximize" else -gain) <= 0:
        console.print(
            f"[bold red]The candidate as it comes, untrained, is as good or better on {name}: "
            f"ship that, or search elsewhere.[/bold red]"
        )


def _probe(console: Console, result: RunResult) -> None:
    """How far a frozen encoder gets, on validation: seconds where fine-tuning takes minutes."""
    probes = [trial for trial in result.trials if trial.probe and trial.value is not None]
    if not probes or result.best is None or result.best.probe:
        return
    sign = 1 if result.goal.direction == "maximize" else -1
    best = max(probes, key=lambda trial: sign * (trial.value or 0.0))
    console.print(
        f"frozen {best.configuration.candidate} with a linear head, on validation: "
        f"{result.goal.metric} {best.value:.4f} in {best.seconds:.1f} s (trial {best.number})"
    )


def show_retest(found: Retest) -> None:
    """Print a bundle's metrics and checks, as they are now."""
    console = _console.stdout()
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for column in (f"{found.name}: {found.test.rows:,} rows", "is", "95% interval"):
        table.add_column(column)
    for name, value in sorted(found.test.metrics.items()):
        interval = found.test.intervals.get(name)
        shown = f"{interval.low:.4f} to {interval.high:.4f}" if interval else ""
        table.add_row(name, f"{value:.4f}", shown)
    console.print(table)
    console.print(answers(found.checks) if found.checks else "the recipe asks for no checks")


def answers(checks: tuple[CheckResult, ...]) -> Table:
    """Return the checks and how they were answered, as a table."""
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for column in ("check", "actual", "", ""):
        table.add_column(column)
    for check in checks:
        actual = checked(check.expression, check.actual)
        mark = "[green]passed[/green]" if check.passed else "[bold red]MISSED[/bold red]"
        mark = "[yellow]skipped[/yellow]" if check.skipped else mark
        table.add_row(escape(check.expression), actual, mark, f"[dim]{escape(check.detail)}[/dim]")
    return table


def _given(bundle: Path) -> str:
    """What of a command line the bundle can be given: a text, or rows where one text won't do."""
    info = documents.read(BundleInfo, bundle / INFO)
    task = tasks.get(info.task)
    if task.media:
        drawn = " --draw sheet.png" if task.draw is not None else ""
        return f"{task.things}/{drawn}   # files, folders of them, or a csv that names them"
    asked = [
        role
        for role in task.asked(info.columns)
        if role.asked == "always" and (role.required or role.name in info.columns)
        if not role.instead_of
    ]
    if len(asked) == 1:
        return '--text "..."   # or a csv, jsonl or txt file'
    return f"rows.jsonl   # or csv: {', '.join(info.columns.get(r.name, r.name) for r in asked)}"


def _next(console: Console, result: RunResult) -> None:
    assert result.bundle is not None
    bundle = _short_path(result.bundle)
    if any(not check.passed for check in result.checks):
        console.print("[bold red]checks missed: the bundle is written, and marked[/bold red]")
    console.print(f"\nbundle: {bundle}")
    console.print("next:")
    console.print(f"  automl predict {bundle} {_given(result.bundle)}")
    console.print(f"  {bundle}/README.md   # the model card")
    if result.report is not None:
        console.print(f"  {_short_path(result.report)}   # how it was found, as a page to look at")
    console.print(f"  automl trials {_short_path(result.folder)}   # all that was tried")
    if result.outcome == "settled":
        console.print("  a wider space, or search.stop: never, then the same command: it goes on")
    else:
        console.print("  a larger budget in the recipe, then the same command: the search goes on")


def _short_path(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
