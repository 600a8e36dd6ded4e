"""Compiling for a screen, and a plan as tables; shared by ``plan`` and ``lock``."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from automl.cli import _console
from automl.plan import Candidate, Parameter, Plan

if TYPE_CHECKING:
    from automl.compiler.compile import Compiled

LISTED_CLASSES = 12
"""Classes shown one by one; with more, only their number and the rarest and commonest."""


def compiled(recipe: Path, pins: Mapping[str, str]) -> Compiled:
    """Load and compile the recipe, saying on stderr what is going on."""
    from automl.compiler.compile import compile_recipe
    from automl.compiler.verify import load_verified

    loaded = load_verified(recipe)
    console = Console(stderr=True, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="automl-"))
    with console.status("") as status:

        def say(stage: str, text: str) -> None:
            status.update(f"{stage}: {escape(text)}")

        found = compile_recipe(loaded, folder, say, pins=pins)
    shutil.rmtree(folder)  # only now: after a failure its log is what there is to read
    return found


def locked_pins(recipe: Path) -> dict[str, str]:
    """Return hub id → commit from the recipe's lock, where there is one."""
    from automl.compiler.lock import lock_path, read_lock

    path = lock_path(recipe)
    return read_lock(path).pins() if path.exists() else {}


def trial_seconds(plan: Plan) -> dict[str, float]:
    """Return candidate → training seconds of its default configuration, where measured here."""
    from automl import machine
    from automl.compiler import timing
    from automl.executors._slots import lay_out

    gpus = tuple(gpu.id for gpu in machine.gpus())
    slots = len(lay_out(plan.devices, gpus, machine.physical_cores()))
    found = {}
    for candidate in plan.candidates:
        setting = timing.known(plan, candidate, slots)
        if setting is not None:
            found[candidate.id] = timing.predicted_seconds(plan, candidate, setting)
    return found


def show(plan: Plan, seconds: Mapping[str, float]) -> None:
    """Print the plan to stdout; ``seconds`` a trial by candidate, where known."""
    console = _console.stdout()
    console.print(f"[bold]{plan.name}[/bold]: {plan.task}, {plan.goal.direction} {_goal(plan)}")
    _show_data(console, plan)
    for candidate in plan.candidates:
        console.print()
        _show_candidate(console, candidate, seconds.get(candidate.id))
    console.print()
    for refusal in plan.refused:
        console.print(f"[red]refused[/red] {escape(refusal.reference)}: {escape(refusal.reason)}")
    console.print(_budget(plan))


def _goal(plan: Plan) -> str:
    limits = "".join(f", {limit}" for limit in plan.goal.subject_to)
    return f"{plan.goal.metric}{limits}"


def _show_data(console: Console, plan: Plan) -> None:
    data = plan.data
    columns = ", ".join(f"{role} = {column}" for role, column in data.columns.items())
    console.print(f"columns: {escape(columns)}")
    console.print(_splits(plan))
    if data.labels:
        console.print(f"classes: {escape(_classes(plan))}")
    for warning in data.warnings:
        console.print(f"[yellow]warning[/yellow] {escape(warning)}")


def _splits(plan: Plan) -> Table:
    table = _table("split", "rows", "from")
    rule = plan.data.split
    shares = {"validation": rule.validation_share, "test": rule.test_share}
    for split, rows in plan.data.rows.items():
        sources = [source.reference for source in plan.data.sources if source.split == split]
        share = shares.get(split)
        origin = f"{share:.0%} of train, seed {rule.seed}" if share else ", ".join(sources)
        table.add_row(split, f"{rows:,}", escape(origin))
    return table


def _classes(plan: Plan) -> str:
    counts = plan.data.profile.class_counts.get("train", {})
    labels = plan.data.labels
    if len(labels) <= LISTED_CLASSES:
        return ", ".join(f"{label} {counts.get(label, 0):,}" for label in labels)
    order = sorted(labels, key=lambda label: counts.get(label, 0))
    rarest, commonest = order[0], order[-1]
    return (
        f"{len(labels)}, from {rarest} ({counts.get(rarest, 0):,} train rows) "
        f"to {commonest} ({counts.get(commonest, 0):,})"
    )


def _show_candidate(console: Console, candidate: Candidate, seconds: float | None) -> None:
    licence = candidate.license or "licence unknown"
    console.print(f"[bold]{candidate.id}[/bold]  {escape(_origin(candidate))}, {escape(licence)}")
    console.print(f"  {_cost(candidate, seconds)}")
    console.print(f"  {_tokens(candidate)}")
    console.print(_space(candidate))
    fixed = [each for each in candidate.space if len(each.choices) == 1]
    values = ", ".join(f"{each.name} {_number(each.default)}" for each in fixed)
    console.print(f"  [dim]fixed[/dim] {values}")


def _cost(candidate: Candidate, seconds: float | None) -> str:
    fit = candidate.fit
    download = f"{_bytes(fit.download_bytes)} to download" if fit.download_bytes else "no download"
    trial = (
        f"{seconds:.0f} s a trial" if seconds is not None else "seconds a trial not measured yet"
    )
    return (
        f"{_count(candidate.parameters)} parameters, {download}, {_bytes(fit.disk_bytes)} on disk, "
        f"{_bytes(fit.memory_bytes)} memory a process, {trial}"
    )


def _tokens(candidate: Candidate) -> str:
    cut = f"texts cut at {candidate.max_length} tokens"
    found = candidate.lengths
    if found is None:
        return cut
    return (
        f"{cut}: {found.truncated_share:.1%} are longer (p50 {found.p50}, p95 {found.p95}, "
        f"longest {found.max})"
    )


def _origin(candidate: Candidate) -> str:
    revision = candidate.revision
    if candidate.source == "hub" and revision:
        return f"hub {candidate.reference}@{revision[:7]}"
    return f"{candidate.source} {candidate.reference}{f' {revision}' if revision else ''}"


def _space(candidate: Candidate) -> Table:
    table = _table("  searched", "values", "first tried", "from")
    for parameter in candidate.space:
        if len(parameter.choices) != 1:
            table.add_row(
                f"  {parameter.name}",
                _values(parameter),
                _number(parameter.default),
                escape(parameter.source),
            )
    return table


def _values(parameter: Parameter) -> str:
    if parameter.kind == "choice":
        return ", ".join(_number(choice) for choice in parameter.choices)
    assert parameter.low is not None
    assert parameter.high is not None
    log = ", log" if parameter.log else ""
    return f"{_number(parameter.low)} to {_number(parameter.high)}{log}"


def _budget(plan: Plan) -> str:
    budget = plan.budget
    parts = [f"{budget.trials} trials"] if budget.trials is not None else []
    parts += [f"{budget.seconds:.0f} s"] if budget.seconds is not None else []
    each = f", {budget.trial_seconds:.0f} s a trial" if budget.trial_seconds is not None else ""
    return f"budget: {' or '.join(parts) or 'no limit'}{each}"


def _table(*headers: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", title_justify="left")
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _count(number: int) -> str:
    for size, unit in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "K")):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)


def _bytes(number: int) -> str:
    for size, unit in ((1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "KB")):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} B"
