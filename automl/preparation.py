"""What a search needs before its first trial: floor, starting points, settings, and the scheduler.

Knows how the parts are put together; decides nothing about trials.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psutil

from automl import documents, machine, tasks
from automl.compiler import layout, memory, objectives, overflow, timing
from automl.compiler.layout import Need
from automl.errors import StudyFailed
from automl.events import RunEvent, StageBegan
from automl.jobs import DataRef, ModelRef, Parent, Tracking, TrialSpec
from automl.plan import Configuration, Plan, Refusal
from automl.rundir import RunDir
from automl.search import rungs
from automl.search.upkeep import delete

if TYPE_CHECKING:
    from automl.artifacts import Artifacts
    from automl.compiler.overflow import Variant
    from automl.compiler.timing import Setting
    from automl.executors import Slot
    from automl.machine import Gpu
    from automl.scheduler import Limits, Scheduler
    from automl.search.study import Study, StudyTrial

TOO_LARGE = "it does not fit: neither one GPU of this machine nor several have room for it"
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
    gpus: Mapping[str, Gpu] = field(default_factory=dict)
    """This machine's, by id; empty where trials are on a CPU or on a cluster."""
    needs: Mapping[str, Need] = field(default_factory=dict)
    """Candidate → what its trials take of them; empty where slots are as the recipe says."""


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
    gpus = _gpus(plan, slots)
    alone = _alone(slots, gpus)
    largest = gpus[alone.devices[0]].memory_bytes // plan.devices.at_once if gpus else None
    settings = timing.settings(
        plan,
        models,
        data,
        timing.Share(alone.threads, alone.devices, len(slots), largest),
        rundir,
        lambda text: listen(StageBegan("measure", text)),
        lambda order: executor.start_job(order, alone),
        _unmeasured(plan, gpus, alone),
    )
    found = layout.of(plan, settings, tuple(gpus.values()), machine.physical_cores())
    needs = {name: need for name, need in found.items() if need is not None}
    reasons = {
        each.id: settings[each.id].refused or ("" if need is not None else TOO_LARGE)
        for each in plan.candidates
        for need in [found.get(each.id, Need({}))]
    }
    refused = [Refusal(e.reference, reasons[e.id]) for e in plan.candidates if reasons[e.id]]
    for each in refused:
        listen(StageBegan("refused", f"{each.reference}: {each.reason}"))
    able = tuple(each for each in plan.candidates if not reasons[each.id])
    if not able:
        lines = [f"{each.reference}: {each.reason}" for each in refused]
        raise StudyFailed("\n".join(["no candidate can be trained here", *lines]))
    fit = replace(plan, candidates=able, refused=(*plan.refused, *refused))
    return Ground(fit, slots, settings, models, data, gpus, needs)


def _gpus(plan: Plan, slots: tuple[Slot, ...]) -> dict[str, Gpu]:
    """This machine's GPUs by id, as far as trials are on them."""
    if plan.devices.executor not in memory.WHOLE or not slots[0].devices:
        return {}
    return {gpu.id: gpu for gpu in machine.gpus()}


def _alone(slots: tuple[Slot, ...], gpus: Mapping[str, Gpu]) -> Slot:
    """Where one process is measured: of several GPUs, on the one with the most memory."""
    slot = max(slots, key=lambda each: gpus[each.devices[0]].memory_bytes) if gpus else slots[0]
    return replace(slot, devices=slot.devices[:1], processes=1)


def _unmeasured(plan: Plan, gpus: Mapping[str, Gpu], alone: Slot) -> dict[str, Setting]:
    """How candidates are trained that fit no single GPU, so that a step can't be timed on one."""
    found = layout.of(plan, {}, tuple(gpus.values()), machine.physical_cores())
    threads, precisions = timing.choices(plan, alone.threads, bool(gpus))
    setting = timing.Setting(max(threads), precisions[0])
    return {name: setting for name, need in found.items() if need is not None and need.sharded}


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

    def limit(configuration: Configuration, rows: int, slot: Slot) -> None:
        name = configuration.candidate
        variant = _variant(found, configuration, slot)
        setting = found.settings[name] = found.settings[name].overflowing(rows, variant)
        timing.remember(plan, plan.candidate(name), len(found.slots), setting)

    def possible(configuration: Configuration) -> bool:
        variant = _variant(found, configuration, None)
        return found.settings[configuration.candidate].can_hold(variant)

    def predict(trial: StudyTrial, samples: int) -> float | None:
        name = trial.configuration.candidate
        setting = found.settings[name].of(_variant(found, trial.configuration, None))
        processes = found.needs[name].devices if name in found.needs else None
        seconds = timing.predicted_seconds(
            plan, setting, trial.configuration, trial.samples, samples, processes
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
        possible=possible,
        needs=found.needs,
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
    need = found.needs.get(chosen)
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
        precision="fp32" if trial.full_precision else setting.precision,
        threads=min(setting.threads, slot.threads),
        processes=slot.processes,
        devices=slot.devices,
        tokens=tokens,
        parent=parent,
        micro_batch=trial.micro_batch or _micro_batch(found, trial, slot),
        rungs=rungs.ahead(trial, plan),
        costs=objectives.needs_costs(plan.goal),
        sharded=need is not None and need.sharded,
        device_share=slot.share,
    )


def _micro_batch(found: Ground, trial: StudyTrial, slot: Slot) -> int | None:
    """What fits at once, where it is known that the whole batch does not."""
    configuration = trial.configuration
    batch = configuration.hyperparameters.get("batch_size")
    if not isinstance(batch, int):
        return None
    rows = max(1, batch // slot.processes)
    setting = found.settings[configuration.candidate].of(_variant(found, configuration, slot))
    need = found.needs.get(configuration.candidate)
    if need is not None and need.rows is not None and need.rows < rows:
        return min(setting.micro_batch(rows) or rows, need.rows)
    on = [found.gpus[device] for device in slot.devices if device in found.gpus]
    if not on:
        return setting.micro_batch(rows)
    smallest = min(on, key=lambda gpu: gpu.memory_bytes)
    return layout.rows_in(setting, rows, smallest, slot.share)


def _variant(found: Ground, configuration: Configuration, slot: Slot | None) -> Variant:
    """What the configuration trains on the slot; on the best GPU there is, where none is given."""
    gpus = found.gpus
    share = 1.0 if slot is None else slot.share
    sizes = [
        int(gpu.memory_bytes * share)
        for gpu in gpus.values()
        if slot is None or gpu.id in slot.devices
    ]
    room = (min if slot is not None else max)(sizes, default=0)
    candidate = found.plan.candidate(configuration.candidate)
    precision = found.settings[candidate.id].precision
    return overflow.variant(candidate, configuration, room, precision)
