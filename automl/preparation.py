"""What a search needs before its first trial: floor, starting points, settings, and the scheduler.

Knows how the parts are put together; decides nothing about trials.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psutil

from automl import documents, machine, tasks
from automl.compiler import objectives, timing
from automl.errors import StudyFailed
from automl.events import RunEvent, StageBegan
from automl.jobs import DataRef, ModelRef, Parent, Tracking, TrialSpec
from automl.plan import Configuration, Plan, Refusal
from automl.rundir import RunDir
from automl.search import rungs
from automl.search.upkeep import delete

if TYPE_CHECKING:
    from automl.artifacts import Artifacts
    from automl.compiler.timing import Setting
    from automl.executors import Slot
    from automl.scheduler import Limits, Scheduler
    from automl.search.study import Study, StudyTrial

BUNDLE_SECONDS = 5.0
"""Card, plots and copying the weights; measured on two CPU cores."""
Listen = Callable[[RunEvent], None]


@dataclass(frozen=True, slots=True)
class Starts:
    """Configurations that similar studies found good, as they were when this study began."""

    configurations: tuple[Configuration, ...]
    schema: Literal["automl/starts"] = "automl/starts"
    version: int = 1


@dataclass(frozen=True, slots=True)
class Ground:
    """What a search stands on: the plan of what can be trained here, and how each is trained."""

    plan: Plan
    slots: tuple[Slot, ...]
    settings: dict[str, Setting]
    models: Mapping[str, ModelRef]
    data: Mapping[str, DataRef]


def starts(plan: Plan, rundir: RunDir, listen: Listen) -> tuple[Configuration, ...]:
    """Return the starting points from experience: drawn once per run folder, then kept.

    What has been learnt since would change which trials come next in a continued study.
    """
    from automl import experience

    if not plan.search.experience:
        return ()
    if rundir.starts.exists():
        return documents.read(Starts, rundir.starts).configurations
    reading = experience.read_all()
    for warning in reading.warnings:
        listen(StageBegan("experience", warning))
    found = experience.starts(plan, reading.records)
    if found:
        listen(StageBegan("experience", f"{len(found)} starting points from similar studies"))
    documents.write(rundir.starts, Starts(found))
    return found


def ground(
    plan: Plan,
    models: Mapping[str, ModelRef],
    rundir: RunDir,
    listen: Listen,
) -> Ground:
    """Measure each candidate where trials run, leaving out those that cannot be trained there.

    Raises StudyFailed, with each reason, when none can, InputError where no trial could be started.
    """
    from automl import executors
    from automl.finish import data_refs

    executor = executors.get(plan.devices.executor)
    reads = [Path(model.path) for model in models.values()]
    slots = executor.slots(plan.devices, rundir.root, reads)
    data = data_refs(plan, rundir)
    alone = replace(slots[0], devices=slots[0].devices[:1], processes=1)
    settings = timing.settings(
        plan,
        models,
        data,
        timing.Share(alone.threads, alone.devices, len(slots)),
        rundir,
        lambda text: listen(StageBegan("measure", text)),
        lambda order: executor.start_job(order, alone),
    )
    refused = [
        Refusal(each.reference, settings[each.id].refused or "")
        for each in plan.candidates
        if settings[each.id].refused
    ]
    for each in refused:
        listen(StageBegan("refused", f"{each.reference}: {each.reason}"))
    able = tuple(each for each in plan.candidates if not settings[each.id].refused)
    if not able:
        reasons = [f"{each.reference}: {each.reason}" for each in refused]
        raise StudyFailed("\n".join(["no candidate can be trained here", *reasons]))
    fit = replace(plan, candidates=able, refused=(*plan.refused, *refused))
    return Ground(fit, slots, settings, models, data)


def scheduler(
    study: Study,
    found: Ground,
    rundir: RunDir,
    listen: Listen,
    interrupts: Callable[[], int],
    artifacts: Artifacts | None = None,
    trackers: tuple[str, ...] = (),
) -> Scheduler:
    """Return the scheduler of the study's trials on this machine.

    ``artifacts`` is where all machines that share the study see what trials leave; ``trackers``
    hear of each trial.
    """
    from automl import executors
    from automl.executors._carried import Carrier
    from automl.scheduler import Scheduler

    plan = found.plan
    parent = Parent(os.getpid(), psutil.Process().create_time())
    tracking = Tracking(plan.name, trackers, str(rundir.track.root)) if trackers else None

    def specify(trial: StudyTrial, slot: Slot) -> TrialSpec:
        made = _trial_spec(found, trial, slot, str(rundir.tokens), parent)
        return replace(made, tracking=tracking)

    def limit(configuration: Configuration, rows: int) -> None:
        name = configuration.candidate
        setting = found.settings[name] = found.settings[name].limited(rows)
        timing.remember(plan, plan.candidate(name), len(found.slots), setting)

    def predict(trial: StudyTrial, samples: int) -> float | None:
        setting = found.settings[trial.configuration.candidate]
        seconds = timing.predicted_seconds(
            plan, setting, trial.configuration, trial.samples, samples
        )
        return seconds or None

    executor = executors.get(plan.devices.executor)
    carrier = Carrier(executor, artifacts) if artifacts is not None else None
    return Scheduler(
        study,
        carrier or executor,
        found.slots,
        rundir,
        _limits(found),
        specify,
        listen,
        interrupts,
        predict=predict,
        does_not_fit=limit,
        gone=_gone if plan.devices.executor == "local" else lambda _: (),
        remove=carrier.remove if carrier else delete,
    )


def _gone(slot: Slot) -> tuple[str, ...]:
    """Which of the slot's GPUs this machine has no more."""
    if not slot.devices:
        return ()
    there = {gpu.id for gpu in machine.gpus()}
    return tuple(device for device in slot.devices if device not in there)


