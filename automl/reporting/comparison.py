"""Runs side by side: what they scored where that can be compared, and in what they differ.

Test scores are compared only on the very same rows, and goals only by the same metric; where that
is not so, it is said instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from automl import documents, finish
from automl.errors import RunFolderError
from automl.exporters._paths import around, hide, origin
from automl.exporters._units import count, duration, setting
from automl.finish import Finish
from automl.finish.account import of_the_plan
from automl.jobs import Interval, SplitScore
from automl.plan import SPLITS, Plan
from automl.rundir import RunDir
from automl.search import history
from automl.search.choice import choose
from automl.search.trial import StudyTrial


@dataclass(frozen=True, slots=True)
class Run:
    """One of the runs, as far as it has come."""

    name: str
    """Its folder's name, with as much of the path before it as tells it from the others."""
    plan: Plan
    finish: Finish | None
    best: StudyTrial | None
    trials: int
    seconds: float
    test_rows: str | None
    """SHA-256 of the test split's table; null where it is not there."""
    recipe: Mapping[str, str]
    """Place in the effective recipe (``search.seed``) → value."""

    @property
    def test(self) -> SplitScore | None:
        """The test split's score; null until the winner has been scored."""
        return self.finish.score.splits["test"] if self.finish else None


@dataclass(frozen=True, slots=True)
class Section:
    """Facts under one title: name → one value a run."""

    title: str
    rows: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The runs, why their scores or goals cannot be compared, and their differences."""

    runs: tuple[Run, ...]
    objections: tuple[str, ...]
    """Why scores are not put side by side; empty where they are."""
    remarks: tuple[str, ...]
    """What to make of the scores."""
    sections: tuple[Section, ...] = field(default=())

    @property
    def comparable(self) -> bool:
        """Whether the runs were scored on the same rows of the same task."""
        return not self.objections


def read(rundir: RunDir, name: str) -> Run:
    """Return what there is of a run; raises RunFolderError where there is none."""
    if not rundir.plan.exists():
        raise RunFolderError(f"there is no run in {rundir.root} (no plan.json)")
    plan = documents.read(Plan, rundir.plan)
    found = history.read(rundir.study)
    ended = finish.read(rundir)
    best = choose(of_the_plan(found.trials, plan), plan.goal)
    if ended is not None and ended.trial < len(found.trials):
        best = found.trials[ended.trial]
    table = rundir.table("test")
    recipe = rundir.recipe.read_text() if rundir.recipe.exists() else ""
    return Run(
        name,
        plan,
        ended,
        best,
        sum(trial.repeat_of is None for trial in found.trials),
        found.seconds,
        hashlib.sha256(table.read_bytes()).hexdigest() if table.exists() else None,
        dict(_flat(YAML(typ="safe").load(hide(recipe, around([(rundir.root, "…")], recipe))))),
    )


def names(folders: Sequence[Path]) -> tuple[str, ...]:
    """Return the shortest ends of the paths that tell them apart."""
    longest = max(len(folder.parts) for folder in folders)
    for parts in range(1, longest + 1):
        found = tuple("/".join(folder.parts[-parts:]) for folder in folders)
        if len(set(found)) == len(found):
            return found
    return tuple(f"{folder.name} ({place})" for place, folder in enumerate(folders, start=1))


def compare(runs: Sequence[Run]) -> Comparison:
    """Return the runs side by side; the first one is what the others are measured by."""
    objections = tuple(_objections(runs))
    sections = [] if objections else [_scores(runs)]
    sections += [
        _facts(runs),
        _differing("Hyperparameters", runs, _hyperparameters),
        _differing("Recipe", runs, lambda run: run.recipe),
        _differing("Versions", runs, lambda run: run.plan.versions),
    ]
    remarks = () if objections else tuple(_remarks(runs))
    kept = tuple(section for section in sections if section.rows)
    return Comparison(tuple(runs), objections, remarks, kept)


def _objections(runs: Sequence[Run]) -> Iterable[str]:
    first = runs[0]
    for run in runs[1:]:
        if run.plan.task != first.plan.task:
            yield f"{run.name} is {run.plan.task}, {first.name} is {first.plan.task}: another task"
        elif not _same_rows(first, run):
            yield f"{run.name} was tested on other rows than {first.name}: " + _rows_differ(
                first, run
            )
        elif _goal(run) != _goal(first):
            yield f"{run.name} {_goal(run)}, {first.name} {_goal(first)}: another metric decided"
    for run in runs:
        if run.finish is None:
            yield f"{run.name} has not been scored on its test split yet"


def _goal(run: Run) -> str:
    return f"{run.plan.goal.direction}s {run.plan.goal.metric}"


def _same_rows(one: Run, other: Run) -> bool:
    """By the split's hash over the rows' content, else by the tables themselves."""
    if one.plan.data.split.hash == other.plan.data.split.hash:
        return True
    return one.test_rows is not None and one.test_rows == other.test_rows


def _rows_differ(one: Run, other: Run) -> str:
    rows = [run.plan.data.rows.get("test", 0) for run in (other, one)]
    if rows[0] != rows[1]:
        return f"{rows[0]:,} against {rows[1]:,}"
    if one.test_rows is None or other.test_rows is None:
        return "their splits differ, and a test table is missing to look closer"
    return f"{rows[0]:,} each, but not the same ones"


def _scores(runs: Sequence[Run]) -> Section:
    goal = runs[0].plan.goal.metric
    tests = [run.test for run in runs]
    every = {name for test in tests if test for name in test.metrics}
    rows = []
    for name in sorted(every, key=lambda name: (name != goal, name)):
        shown = tuple(_score(test, name) for test in tests)
        rows.append((f"{name} (the goal)" if name == goal else name, shown))
    return Section("On the same test rows", tuple(rows))


def _score(test: SplitScore | None, name: str) -> str:
    if test is None or name not in test.metrics:
        return "–"
    interval = test.intervals.get(name)
    between = f" ({interval.low:.4f} to {interval.high:.4f})" if interval else ""
    return f"{test.metrics[name]:.4f}{between}"


def _remarks(runs: Sequence[Run]) -> Iterable[str]:
    """Say of each run how it stands against the first one, by intervals."""
    goal = runs[0].plan.goal
    first = runs[0].test
    assert first is not None
    for run in runs[1:]:
        test = run.test
        assert test is not None
        gain = test.metrics[goal.metric] - first.metrics[goal.metric]
        better = gain > 0 if goal.direction == "maximize" else gain < 0
        word = "better" if better else "worse"
        if gain == 0:
            yield f"{run.name} is as good as {runs[0].name} in {goal.metric}."
            continue
        clear = not _overlap(test.intervals.get(goal.metric), first.intervals.get(goal.metric))
        yield (
            f"{run.name} is {abs(gain):.4f} {word} than {runs[0].name} in {goal.metric}"
            + (
                "; their 95% intervals do not overlap."
                if clear
                else "; their 95% intervals overlap: that may be chance."
            )
        )


def _overlap(one: Interval | None, other: Interval | None) -> bool:
    if one is None or other is None:
        return True
    return one.low <= other.high and other.low <= one.high


def _facts(runs: Sequence[Run]) -> Section:
    shown: dict[str, Callable[[Run], str]] = {
        "Task": lambda run: run.plan.task,
        "State": _state,
        "Goal": _goal,
        "On validation": _validation,
        "Baseline on test": _floor,
        "Checks": _checks,
        "Winner": lambda run: run.best.configuration.candidate if run.best else "–",
        "Parameters": _parameters,
        "One row takes": _latency,
        "Trials": lambda run: f"{run.trials} of {run.plan.budget.trials or 'unlimited'}",
        "Search time": _time,
        "Candidates": lambda run: ", ".join(origin(one) for one in run.plan.candidates),
        "Rows": _rows,
        "Data": lambda run: run.plan.data.fingerprint[:12],
        "Split": lambda run: run.plan.data.split.hash[:12],
    }
    rows = tuple((name, tuple(cell(run) for run in runs)) for name, cell in shown.items())
    return Section("Runs", tuple(row for row in rows if set(row[1]) != {"–"}))


def _rows(run: Run) -> str:
    rows = run.plan.data.rows
    return ", ".join(f"{split} {rows[split]:,}" for split in SPLITS if split in rows)


def _state(run: Run) -> str:
    if run.finish is None:
        return "not finished"
    return "finished" if run.finish.checks_passed else "checks missed"


def _validation(run: Run) -> str:
    value = run.best.value(run.plan.goal.direction) if run.best else None
    return "–" if value is None else f"{run.plan.goal.metric} {value:.4f}"


def _floor(run: Run) -> str:
    if run.finish is None:
        return "–"
    metric = run.plan.goal.metric
    return f"{metric} {run.finish.floor.splits['test'].metrics[metric]:.4f}"


def _checks(run: Run) -> str:
    if run.finish is None or not run.finish.checks:
        return "–"
    passed = sum(check.passed for check in run.finish.checks)
    return f"{passed} of {len(run.finish.checks)} passed"


def _parameters(run: Run) -> str:
    if run.best is None:
        return "–"
    known = {one.id: one.parameters for one in run.plan.candidates}
    found = known.get(run.best.configuration.candidate)
    return "–" if found is None else count(found)


def _latency(run: Run) -> str:
    costs = run.finish.score.costs if run.finish else {}
    return f"{costs['latency_ms']:.3g} ms" if "latency_ms" in costs else "–"


def _time(run: Run) -> str:
    budget = run.plan.budget.seconds
    return duration(run.seconds) + (f" of {duration(budget)}" if budget else "")


def _hyperparameters(run: Run) -> Mapping[str, str]:
    if run.best is None:
        return {}
    values = run.best.configuration.hyperparameters
    return {name: setting(value) for name, value in values.items()}


def _differing(title: str, runs: Sequence[Run], of: Callable[[Run], Mapping[str, str]]) -> Section:
    """Only what is not the same in all runs; a run that lacks a value has a dash."""
    found = [of(run) for run in runs]
    rows = []
    for name in sorted({name for one in found for name in one}):
        values = tuple(one.get(name, "–") for one in found)
        if len(set(values)) > 1:
            rows.append((name, values))
    return Section(f"{title}: what differs", tuple(rows))


def _flat(value: Any, place: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _flat(part, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        yield place, ", ".join(_short(part) for part in value)
    elif place:
        yield place, str(value)


def _short(part: Any) -> str:
    if isinstance(part, dict):
        return " ".join(f"{key}: {_short(each)}" for key, each in part.items())
    return str(part)
