"""Compiling for a screen, and a plan as tables; shared by ``plan`` and ``lock``."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from automl import tasks
from automl.cli import _console
from automl.plan import Answer, Candidate, Configuration, Parameter, Plan
from automl.tasks import Task

if TYPE_CHECKING:
    from automl.compiler.compile import Compiled
    from automl.compiler.lock import Lock
    from automl.compiler.timing import Setting

LISTED_CLASSES = 12
"""Classes shown one by one; with more, only their number and the rarest and commonest."""


def compiled(recipe: Path, lock: Lock | None) -> Compiled:
    """Load and compile the recipe under ``lock``, saying on stderr what is going on."""
    from automl.compiler.compile import compile_recipe
    from automl.compiler.verify import load_verified

    loaded = load_verified(recipe, pinned=lock is not None)
    console = Console(stderr=True, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="automl-"))
    with console.status("") as status:

        def say(stage: str, text: str) -> None:
            status.update(f"{stage}: {escape(text)}")

        found = compile_recipe(loaded, folder, say, lock=lock)
    shutil.rmtree(folder)  # only now: after a failure its log is what there is to read
    return found


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of a candidate on this machine, and its default trial's seconds."""

    setting: Setting
    trial_seconds: float


def measured(plan: Plan) -> dict[str, Measured]:
    """Return candidate → what its training costs here, of those measured before.

    What it costs on a cluster is not shown: no cluster is needed to see a plan.
    """
    from automl.compiler import timing
    from automl.executors._slots import over_this_machine

    if plan.devices.address is not None:
        return {}
    slots = len(over_this_machine(plan.devices))
    found = {}
    for candidate in plan.candidates:
        setting = timing.known(plan, candidate, slots)
        if setting is not None:
            default = Configuration(candidate.id, {p.name: p.default for p in candidate.space})
            seconds = timing.whole_trial_seconds(plan, setting, default)
            found[candidate.id] = Measured(setting, seconds)
    return found


def laid_out(plan: Plan, costs: Mapping[str, Measured]) -> dict[str, str]:
    """Return candidate → how its trials are laid over this machine's GPUs; empty without any."""
    from automl import machine
    from automl.compiler import layout

    gpus = machine.gpus()
    settings = {name: cost.setting for name, cost in costs.items()}
    found = layout.of(plan, settings, gpus, machine.physical_cores())
    return {
        name: layout.words(need, gpus) if need else "[red]no GPU here has room for it[/red]"
        for name, need in found.items()
    }


def show(plan: Plan, costs: Mapping[str, Measured], screening_seconds: float | None = None) -> None:
    """Print the plan to stdout; ``costs`` by candidate, where measured."""
    places = laid_out(plan, costs)
    console = _console.stdout()
    task = tasks.get(plan.task)
    console.print(f"[bold]{plan.name}[/bold]: {plan.task}, {escape(_goal(plan))}")
    for parent in plan.parents:
        console.print(f"extends {escape(parent.reference)} at commit {parent.revision[:7]}")
    _show_data(console, plan)
    if plan.screening:
        console.print()
        took = f" ({screening_seconds:.0f} s when it was done)" if screening_seconds else ""
        console.print(f"compared as frozen encoders{took}:")
        console.print(_screening(plan))
    for candidate in plan.candidates:
        console.print()
        _show_candidate(console, candidate, task, costs.get(candidate.id), places.get(candidate.id))
    console.print()
    for answer in plan.answers:
        console.print(escape(_answer(answer)))
    for refusal in plan.refused:
        console.print(f"[red]refused[/red] {escape(refusal.reference)}: {escape(refusal.reason)}")
    console.print(_search(plan))
    console.print(_trials(plan))
    console.print(_end(plan))


def _goal(plan: Plan) -> str:
    goal = plan.goal
    objectives = {goal.metric: goal.direction, **goal.also}
    parts = [f"{direction} {name}" for name, direction in objectives.items()]
    if goal.prefer:
        parts.append(f"prefer {goal.prefer.metric} within {goal.prefer.within:g}")
    return ", ".join([*parts, *goal.subject_to])


def _screening(plan: Plan) -> Table:
    table = _table("rank", "model", "score", "best layer", "", "because")
    for each in plan.screening:
        table.add_row(
            str(each.rank),
            escape(each.reference),
            f"{each.score:.3f}",
            str(each.layer) if each.layer else "embeddings",
            "kept" if each.kept else "left out",
            escape(each.reason),
        )
    return table


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


