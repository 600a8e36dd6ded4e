"""The end of a run: average, calibrate, score the one model that leaves, check, write the bundle.

Test is touched once per model that leaves: a run continued without a new one reuses the scores.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from automl import documents, machine, processes
from automl.compiler import checks
from automl.compiler.lock import make_lock
from automl.errors import JobFailed
from automl.events import RunEvent, StageBegan
from automl.exporters import CheckResult, Delivery
from automl.exporters._choice import Choice, Soup
from automl.exporters._energy import Energy
from automl.finish import averaging, calibrating, checking, converting, explaining, spending
from automl.finish.account import choice, of_the_plan, summaries
from automl.jobs import (
    CalibrateResult,
    DataRef,
    ExamineResult,
    FloorSpec,
    FormatFacts,
    ImportanceResult,
    ModelRef,
    ScoreResult,
    ScoreSpec,
)
from automl.plan import Plan
from automl.rundir import RunDir
from automl.search.study import Study
from automl.search.trial import StudyTrial

__all__ = [
    "Finish",
    "conclude",
    "data_refs",
    "floor",
    "of_the_plan",
    "read",
    "summaries",
    "untrained",
]


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
    choice: Choice = field(default_factory=Choice)
    tuned: CalibrateResult | None = None
    """What of a classifier was tuned on validation; null where nothing was to be."""
    wishes: tuple[str, ...] = ("never", "never", "merge")
    """What the recipe asked for then: ``export.calibration``, ``.thresholds`` and ``.adapter``."""
    untrained: ScoreResult | None = None
    """The winner's candidate as it came, where the task can be done with it."""
    examined: ExamineResult = checking.NOTHING
    """What the checks asked besides."""
    energy: Energy | None = None
    """What the trials used, by the power of the machine they ran on; null where not known."""
    formats: Mapping[str, FormatFacts] = field(default_factory=dict)
    """What each format of the weights is worth; empty where safetensors alone was asked for."""
    schema: Literal["automl/finish"] = "automl/finish"
    version: int = 1

    @property
    def checks_passed(self) -> bool:
        """Whether every check held."""
        return all(check.passed for check in self.checks)


def data_refs(plan: Plan, rundir: RunDir) -> dict[str, DataRef]:
    """Return, by candidate, the split tables in the run folder and the candidate's text length."""
    tables = {split: str(rundir.table(split)) for split in plan.data.rows}
    return {
        c.id: DataRef(tables, plan.data.labels, plan.data.fingerprint, c.max_length)
        for c in plan.candidates
    }


def floor(plan: Plan, data: DataRef, rundir: RunDir, *, tuned: bool = False) -> ScoreResult:
    """Train and score the task's floor model in a worker process, once per run folder.

    Its test scores are shown at the end, beside the winner's; no decision is made by them.
    ``tuned`` gives it thresholds too, where they help: a winner that has them is not to be compared
    with a floor that has none.
    """
    splits = ("validation", "test")
    spec = FloorSpec(
        plan.task,
        data,
        splits,
        machine.cores(),
        plan.data.split.seed,
        plan.goal.metric if tuned else None,
        plan.goal.direction,
    )
    path = rundir.finish / ("floor-tuned.json" if tuned else "floor.json")
    if path.exists():
        return documents.read(ScoreResult, path)
    found: ScoreResult = processes.call(
        spec, ScoreResult, rundir.job("floor"), threads=machine.physical_cores()
    )
    documents.write(path, found)
    return found


def untrained(
    plan: Plan, model: ModelRef, data: DataRef, rundir: RunDir, devices: tuple[str, ...]
) -> ScoreResult:
    """Score a candidate as it comes, in a worker process, once per run folder.

    As with the floor's, its test scores are shown at the end, and no decision is made by them.
    """
    path = rundir.finish / f"untrained-{model.id}.json"
    if path.exists():
        return documents.read(ScoreResult, path)
    found = _scored(plan, model, data, rundir.job(f"untrained-{model.id}"), devices, untrained=True)
    documents.write(path, found)
    return found


def _as_it_came(best: StudyTrial, rundir: RunDir) -> ScoreResult | None:
    """Return the score of the winner's candidate before training, where it has one."""
    path = rundir.finish / f"untrained-{best.configuration.candidate}.json"
    return documents.read(ScoreResult, path) if path.exists() else None


