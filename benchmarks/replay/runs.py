"""One replayed study: an arm on a task with a seed, from its first trial to the end of its budget.

What is kept of it is the incumbent over time: the best evaluation that a user who stopped then
would hold.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from automl.executors import Slot
from automl.jobs import DataRef, ModelRef, Parent, TrialSpec
from automl.plan import Plan
from automl.rundir import RunDir
from automl.scheduler import Limits, Scheduler
from automl.search import rungs
from automl.search.study import Study
from automl.search.trial import StudyTrial
from benchmarks.replay import plain
from benchmarks.replay.arms import ARMS, METRIC, Arm, first, in_force, plan
from benchmarks.replay.curves import EPOCHS, Curves
from benchmarks.replay.simulation import Said, Simulation


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """What is run. Units are full trainings, summed over workers; a resume costs a share of one."""

    arm: str
    task: str
    seed: int
    workers: int
    resume: float
    units: float

    @property
    def deadline(self) -> float:
        """The end of the budget, in simulated seconds."""
        return self.units * EPOCHS / self.workers


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
    """Run the study and return its incumbents; ``starts`` are rows of the space to begin with."""
    began = time.perf_counter()
    arm = ARMS[setting.arm]
    with in_force(arm):
        search = _by_optuna if arm.by == "optuna" else _by_automl
        said, resumed = search(arm, setting, curves, starts)
    times, values = _incumbents(said, setting)
    longest = Counter(one.trial for one in said)
    return Run(
        setting,
        times,
        values,
        len(longest),
        sum(count == EPOCHS for count in longest.values()),
        resumed,
        time.perf_counter() - began,
    )


def _by_optuna(
    arm: Arm, setting: Setting, curves: Curves, _: Sequence[NDArray[np.float64]]
) -> tuple[list[Said], int]:
    said = plain.search(
        setting.task,
        curves,
        first(setting.seed),
        sampler=arm.sampler,
        pruner=plain.pruner(arm.strategy, arm.first),
        seed=setting.seed,
        workers=setting.workers,
        deadline=setting.deadline,
    )
    return said, 0


def _by_automl(
    arm: Arm, setting: Setting, curves: Curves, starts: Sequence[NDArray[np.float64]]
) -> tuple[list[Said], int]:
    """The project's study and scheduler, in a temporary run folder."""
    simulation = Simulation(
        score=lambda values: curves.curve(setting.task, values),
        metric=METRIC,
        resume_seconds=setting.resume * EPOCHS,
        deadline=setting.deadline,
        restarts=arm.restarts,
    )
    made = plan(arm, setting.seed, setting.deadline, starts)
    with TemporaryDirectory(dir=_memory()) as name:
        rundir = RunDir.at(Path(name))
        study = Study(rundir.study, made)
        Scheduler(
            study,
            simulation,
            tuple(Slot(index, (), 1, 1) for index in range(setting.workers)),
            rundir,
            Limits(seconds=setting.deadline, hang_seconds=math.inf),
            lambda trial, slot: specify(made, trial),
            clock=simulation.clock,
            sleep=simulation.sleep,
        ).run()
    return simulation.heard, simulation.resumed


def _incumbents(
    said: Sequence[Said], setting: Setting
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return when (in units of all workers together) the best value rose, and to what."""
    times: list[float] = []
    values: list[float] = []
    for one in said:
        if one.time <= setting.deadline and (not values or one.value > values[-1]):
            times.append(one.time * setting.workers / EPOCHS)
            values.append(one.value)
    return tuple(times), tuple(values)


def specify(plan: Plan, trial: StudyTrial) -> TrialSpec:
    """Return what a worker of the trial would be told."""
    return TrialSpec(
        number=trial.number,
        task=plan.task,
        model=ModelRef(trial.configuration.candidate, ""),
        hyperparameters=trial.configuration.hyperparameters,
        data=DataRef({}, (), "", 0),
        metric=METRIC,
        direction="maximize",
        evaluation_samples=plan.search.evaluation_samples,
        seed=plan.search.seed,
        precision="fp32",
        threads=1,
        processes=1,
        devices=(),
        tokens="",
        parent=Parent(0, 0.0),
        rungs=rungs.ahead(trial, plan),
    )


def _memory() -> Path | None:
    """A folder in memory where there is one: a replay writes thousands of small files."""
    shm = Path("/dev/shm")
    return shm if shm.is_dir() else None
