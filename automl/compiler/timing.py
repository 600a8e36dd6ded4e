"""What training costs on this machine: measured once per candidate, then remembered.

The measurement chooses thread count and precision, finds the batch sizes that fit and predicts a
trial's seconds. It is no part of the plan, which is the same on every machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from automl import cache, documents, jobs, machine, processes, tasks
from automl.compiler import memory
from automl.compiler.overflow import Overflow, Variant
from automl.compiler.space import batch_sizes
from automl.errors import JobFailed
from automl.jobs import BatchCost, DataRef, MeasureSpec, ModelRef
from automl.plan import Candidate, Configuration, Plan, Scalar
from automl.processes import Order, Process
from automl.rundir import RunDir

FixedPrecision = Literal["fp32", "bf16", "fp16"]
STEPS = 20
"""Steps timed per batch size, at most."""
MEASUREMENT = 4
"""Raised when what is measured changes: what was remembered before is measured again."""
FROZEN = "freeze_embeddings"
"""Not built into what is measured: what it saves is measured apart."""
FIT_SECONDS = 2.0
"""Fitting a logistic regression to features, besides computing them (1,000 rows, 77 classes)."""
FITTED_ROWS = 4000
"""Rows, at most, that a head is fitted to before training."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How one candidate trains fastest here, and what that costs.

    ``batches`` rise in size and are per process. ``refused`` says why it cannot train here at all.
    """

    threads: int
    precision: FixedPrecision
    batches: tuple[BatchCost, ...] = ()
    seconds_per_evaluated_row: float = 0.0
    seconds_per_scored_row: float = 0.0
    """The finish predicts in float32, whatever trials do."""
    start_seconds: float = 0.0
    """From the start of a process until it trains; every attempt at a trial pays it."""
    frozen_share: float = 1.0
    timings: tuple[jobs.Timing, ...] = ()
    refused: str | None = None
    overflows: tuple[Overflow, ...] = ()
    """What trials have met since: rows that were too many, by what they trained and where."""
    schema: Literal["automl/setting"] = "automl/setting"
    version: int = 2

    def step_seconds(self, batch: int) -> float:
        """Return the seconds of a step over ``batch`` rows of a process; 0 if nothing is known.

        Between measured sizes they are read off a straight line; a batch too large for memory is
        accumulated from those that fit.
        """
        known = [
            (each.batch_size, each.seconds_per_step)
            for each in self.batches
            if each.seconds_per_step is not None
        ]
        if not known:
            return 0.0
        largest, its_seconds = known[-1]
        if batch > largest or len(known) == 1:
            return its_seconds * batch / largest
        low, high = next(pair for pair in pairwise(known) if batch <= pair[1][0])
        slope = (high[1] - low[1]) / (high[0] - low[0])
        return max(low[1] + slope * (batch - low[0]), low[1] * min(1.0, batch / low[0]))

    def micro_batch(self, batch: int) -> int | None:
        """Return the rows a process takes at once where ``batch`` does not fit; None where it does.

        Gradients of the parts add up to the same step.
        """
        full = [each.batch_size for each in self.batches if each.seconds_per_step is None]
        fitting = [each.batch_size for each in self.batches if each.seconds_per_step is not None]
        return max(fitting) if fitting and full and batch >= min(full) else None

    def of(self, variant: Variant) -> Setting:
        """Return the setting as it holds for one variant of the candidate.

        Sizes measured not to fit were those of all layers: fewer keep less for each row.
        """
        found = self
        fits = max(
            (e.batch_size for e in self.batches if e.seconds_per_step is not None), default=0
        )
        if variant.layers < 1:
            lighter = (
                replace(each, seconds_per_step=self.step_seconds(each.batch_size) or None)
                if each.batch_size * variant.layers <= fits
                else each
                for each in self.batches
            )
            found = replace(self, batches=tuple(lighter))
        for overflow in self.overflows:
            if overflow.holds_for(variant):
                found = found.limited(overflow.rows)
        return found

    def can_hold(self, variant: Variant) -> bool:
        """Return whether one row at a time of the variant may fit."""
        return not any(each.rows <= 1 and each.holds_for(variant) for each in self.overflows)

    def overflowing(self, rows: int, variant: Variant) -> Setting:
        """Return the setting that remembers that ``rows`` at once were too many for the variant."""
        known = tuple(e for e in self.overflows if e.variant != variant or e.rows < rows)
        return replace(self, overflows=(*known, Overflow(rows, variant)))

    def limited(self, rows: int) -> Setting:
        """Return the setting where ``rows`` at once, of a process, have turned out too many.

        Half as many are taken to fit until they have been tried.
        """
        half = rows // 2
        if half < 1:
            return self
        found = {each.batch_size: each for each in self.batches if each.batch_size < rows}
        full = [size for size, each in found.items() if each.seconds_per_step is None]
        if half not in found and half < min(full, default=rows):
            seconds = self.step_seconds(half) or None
            found[half] = BatchCost(half, seconds, self.memory_bytes(half), 0)
        found[rows] = BatchCost(rows, None, 0, 0)
        for each in self.batches:
            if each.batch_size >= rows:
                found[each.batch_size] = replace(each, seconds_per_step=None)
        return replace(self, batches=tuple(found[size] for size in sorted(found)))

    def memory_bytes(self, batch: int) -> int:
        """Return the peak memory of a process at ``batch`` rows; 0 if nothing is known."""
        return next(
            (each.peak_memory_bytes for each in self.batches if each.batch_size >= batch),
            self.batches[-1].peak_memory_bytes if self.batches else 0,
        )


@dataclass(frozen=True, slots=True)
class Share:
    """What one trial's process has: CPU threads, its first device, and how many slots there are."""

    threads: int
    devices: tuple[str, ...]
    slots: int
    device_bytes: int | None = None
    """Memory that it may fill; null: its part of what the machine has."""


