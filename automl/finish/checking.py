"""The recipe's checks, answered: by scores on test, and by a worker for what scores don't tell."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten
from typing import Literal

from automl import documents, processes
from automl.bundle import INFO, BundleInfo
from automl.compiler import checks
from automl.compiler.checks import Check, Measured
from automl.errors import InputError, Problem
from automl.exporters import CheckResult
from automl.jobs import DataRef, ExamineResult, ExamineSpec, ModelRef, ScoreResult, Versus
from automl.plan import Plan
from automl.rundir import RunDir
from automl.serving import base

NOTHING = ExamineResult({}, {})


@dataclass(frozen=True, slots=True)
class Bundles:
    """Where the bundles lie on this machine that checks compare with; kept in the run folder."""

    folders: Mapping[str, str] = field(default_factory=dict)
    """Check → folder."""
    schema: Literal["automl/earlier"] = "automl/earlier"
    version: int = 1


def keep(rundir: RunDir, folders: Mapping[str, Path]) -> None:
    """Remember where the earlier bundles lie: the plan, which travels, names no such place."""
    if folders or rundir.earlier.exists():
        found = Bundles({check: str(path) for check, path in folders.items()})
        documents.write(rundir.earlier, found)


def kept(plan: Plan, rundir: RunDir) -> dict[str, str]:
    """Return check → folder of the earlier bundle; InputError where one is gone or another."""
    folders = documents.read(Bundles, rundir.earlier).folders if plan.earlier else {}
    for one in plan.earlier:
        info = Path(folders.get(one.check, "")) / INFO
        if not info.is_file():
            raise InputError(f"{one.check}: there is no bundle in {info.parent} any more")
        if hashlib.sha256(info.read_bytes()).hexdigest() != one.sha256:
            said = f"{one.check}: {info.parent} holds another bundle than when the run began"
            raise InputError(Problem(said, hint="`automl run` again takes the one that is there"))
    return {one.check: folders[one.check] for one in plan.earlier}


def changes(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the changes to texts that the checks ask about."""
    found = (check.change for check in checks.thresholds(texts))
    return tuple(dict.fromkeys(each for each in found if each is not None))


def named(plan: Plan) -> dict[str, tuple[str, ...]]:
    """Return column → values of it that the checks name."""
    found: dict[str, tuple[str, ...]] = {}
    for column, value in checks.slices(plan.checks, plan.data.labels):
        found[column] = (*found.get(column, ()), value)
    return found


def examined(spec: ExamineSpec, job: Path) -> ExamineResult:
    """Return what only checks ask of the model; no worker starts where they ask nothing of it."""
    if not spec.changes and not spec.earlier:
        return NOTHING
    found: ExamineResult = processes.call(
        spec, ExamineResult, job, threads=spec.threads, devices=spec.devices
    )
    return found


def spec(
    plan: Plan,
    model: ModelRef,
    data: DataRef,
    thresholds: Mapping[str, float],
    earlier: Mapping[str, str],
    *,
    threads: int,
    devices: tuple[str, ...],
) -> ExamineSpec:
    """Return what to ask of the model that the checks need; ``earlier`` is check → bundle."""
    return ExamineSpec(
        task=plan.task,
        model=model,
        data=data,
        batch_size=64,
        threads=threads,
        devices=devices,
        seed=plan.search.seed,
        metric=plan.goal.metric,
        direction=plan.goal.direction,
        thresholds=thresholds,
        changes=changes(plan.checks),
        words=plan.words,
        earlier=earlier,
        bases=bases(earlier),
    )


def bases(earlier: Mapping[str, str]) -> dict[str, str]:
    """Return bundle → its base model, of those that hold adapters alone; InputError without it."""
    found = {}
    for folder in earlier.values():
        info = documents.read(BundleInfo, Path(folder) / INFO)
        if info.adapter:
            found[folder] = str(base.find(info, None))
    return found


def answered(
    texts: Sequence[str], score: ScoreResult, examined: ExamineResult = NOTHING
) -> tuple[CheckResult, ...]:
    """Return how the test split answers each check."""
    test = score.splits["test"]
    measured = Measured(
        test.metrics,
        test.per_class,
        {name: each.metrics for name, each in test.slices.items()},
        score.costs,
        {change: each.share for change, each in examined.changes.items()},
    )
    results = []
    for text in texts:
        check = checks.parse(text)
        if isinstance(check, Check):
            actual, passed = check.apply(measured)
            results.append(CheckResult(text, actual, passed, _detail(check, score, examined)))
        else:
            versus = examined.earlier[text]
            passed = versus.interval.high >= -check.by
            results.append(CheckResult(text, versus.difference, passed, _compared(versus)))
    return tuple(results)


def _detail(check: Check, score: ScoreResult, examined: ExamineResult) -> str:
    if check.change is not None:
        found = examined.changes[check.change]
        if not found.rows:
            return "no test row has anything to change"
        moved = found.rows - found.kept
        said = f"{moved} of {found.rows} answers changed"
        first = found.examples[0] if found.examples else None
        if first is None:
            return said
        text = shorten(first["changed"], 80, placeholder=" …")
        return f"{said}, e.g. {text!r}: {first['after']}, not {first['before']}"
    rows = score.splits["test"].slices.get(check.slice_name or "")
    return "" if rows is None else f"{rows.rows} rows"


def _compared(versus: Versus) -> str:
    low, high = versus.interval.low, versus.interval.high
    return (
        f"{versus.metric} {versus.new:.4f} against {versus.old:.4f}: {versus.difference:+.4f}, "
        f"95% {low:+.4f} to {high:+.4f}, above 0 is better"
    )
