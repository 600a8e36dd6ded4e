"""How long trials held which devices, from what each worker was asked to do."""

from __future__ import annotations

import os
from collections.abc import Iterable

from automl import documents, machine
from automl.exporters._energy import Energy, Kind, Spent, estimate
from automl.jobs import TrialSpec
from automl.rundir import RunDir
from automl.search.trial import StudyTrial


def energy(trials: Iterable[StudyTrial], rundir: RunDir) -> Energy | None:
    """Return what the trials used, by this machine's power; None where none has run here.

    Raises InputError where the environment's assumptions are no numbers.
    """
    found = spent(trials, rundir)
    if found is None:
        return None
    return estimate(found, os.environ, machine.gpu_watts() if found.kind == "GPU" else None)


def spent(trials: Iterable[StudyTrial], rundir: RunDir) -> Spent | None:
    """Return the device time of the trials; None where nothing is known of any.

    Those that other machines trained count as if they had held as many devices as those here.
    """
    every = [trial for trial in trials if trial.seconds > 0]
    specs = {
        trial.number: documents.read(TrialSpec, path)
        for trial in every
        if (path := rundir.trial(trial.number).spec).exists()
    }
    held = {number: _held(spec) for number, spec in specs.items()}
    here = sum(trial.seconds for trial in every if trial.number in held)
    if not here:
        return None
    seconds = sum(trial.seconds * held[trial.number] for trial in every if trial.number in held)
    kind: Kind = "GPU" if any(spec.devices for spec in specs.values()) else "CPU core"
    return Spent(kind, seconds * sum(trial.seconds for trial in every) / here)


def _held(spec: TrialSpec) -> float:
    """Return the devices that a trial held: GPUs, or CPU cores that its threads ran on."""
    if spec.devices:
        return len(spec.devices) * spec.device_share
    return float(spec.threads * spec.processes)