def settings(
    plan: Plan,
    models: Mapping[str, ModelRef],
    data: Mapping[str, DataRef],
    share: Share,
    rundir: RunDir,
    say: Callable[[str], None],
    begin: Callable[[Order], Process] | None = None,
    unmeasured: Mapping[str, Setting] | None = None,
) -> dict[str, Setting]:
    """Return each candidate's setting: remembered, or measured now.

    ``unmeasured`` are settings of candidates that one process cannot train: theirs where nothing
    is remembered. ``say`` hears of every measurement before ``begin``, or else this machine, starts
    it. A candidate that cannot be measured is ``refused``, and measured again next time.
    """
    found = {}
    for candidate in plan.candidates:
        setting = known(plan, candidate, share.slots) or (unmeasured or {}).get(candidate.id)
        if setting is None:
            say(f"seconds a step of {candidate.id}")
            spec = _spec(plan, candidate, models[candidate.id], data[candidate.id], share, rundir)
            setting = _measured(spec, rundir.job(f"measure-{candidate.id}"), begin)
            if setting.refused is None:
                remember(plan, candidate, share.slots, setting)
        found[candidate.id] = setting
    return found


def remember(plan: Plan, candidate: Candidate, slots: int, setting: Setting) -> None:
    """Keep what is known of the candidate on this machine for ``known``."""
    documents.write(_path(plan, candidate, slots), setting)


def known(plan: Plan, candidate: Candidate, slots: int) -> Setting | None:
    """Return what was measured of the candidate on this machine before, if it was."""
    path = _path(plan, candidate, slots)
    return documents.read(Setting, path) if path.exists() else None


