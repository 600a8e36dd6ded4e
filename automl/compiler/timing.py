"""What a training step costs on this machine: measured once per candidate, then remembered.

The measurement chooses thread count and precision and predicts a trial's seconds. It is no part of
the plan, which is the same on every machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from automl import documents, jobs, machine
from automl.catalog import cache
from automl.jobs import DataRef, MeasureSpec, ModelRef
from automl.plan import Candidate, Plan
from automl.rundir import RunDir

FixedPrecision = Literal["fp32", "bf16", "fp16"]
BATCH = 32
"""Rows of the steps that are timed."""
STEPS = 4
"""Steps timed per setting, after two to warm up: enough to tell apart settings that matter."""


@dataclass(frozen=True, slots=True)
class Setting:
    """How one candidate trains fastest here; 0 seconds and bytes where nothing was measured."""

    threads: int
    precision: FixedPrecision
    seconds_per_sample: float = 0.0
    peak_memory_bytes: int = 0
    timings: tuple[jobs.Timing, ...] = ()
    schema: Literal["automl/setting"] = "automl/setting"
    version: int = 1


@dataclass(frozen=True, slots=True)
class Share:
    """What one trial's process has: CPU threads, its first device, and how many slots there are."""

    threads: int
    devices: tuple[str, ...]
    slots: int


def settings(
    plan: Plan,
    models: Mapping[str, ModelRef],
    data: Mapping[str, DataRef],
    share: Share,
    rundir: RunDir,
    say: Callable[[str], None],
) -> dict[str, Setting]:
    """Return each candidate's setting: the only one possible, remembered, or measured now.

    ``say`` hears of every measurement before it starts.
    """
    found = {}
    for candidate in plan.candidates:
        setting = known(plan, candidate, share.slots)
        setting = setting or without_choice(plan, share.threads, bool(share.devices))
        if setting is None:
            say(f"seconds a step of {candidate.id}")
            threads, precisions = choices(plan, share.threads, bool(share.devices))
            spec = MeasureSpec(
                task=plan.task,
                model=models[candidate.id],
                data=data[candidate.id],
                batch_size=BATCH,
                threads=threads,
                precisions=precisions,
                devices=share.devices,
                steps=STEPS,
                tokens=str(rundir.tokens),
            )
            setting = _measure(spec, rundir.job(f"measure-{candidate.id}"))
            documents.write(_path(plan, candidate, share.slots), setting)
        found[candidate.id] = setting
    return found


def known(plan: Plan, candidate: Candidate, slots: int) -> Setting | None:
    """Return what was measured of the candidate on this machine before, if it was."""
    path = _path(plan, candidate, slots)
    return documents.read(Setting, path) if path.exists() else None


def _measure(spec: MeasureSpec, folder: Path) -> Setting:
    result: jobs.MeasureResult = jobs.call(
        spec, jobs.MeasureResult, folder, threads=max(spec.threads), devices=spec.devices
    )
    best = min(result.timings, key=lambda timing: timing.seconds_per_step)
    return Setting(
        best.threads,
        best.precision,
        best.seconds_per_step / result.batch_size,
        result.peak_memory_bytes,
        result.timings,
    )


def choices(
    plan: Plan, share: int, gpu: bool
) -> tuple[tuple[int, ...], tuple[FixedPrecision, ...]]:
    """Return the thread counts and precisions worth timing; ``share`` is a process's cores.

    bf16 is tried where the hardware multiplies it natively: elsewhere it is slower, always.
    """
    threads = (plan.devices.threads,) if plan.devices.threads else tuple(sorted({1, share}))
    if plan.devices.precision != "auto":
        return threads, (plan.devices.precision,)
    if gpu or machine.bf16_on_cpu():
        return threads, ("fp32", "bf16")
    return threads, ("fp32",)


def without_choice(plan: Plan, share: int, gpu: bool) -> Setting | None:
    """Return the only setting that is possible, or None where there are several to compare."""
    threads, precisions = choices(plan, share, gpu)
    if len(threads) * len(precisions) > 1:
        return None
    return Setting(threads[0], precisions[0])


def predicted_seconds(plan: Plan, candidate: Candidate, setting: Setting) -> float:
    """Return the training seconds of one trial of the candidate's default configuration."""
    defaults: Mapping[str, object] = {p.name: p.default for p in candidate.space}
    epochs = float(str(defaults.get("epochs", 1)))
    return epochs * plan.data.rows["train"] * setting.seconds_per_sample


def _path(plan: Plan, candidate: Candidate, slots: int) -> Path:
    """One file per model content, data, machine and library versions."""
    facts = {
        "files": [file.sha256 for file in candidate.files],
        "data": plan.data.fingerprint,
        "max_length": candidate.max_length,
        "devices": documents.to_line(plan.devices),
        "slots": slots,
        "machine": machine.describe(),
        "versions": dict(plan.versions),
    }
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]
    return cache.folder() / "settings" / f"{key}.json"
