"""What of a classifier is tuned on validation once it is chosen: its temperature and thresholds.

Asks a worker for it; knows where the calibrated model lies, and what is said of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from automl import machine, processes, tasks
from automl.errors import JobFailed
from automl.events import RunEvent, StageBegan
from automl.jobs import CalibrateResult, CalibrateSpec, Calibration, DataRef, ModelRef, Thresholds
from automl.plan import Plan
from automl.rundir import RunDir
from automl.tasks._loading import ADAPTER


def folder(rundir: RunDir) -> Path:
    """Return where a calibrated model lies."""
    return rundir.finish / "calibrated"


def model(tuned: CalibrateResult | None, chosen: Path, rundir: RunDir) -> Path:
    """Return the folder of the model that leaves: the calibrated one, or the one chosen."""
    taken = tuned is not None and tuned.calibration is not None and tuned.calibration.taken
    return folder(rundir) if taken else chosen


def tuned(
    plan: Plan,
    chosen: ModelRef,
    data: DataRef,
    rundir: RunDir,
    devices: tuple[str, ...],
    listen: Callable[[RunEvent], None],
) -> CalibrateResult | None:
    """Return what was tuned of the model ``chosen``, or None where nothing is to be.

    A worker that fails leaves the model as it is, and is said.
    """
    wanted = plan.export.calibration != "never", plan.export.thresholds != "never"
    if tasks.get(plan.task).probabilities is None or not any(wanted):
        return None
    if plan.export.adapter == "keep" and (Path(chosen.path) / ADAPTER).is_dir():
        listen(StageBegan("calibrate", "left as it is: adapters leave alone, as they were trained"))
        return None
    listen(StageBegan("calibrate", "probabilities and thresholds, on validation"))
    shutil.rmtree(folder(rundir), ignore_errors=True)
    spec = CalibrateSpec(
        task=plan.task,
        model=chosen,
        data=data,
        metric=plan.goal.metric,
        direction=plan.goal.direction,
        target=str(folder(rundir)),
        calibration=wanted[0],
        thresholds=wanted[1],
        batch_size=64,
        threads=machine.physical_cores(),
        devices=devices,
        seed=plan.search.seed,
    )
    try:
        found: CalibrateResult = processes.call(
            spec, CalibrateResult, rundir.job("calibrate"), threads=spec.threads, devices=devices
        )
    except JobFailed as error:
        listen(StageBegan("calibrate", f"failed, the model leaves as it is: {error}"))
        return None
    for line in said(found, plan.goal.metric):
        listen(StageBegan("calibrate", line))
    return found


def said(found: CalibrateResult, metric: str) -> list[str]:
    """Return what was tuned, and what was not and why, a line each."""
    lines = [_temperature(found.calibration)] if found.calibration else []
    return [*lines, _thresholds(found.thresholds, metric)] if found.thresholds else lines


def _temperature(found: Calibration) -> str:
    if not found.taken:
        return f"probabilities left as they are: {found.why_not}"
    before, after = found.error
    return (
        f"logits divided by {found.temperature:.2f}; expected calibration error {before:.3f} "
        f"before, {after:.3f} after, of held-out validation rows"
    )


def _thresholds(found: Thresholds, metric: str) -> str:
    if not found.by_class:
        return f"no thresholds: {found.why_not}"
    values = sorted(set(found.by_class.values()))
    named = f"{values[0]:.2f}" + (f" to {values[-1]:.2f}" if len(values) > 1 else "")
    whose = next(iter(found.by_class)) if len(found.by_class) == 1 else "classes"
    return (
        f"{whose} predicted from {named} on; {metric} {found.plain:.4f} without thresholds, "
        f"{found.tuned:.4f} with, of held-out validation rows"
    )