def remember(study: Study, rundir: RunDir, listen: Listen) -> None:
    """Leave a record of the study for later ones, where the recipe allows it."""
    from automl import experience

    plan = study.plan
    if not plan.search.experience:
        return
    record = experience.record_of(
        plan,
        study.trials,
        study.seconds,
        machine.describe(),
        plan.versions,
        time=time.time(),
        run=str(rundir.root),
    )
    try:
        experience.write(record)
    except OSError as error:
        listen(StageBegan("experience", f"no record could be left: {error}"))


def _limits(found: Ground) -> Limits:
    from automl.scheduler import Limits

    budget = found.plan.budget
    if budget.seconds is None:
        return Limits(budget.trials, None, budget.trial_seconds)
    reserve = budget.seconds * found.plan.search.finish_share
    concluding = min(_concluding_seconds(found), reserve / 2)
    return Limits(
        budget.trials,
        budget.seconds - concluding,
        budget.trial_seconds,
        finish_seconds=reserve - concluding,
    )


def _concluding_seconds(found: Ground) -> float:
    """What averaging, scoring and exporting the winner will take, about: no part of a trial."""
    plan = found.plan
    settings = [found.settings[each.id] for each in plan.candidates]
    start = max(setting.start_seconds for setting in settings)
    row = max(setting.seconds_per_scored_row for setting in settings)
    task = tasks.get(plan.task)
    validation, test = (task.scored(plan.data.rows[split]) for split in ("validation", "test"))
    averaging = start + validation * (plan.search.repeats + 2) * row if plan.search.soup else 0.0
    return averaging + start + (validation + test) * row + BUNDLE_SECONDS


def _trial_spec(
    found: Ground, trial: StudyTrial, slot: Slot, tokens: str, parent: Parent
) -> TrialSpec:
    plan, chosen = found.plan, trial.configuration.candidate
    setting = found.settings[chosen]
    return TrialSpec(
        number=trial.number,
        task=plan.task,
        model=found.models[chosen],
        hyperparameters=trial.configuration.hyperparameters,
        data=found.data[chosen],
        metric=plan.goal.metric,
        direction=plan.goal.direction,
        evaluation_samples=plan.search.evaluation_samples,
        seed=plan.search.seed if trial.seed is None else trial.seed,
        precision=setting.precision,
        threads=min(setting.threads, slot.threads),
        processes=slot.processes,
        devices=slot.devices,
        tokens=tokens,
        parent=parent,
        micro_batch=trial.micro_batch or _micro_batch(setting, trial, slot),
        rungs=rungs.ahead(trial, plan),
        costs=objectives.needs_costs(plan.goal),
    )


def _micro_batch(setting: Setting, trial: StudyTrial, slot: Slot) -> int | None:
    """What fits at once, where the measurement found that the whole batch does not."""
    batch = trial.configuration.hyperparameters.get("batch_size")
    return setting.micro_batch(int(batch) // slot.processes) if isinstance(batch, int) else None