def _spec(
    plan: Plan, candidate: Candidate, model: ModelRef, data: DataRef, share: Share, rundir: RunDir
) -> MeasureSpec:
    threads, precisions = choices(plan, share.threads, bool(share.devices))
    built = {each.name: each.default for each in candidate.space if each.name != FROZEN}
    default, sizes = batch_sizes(candidate.space)
    processes = plan.devices.processes
    return MeasureSpec(
        task=plan.task,
        model=model,
        data=data,
        batch_size=max(1, default // processes),
        threads=threads,
        precisions=precisions,
        devices=share.devices,
        steps=STEPS,
        tokens=str(rundir.tokens),
        batch_sizes=tuple(max(1, size // processes) for size in sizes),
        hyperparameters=built,
        memory_bytes=share.device_bytes or memory.of_a_process(plan.devices),
    )


def _measured(spec: MeasureSpec, folder: Path, begin: Callable[[Order], Process] | None) -> Setting:
    try:
        result: jobs.MeasureResult = processes.call(
            spec,
            jobs.MeasureResult,
            folder,
            threads=max(spec.threads),
            devices=spec.devices,
            begin=begin,
        )
    except JobFailed as error:
        last = error.log_tail.strip().splitlines()
        why = last[-1] if last else str(error)
        return Setting(
            max(spec.threads), spec.precisions[0], refused=f"a training step of it fails: {why}"
        )
    best = min(result.timings, key=lambda timing: timing.seconds_per_step)
    return Setting(
        best.threads,
        best.precision,
        result.batches,
        result.seconds_per_evaluated_row,
        result.seconds_per_scored_row,
        result.start_seconds,
        result.frozen_share,
        result.timings,
    )


def choices(
    plan: Plan, share: int, gpu: bool
) -> tuple[tuple[int, ...], tuple[FixedPrecision, ...]]:
    """Return the thread counts and precisions worth timing; ``share`` is a process's cores.

    bf16 is tried where the hardware multiplies it natively, and first, as it is faster there nearly
    always: what is far slower than the best so far is not timed for long. Elsewhere bf16 is slower.
    """
    threads = (plan.devices.threads,) if plan.devices.threads else tuple(sorted({1, share}))
    if plan.devices.precision != "auto":
        return threads, (plan.devices.precision,)
    if gpu or machine.bf16_on_cpu():
        return threads, ("bf16", "fp32")
    return threads, ("fp32",)


def predicted_seconds(
    plan: Plan,
    setting: Setting,
    configuration: Configuration,
    from_samples: int,
    to_samples: int,
    processes: int | None = None,
) -> float:
    """Return the seconds of training and evaluating from one number of samples seen to another.

    ``processes`` share the work; left out, those that the plan names. Fitting the head before the
    first step is part of it; the start of the process, ``setting.start_seconds``, comes on top. A
    probe is made in one go, whatever the samples. 0 where nothing was measured.
    """
    values = configuration.hyperparameters
    rows = plan.data.rows
    if values.get("method") == "probe":
        encoded = rows["train"] + rows["validation"]
        return encoded * setting.seconds_per_evaluated_row + FIT_SECONDS
    horizon = horizon_samples(plan, configuration)
    end = min(to_samples, horizon)
    if end <= from_samples:
        return 0.0
    processes = processes or plan.devices.processes
    batch = int(_number(values.get("batch_size"), 32))
    share = max(1, batch // processes)
    step = setting.step_seconds(share) * _step_share(plan, setting, configuration)
    every = plan.search.evaluation_samples
    evaluations = end // every - from_samples // every + (end == horizon and horizon % every > 0)
    predicted = evaluations * tasks.get(plan.task).evaluated(rows["validation"])
    fitting = 0.0
    if from_samples == 0 and values.get("head_init") == "probe":
        predicted += min(rows["train"], FITTED_ROWS)
        fitting = FIT_SECONDS
    predicting = predicted * setting.seconds_per_evaluated_row / processes
    return (end - from_samples) / batch * step + predicting + fitting


def horizon_samples(plan: Plan, configuration: Configuration) -> int:
    """Return the training samples that the configuration's whole schedule spans; 0 for a probe."""
    if configuration.hyperparameters.get("method") == "probe":
        return 0
    return int(_number(configuration.hyperparameters.get("epochs"), 1) * plan.data.rows["train"])


def whole_trial_seconds(plan: Plan, setting: Setting, configuration: Configuration) -> float:
    """Return the seconds of the configuration from its start to its end, without interruption."""
    horizon = horizon_samples(plan, configuration)
    return setting.start_seconds + predicted_seconds(plan, setting, configuration, 0, horizon)


def _step_share(plan: Plan, setting: Setting, configuration: Configuration) -> float:
    """What a step of the configuration takes of one that was measured, by what of it is trained."""
    values = configuration.hyperparameters
    default = {each.name: each.default for each in plan.candidate(configuration.candidate).space}
    share = setting.frozen_share if values.get(FROZEN) is True else 1.0
    kept, all_of_them = values.get("keep_layers"), default.get("keep_layers")
    if kept is None or all_of_them is None:
        return share
    return share * _number(kept, 1) / _number(all_of_them, 1)


def _number(value: Scalar | None, otherwise: float) -> float:
    return otherwise if value is None or isinstance(value, str) else float(value)


def _path(plan: Plan, candidate: Candidate, slots: int) -> Path:
    """One file per model content, data, method, batch sizes, machine and library versions."""
    facts = {
        "measurement": MEASUREMENT,
        "method": next((p.default for p in candidate.space if p.name == "method"), "full"),
        "files": [file.sha256 for file in candidate.files],
        "data": plan.data.fingerprint,
        "batches": batch_sizes(candidate.space),
        "max_length": candidate.max_length,
        "devices": documents.to_line(plan.devices),
        "slots": slots,
        "machine": machine.describe(),
        "versions": dict(plan.versions),
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]
    return cache.folder() / "settings" / f"{key}.json"