def conclude(
    study: Study,
    rundir: RunDir,
    recipe: str,
    devices: tuple[str, ...],
    listen: Callable[[RunEvent], None],
    candidates: Mapping[str, ModelRef] | None = None,
) -> Finish:
    """Average, tune, score, check and export the study's best, reusing what is there and true.

    ``recipe`` is the effective recipe, YAML. ``candidates`` are the models before training by id,
    where they are known: some tasks judge by what training has changed. Requires that the study
    has a best trial.
    """
    best = study.best()
    assert best is not None
    plan, before = study.plan, read(rundir)
    base = (candidates or {}).get(best.configuration.candidate)
    base = base or averaging.begun_with(rundir, best.number)
    data = data_refs(plan, rundir)[best.configuration.candidate]
    soup = averaging.soup(
        plan,
        of_the_plan(study.trials, plan),
        best,
        data,
        rundir,
        devices,
        before.choice.soup if before else None,
        listen,
        base,
    )
    model = rundir.trial(best.number).best
    leaves = f"trial {best.number}"
    if soup is not None and soup.accepted:
        model, leaves = averaging.folder(rundir), f"{len(soup.members)} models, averaged,"
    code = plan.candidate(best.configuration.candidate).trust_remote_code
    if before is not None and _same(before, best, soup, plan) and _there(before, rundir):
        tuned, score, baseline = before.tuned, before.score, before.floor
        examined = before.examined
    else:
        ref = ModelRef(best.configuration.candidate, str(model), code)
        tuned = calibrating.tuned(plan, ref, data, rundir, devices, listen)
        listen(StageBegan("score", f"{leaves} on the test split, once"))
        ref = replace(ref, path=str(calibrating.model(tuned, model, rundir)))
        score = _score(plan, ref, base, tuned, data, rundir, devices)
        baseline = floor(plan, data, rundir, tuned=bool(tuned and tuned.by_class))
        examined = _examined(plan, ref, tuned, data, rundir, devices, listen)
    leaving = calibrating.model(tuned, model, rundir)
    ref = ModelRef(best.configuration.candidate, str(leaving), code)
    formats = converting.formats(plan, ref, base, tuned, data, rundir, devices, listen)
    trials = summaries(study)
    delivery = Delivery(
        plan=plan,
        model=leaving,
        winner=trials[best.number],
        trials=trials,
        score=score,
        floor=baseline,
        checks=checking.answered(plan.checks, score, examined),
        recipe=recipe,
        lock=documents.to_json(make_lock(plan)),
        seconds=study.seconds,
        hardware=machine.describe(),
        choice=choice(study, best, soup),
        tuned=tuned,
        untrained=_as_it_came(best, rundir),
        examples=rundir.examples if rundir.examples.exists() else None,
        importance=_importance(study, rundir, listen),
        energy=spending.energy(study.trials, rundir),
        formats=formats,
        converted=converting.folder(rundir) if formats else None,
    )
    return _exported(delivery, examined, len(best.evaluations), before, rundir, listen)


def _importance(
    study: Study, rundir: RunDir, listen: Callable[[RunEvent], None]
) -> ImportanceResult | None:
    """What settings explain; a worker that fails costs that knowledge alone, and is said."""
    try:
        return explaining.importance(study.trials, study.plan, rundir, "here")
    except JobFailed as error:
        listen(StageBegan("importance", f"not worked out: {error}"))
        return None


def _examined(
    plan: Plan,
    model: ModelRef,
    tuned: CalibrateResult | None,
    data: DataRef,
    rundir: RunDir,
    devices: tuple[str, ...],
    listen: Callable[[RunEvent], None],
) -> ExamineResult:
    earlier, changes = checking.kept(plan, rundir), checking.changes(plan.checks)
    if earlier or changes:
        asked = [*changes, *(one.name for one in plan.earlier)]
        listen(StageBegan("checks", ", ".join(asked)))
    spec = checking.spec(
        plan,
        model,
        data,
        tuned.by_class if tuned else {},
        earlier,
        threads=machine.physical_cores(),
        devices=devices,
    )
    return checking.examined(spec, rundir.job("examine"))


def read(rundir: RunDir) -> Finish | None:
    """Return what the run ended with, or None when it has not ended."""
    path = rundir.finish / "finish.json"
    return documents.read(Finish, path) if path.exists() else None


