"""One replayed study: an arm on a task with a seed, from its first trial to the end of its budget.

What is kept of it is the incumbent over time: the best evaluation that a user who stopped then
would hold.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from automl.executors import Slot
from automl.jobs import DataRef, ModelRef, Parent, TrialSpec
from automl.rundir import RunDir
from automl.scheduler import Limits, Scheduler
from automl.search import rungs
from automl.search.study import Study
from automl.search.trial import StudyTrial
from benchmarks.replay.arms import ARMS, METRIC, plan
from benchmarks.replay.curves import EPOCHS, Curves
from benchmarks.replay.simulation import Simulation


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """What is run. Units are full trainings, summed over workers; a resume costs a share of one."""

    arm: str
    task: str
    seed: int
    workers: int
    resume: float
    units: float


@dataclass(frozen=True, slots=True)
class Run:
    """What came of it: the incumbent's value after each of ``times`` (units, rising)."""

    setting: Setting
    times: tuple[float, ...]
    values: tuple[float, ...]
    trials: int
    complete: int
    resumed: int
    seconds: float
    """What the replay itself took on this machine."""


def replay(setting: Setting, curves: Curves, starts: Sequence[NDArray[np.float64]] = ()) -> Run:
    """Run the study in a temporary folder and return its incumbents."""
    began = time.perf_counter()
    arm = ARMS[setting.arm]
    deadline = setting.units * EPOCHS / setting.workers
    simulation = Simulation(
        score=lambda values: curves.curve(setting.task, values),
        metric=METRIC,
        resume_seconds=setting.resume * EPOCHS,
        deadline=deadline,
    )
    made = plan(arm, setting.seed, deadline, starts)
    with TemporaryDirectory(dir=_memory()) as name:
        rundir = RunDir.at(Path(name))
        study = Study(rundir.study, made)
        Scheduler(
            study,
            simulation,
            tuple(Slot(index, (), 1, 1) for index in range(setting.workers)),
            rundir,
            Limits(seconds=deadline, hang_seconds=float("inf")),
            lambda trial, slot: _specify(study, trial),
            clock=simulation.clock,
            sleep=simulation.sleep,
        ).run()
        states = [trial.state for trial in study.trials]
    times, values = _incumbents(simulation, setting.workers)
    return Run(
        setting,
        times,
        values,
        len(states),
        states.count("complete"),
        simulation.resumed,
        time.perf_counter() - began,
    )


def _incumbents(
    simulation: Simulation, workers: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return when (in units of all workers together) the best value rose, and to what."""
    times, values = [], []
    for said in simulation.heard:
        if said.time <= simulation.deadline and (not values or said.value > values[-1]):
            times.append(said.time * workers / EPOCHS)
            values.append(said.value)
    return tuple(times), tuple(values)


def _specify(study: Study, trial: StudyTrial) -> TrialSpec:
    return TrialSpec(
        number=trial.number,
        task=study.plan.task,
        model=ModelRef(trial.configuration.candidate, ""),
        hyperparameters=trial.configuration.hyperparameters,
        data=DataRef({}, (), "", 0),
        metric=METRIC,
        direction="maximize",
        evaluation_samples=study.plan.search.evaluation_samples,
        seed=study.plan.search.seed,
        precision="fp32",
        threads=1,
        processes=1,
        devices=(),
        tokens="",
        parent=Parent(0, 0.0),
        rungs=rungs.ahead(trial, study.plan),
    )


def _memory() -> Path | None:
    """A folder in memory where there is one: a replay writes thousands of small files."""
    shm = Path("/dev/shm")
    return shm if shm.is_dir() else None