def _show_candidate(
    console: Console, candidate: Candidate, task: Task, cost: Measured | None, place: str | None
) -> None:
    licence = candidate.license or "licence unknown"
    console.print(f"[bold]{candidate.id}[/bold]  {escape(_origin(candidate))}, {escape(licence)}")
    console.print(f"  {_cost(candidate, cost)}")
    if place:
        console.print(f"  trials here: {place}")
    if task.unit:
        console.print(f"  {_tokens(candidate, task)}")
    for note in candidate.notes:
        console.print(f"  {escape(note)}")
    console.print(_space(candidate))
    fixed = [each for each in candidate.space if len(each.choices) == 1]
    values = ", ".join(f"{each.name} {_number(each.default)}" for each in fixed)
    console.print(f"  [dim]fixed[/dim] {values}")
    starts = len(candidate.portfolio)
    if starts > 1:
        console.print(f"  [dim]first[/dim] {starts} different starts, the defaults before all")


def _cost(candidate: Candidate, cost: Measured | None) -> str:
    fit = candidate.fit
    download = f"{_bytes(fit.download_bytes)} to download" if fit.download_bytes else "no download"
    parts = [
        f"{_count(candidate.parameters)} parameters",
        download,
        f"{_bytes(fit.disk_bytes)} on disk",
    ]
    if cost is None:
        memory = f"about {_bytes(fit.memory_bytes)} memory a process"
        return ", ".join([*parts, memory, "seconds a trial not measured yet"])
    setting = cost.setting
    default = next(int(p.default) for p in candidate.space if p.name == "batch_size")
    return ", ".join(
        [
            *parts,
            f"{_bytes(setting.memory_bytes(default))} memory a process",
            f"{setting.step_seconds(default):.2g} s a step of {default} "
            f"({setting.precision}, {_counted(setting.threads, 'thread')})",
            f"{cost.trial_seconds:.0f} s a trial of the defaults",
        ]
    )


def _tokens(candidate: Candidate, task: Task) -> str:
    cut = f"{task.things} cut at {candidate.max_length} {task.unit}"
    found = candidate.lengths
    if found is None:
        return cut
    if not found.truncated_share and found.max > candidate.max_length:
        return (
            f"{task.things} in pieces of up to {candidate.max_length} {task.unit}, nothing cut "
            f"(p50 {found.p50}, p95 {found.p95}, longest {found.max})"
        )
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
    from automl.compiler.drift import label

    table = _table("  searched", "values", "first tried", "from")
    for parameter in candidate.space:
        if len(parameter.choices) != 1:
            table.add_row(
                f"  {label(parameter, candidate.space)}",
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


def _answer(answer: Answer) -> str:
    """Say what a query came to, and where the hub was not asked."""
    from automl.compiler.queries import words

    where = "" if answer.origin == "hub" else " (from this machine's cache: the hub was not there)"
    found = ", ".join(
        f"{hit.reference}@{hit.revision[:7]}"
        + (f" ({_count(hit.parameters)} parameters)" if hit.parameters else "")
        for hit in answer.hits
    )
    others = f"; {len(answer.refused)} others refused" if answer.refused else ""
    return f"query for {words(answer)}{where}: {found or 'none that is not listed'}{others}"


def _search(plan: Plan) -> str:
    search = plan.search
    often = f"scored every {search.evaluation_samples:,} samples"
    if not search.rungs:
        return f"search: sampler {search.sampler}, strategy {search.strategy}, {often}"
    levels = ", ".join(f"{samples:,}" for samples in search.rungs)
    return (
        f"search: sampler {search.sampler}, strategy {search.strategy} with rungs at {levels} "
        f"samples (about one in {search.eta} goes on), {often}"
    )


def _trials(plan: Plan) -> str:
    """What is tried before anything is sampled, and what is done with the best."""
    search = plan.search
    starts = sum(len(candidate.portfolio) for candidate in plan.candidates)
    parts = [f"{_counted(starts, 'start')} before sampling"] if starts else []
    parts += [f"experience {'used and recorded' if search.experience else 'off'}"]
    parts += [f"the best {search.repeats} repeated with new seeds"] if search.repeats else []
    parts += ["soup of the best models tried"] if search.soup else []
    parts += ["ends early when settled"] if search.stop == "auto" else []
    return f"trials: {', '.join(parts)}"


def _end(plan: Plan) -> str:
    budget, share = plan.budget, plan.search.finish_share
    parts = [f"{budget.trials} trials"] if budget.trials is not None else []
    kept = f" ({share:.0%} of it for repeats)" if share else ""
    parts += [f"{budget.seconds:.0f} s{kept}"] if budget.seconds is not None else []
    each = f", {budget.trial_seconds:.0f} s a trial" if budget.trial_seconds is not None else ""
    return f"budget: {' or '.join(parts) or 'no limit'}{each}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


def _table(*headers: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", title_justify="left")
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def _number(value: object) -> str:
    """The value as a recipe writes it, to three digits."""
    if isinstance(value, bool):
        return str(value).lower()
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