def _same(before: Finish, best: StudyTrial, soup: Soup | None, plan: Plan) -> bool:
    """Whether the model that leaves is the one that was scored."""
    if before.wishes != _wishes(plan):
        return False
    if (before.trial, before.evaluations) != (best.number, len(best.evaluations)):
        return False
    return _average(before.choice.soup) == _average(soup)


def _wishes(plan: Plan) -> tuple[str, ...]:
    """What decides how a winner leaves, and what of it is measured."""
    asked = sorted(
        text for text in plan.checks if checking.changes([text]) or checks.earlier([text])
    )
    asked += [f"{c}={v}" for c, v in checks.slices(plan.checks, plan.data.labels)]
    asked += [*plan.data.slices, *(one.sha256 for one in plan.earlier)]
    asked += [documents.to_line(list(plan.words.items()))] if plan.words else []
    return plan.export.calibration, plan.export.thresholds, plan.export.adapter, *asked


def _there(before: Finish, rundir: RunDir) -> bool:
    """Whether a calibrated model that was scored is where it was written."""
    taken = before.tuned is not None and before.tuned.temperature != 1
    return not taken or (calibrating.folder(rundir) / "config.json").exists()


def _average(soup: Soup | None) -> tuple[tuple[int, int], ...]:
    """What an accepted average was made from; empty where a single model leaves."""
    if soup is None or not soup.accepted:
        return ()
    return tuple(one for one in soup.offered if one[0] in soup.members)


def _score(
    plan: Plan,
    model: ModelRef,
    base: ModelRef | None,
    tuned: CalibrateResult | None,
    data: DataRef,
    rundir: RunDir,
    devices: tuple[str, ...],
) -> ScoreResult:
    sheet = str(rundir.examples.absolute())
    slices = str(rundir.slices) if rundir.slices.exists() else ""
    job = rundir.job("score")
    return _scored(
        plan, model, data, job, devices, base=base, tuned=tuned, sheet=sheet, slices=slices
    )


def _scored(
    plan: Plan,
    model: ModelRef,
    data: DataRef,
    job: Path,
    devices: tuple[str, ...],
    *,
    base: ModelRef | None = None,
    tuned: CalibrateResult | None = None,
    untrained: bool = False,
    sheet: str = "",
    slices: str = "",
) -> ScoreResult:
    spec = ScoreSpec(
        task=plan.task,
        model=model,
        data=data,
        splits=("validation", "test"),
        batch_size=64,
        threads=machine.physical_cores(),
        devices=devices,
        seed=plan.search.seed,
        base=base,
        thresholds=tuned.by_class if tuned else {},
        temperature=tuned.temperature if tuned else 1.0,
        untrained=untrained,
        sheet=sheet,
        slices=slices,
        named_slices=checking.named(plan),
    )
    result: ScoreResult = processes.call(
        spec, ScoreResult, job, threads=spec.threads, devices=devices
    )
    return result


def _exported(
    delivery: Delivery,
    examined: ExamineResult,
    evaluations: int,
    before: Finish | None,
    rundir: RunDir,
    listen: Callable[[RunEvent], None],
) -> Finish:
    """Write the bundle unless it is there and made from the same, and keep what the run came to."""
    from automl.exporters._assemble import write_bundle

    finish = Finish(
        delivery.winner.number,
        evaluations,
        delivery.score,
        delivery.floor,
        delivery.checks,
        _fingerprint(delivery),
        delivery.choice,
        delivery.tuned,
        _wishes(delivery.plan),
        delivery.untrained,
        examined,
        delivery.energy,
        delivery.formats,
    )
    if before is None or before.export_sha256 != finish.export_sha256 or not rundir.bundle.exists():
        listen(StageBegan("export", ", ".join(delivery.plan.export.formats)))
        write_bundle(delivery, rundir.bundle)
    documents.write(rundir.finish / "finish.json", finish)
    return finish


def _fingerprint(delivery: Delivery) -> str:
    """Over everything that shapes the bundle but the clock."""
    parts = [
        documents.to_json(delivery.plan),
        *(documents.to_line(trial).encode() for trial in delivery.trials),
        *(documents.to_line(check).encode() for check in delivery.checks),
        documents.to_line(delivery.choice).encode(),
        documents.to_line(delivery.tuned).encode() if delivery.tuned else b"",
        *(documents.to_line(facts).encode() for facts in delivery.formats.values()),
        delivery.recipe.encode(),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
