"""The end of a run: score the winner once on the test split, apply the checks, write the bundle.

Test is touched once per winner: a run continued without a new winner reuses the scores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from automl import documents, jobs, machine
from automl.compiler.checks import parse
from automl.compiler.lock import make_lock
from automl.events import RunEvent, StageBegan
from automl.exporters import CheckResult, Delivery, TrialSummary
from automl.jobs import DataRef, FloorSpec, ModelRef, ScoreResult, ScoreSpec, SplitScore
from automl.plan import Plan
from automl.rundir import RunDir
from automl.search.study import Study, StudyTrial


@dataclass(frozen=True, slots=True)
class Finish:
    """What the run ended with; kept in the run folder as ``finish/finish.json``."""

    trial: int
    evaluations: int
    """The winner's evaluations when it was scored: a winner trained on is scored again."""
    score: ScoreResult
    floor: ScoreResult
    checks: tuple[CheckResult, ...]
    export_sha256: str
    """Of all that the bundle was made from; a bundle of another is written anew."""
    schema: Literal["automl/finish"] = "automl/finish"
    version: int = 1

    @property
    def checks_passed(self) -> bool:
        """Whether every check held."""
        return all(check.passed for check in self.checks)


def summaries(study: Study) -> tuple[TrialSummary, ...]:
    """Return every trial as tables and cards show it."""
    direction = study.plan.goal.direction
    return tuple(_summary(trial, direction) for trial in study.trials)


def _summary(trial: StudyTrial, direction: str) -> TrialSummary:
    return TrialSummary(
        number=trial.number,
        configuration=trial.configuration,
        state="paused" if trial.state == "running" else trial.state,
        value=trial.value(direction),
        seconds=trial.seconds,
        curve=tuple((e.samples, e.value) for e in trial.evaluations),
        message=trial.message,
    )


def apply_checks(expressions: Sequence[str], score: SplitScore) -> tuple[CheckResult, ...]:
    """Apply each check to the test split's metrics."""
    results = []
    for expression in expressions:
        actual, passed = parse(expression).apply(score.metrics, score.per_class)
        results.append(CheckResult(expression, actual, passed))
    return tuple(results)


def data_refs(plan: Plan, rundir: RunDir) -> dict[str, DataRef]:
    """Return, by candidate, the split tables in the run folder and the candidate's text length."""
    tables = {split: str(rundir.table(split)) for split in plan.data.rows}
    return {
        c.id: DataRef(tables, plan.data.labels, plan.data.fingerprint, c.max_length)
        for c in plan.candidates
    }


def floor(plan: Plan, data: DataRef, rundir: RunDir) -> ScoreResult:
    """Train and score the task's floor model in a worker process, once per run folder.

    Its test scores are shown at the end, beside the winner's; no decision is made by them.
    """
    splits = ("validation", "test")
    spec = FloorSpec(plan.task, data, splits, machine.cores(), plan.data.split.seed)
    path = rundir.finish / "floor.json"
    if path.exists():
        return documents.read(ScoreResult, path)
    found: ScoreResult = jobs.call(
        spec, ScoreResult, rundir.job("floor"), threads=machine.physical_cores()
    )
    documents.write(path, found)
    return found


def conclude(
    study: Study,
    rundir: RunDir,
    recipe: str,
    devices: tuple[str, ...],
    listen: Callable[[RunEvent], None],
) -> Finish:
    """Score, check and export the study's best trial, reusing what is already there and true.

    ``recipe`` is the effective recipe, YAML. Requires that the study has a best trial.
    """
    from automl.exporters._assemble import write_bundle

    best = study.best()
    assert best is not None
    kept = _kept(rundir, best)
    if kept is None:
        listen(StageBegan("score", f"trial {best.number} on the test split, once"))
        data = data_refs(study.plan, rundir)[best.configuration.candidate]
        score = _score(study.plan, best, data, rundir, devices)
        baseline = floor(study.plan, data, rundir)
    else:
        score, baseline = kept.score, kept.floor
    checks = apply_checks(study.plan.checks, score.splits["test"])
    delivery = _delivery(study, best, rundir, recipe, score, baseline, checks)
    finish = Finish(
        best.number, len(best.evaluations), score, baseline, checks, _fingerprint(delivery)
    )
    if kept is None or kept.export_sha256 != finish.export_sha256 or not rundir.bundle.exists():
        listen(StageBegan("export", ", ".join(study.plan.export.formats)))
        write_bundle(delivery, rundir.bundle)
    documents.write(rundir.finish / "finish.json", finish)
    return finish


def read(rundir: RunDir) -> Finish | None:
    """Return what the run ended with, or None when it has not ended."""
    path = rundir.finish / "finish.json"
    return documents.read(Finish, path) if path.exists() else None


def _kept(rundir: RunDir, best: StudyTrial) -> Finish | None:
    found = read(rundir)
    same = found is not None and (found.trial, found.evaluations) == (
        best.number,
        len(best.evaluations),
    )
    return found if same else None


def _score(
    plan: Plan, best: StudyTrial, data: DataRef, rundir: RunDir, devices: tuple[str, ...]
) -> ScoreResult:
    candidate = plan.candidate(best.configuration.candidate)
    model = ModelRef(candidate.id, str(rundir.trial(best.number).best), candidate.trust_remote_code)
    spec = ScoreSpec(
        task=plan.task,
        model=model,
        data=data,
        splits=("validation", "test"),
        batch_size=64,
        threads=machine.physical_cores(),
        devices=devices,
        seed=plan.search.seed,
    )
    result: ScoreResult = jobs.call(
        spec, ScoreResult, rundir.job("score"), threads=spec.threads, devices=devices
    )
    return result


def _delivery(
    study: Study,
    best: StudyTrial,
    rundir: RunDir,
    recipe: str,
    score: ScoreResult,
    baseline: ScoreResult,
    checks: tuple[CheckResult, ...],
) -> Delivery:
    return Delivery(
        plan=study.plan,
        model=Path(rundir.trial(best.number).best),
        winner=_summary(best, study.plan.goal.direction),
        trials=summaries(study),
        score=score,
        floor=baseline,
        checks=checks,
        recipe=recipe,
        lock=documents.to_json(make_lock(study.plan)),
        seconds=study.seconds,
        hardware=machine.describe(),
    )


def _fingerprint(delivery: Delivery) -> str:
    """Over everything that shapes the bundle but the clock."""
    parts = [
        documents.to_json(delivery.plan),
        *(documents.to_line(trial).encode() for trial in delivery.trials),
        *(documents.to_line(check).encode() for check in delivery.checks),
        delivery.recipe.encode(),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
