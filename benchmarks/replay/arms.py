"""What is compared: each arm is a plan, differing in sampler, strategy and starting points."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from automl.plan import (
    BudgetPlan,
    Candidate,
    DataPlan,
    DevicePlan,
    ExportPlan,
    Fit,
    Goal,
    Parameter,
    Plan,
    Profile,
    SearchPlan,
    SplitRule,
)
from benchmarks.replay.curves import EPOCHS, SPACE, configuration, draw
from benchmarks.replay.simulation import ROWS

METRIC = "accuracy"
CANDIDATE = "network"


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to search."""

    name: str
    meaning: str
    sampler: str
    strategy: str
    starts: Literal["none", "portfolio", "worst"] = "none"
    everywhere: bool = True
    """Run under every setting, not only the first number of workers and the highest resume cost."""


ARMS = {
    arm.name: arm
    for arm in (
        Arm("random", "random configurations, each trained to its end", "random", "none"),
        Arm("tpe", "Optuna's TPE, each trained to its end", "tpe", "none"),
        Arm("tpe-median", "TPE with Optuna's median pruner", "tpe", "median"),
        Arm("tpe-hyperband", "TPE with Optuna's Hyperband pruner", "tpe", "hyperband"),
        Arm("promotion-random", "promotion, configurations drawn at random", "random", "promotion"),
        Arm("ours", "promotion, our feed of TPE; no portfolio", "tpe", "promotion"),
        Arm(
            "ours-portfolio", "ours, eight starts from other tasks", "tpe", "promotion", "portfolio"
        ),
        Arm("ours-worst", "ours, starting with the worst eight", "tpe", "promotion", "worst"),
    )
}


def plan(arm: Arm, seed: int, seconds: float, starts: Sequence[NDArray[np.float64]]) -> Plan:
    """Return the arm's plan: one candidate whose space is LCBench's.

    The first configuration of a study is the candidate's default; here it is a random draw, the
    same in all arms of one seed, so that no arm is handed a good one.
    """
    default = configuration(draw(1, seed=random.Random(f"default-{seed}").getrandbits(32))[0])
    space = tuple(replace(parameter, default=default[parameter.name]) for parameter in SPACE)
    length = Parameter("epochs", "choice", EPOCHS, choices=(EPOCHS,))
    return Plan(
        name=arm.name,
        task="tabular",
        recipe_sha256="0" * 64,
        data=DataPlan(
            sources=(),
            columns={},
            labels=(),
            rows={"train": ROWS, "validation": ROWS, "test": 0},
            fingerprint="0" * 64,
            split=SplitRule(0, None, None, None, None, "0" * 64),
            profile=Profile({}, {}, 0, 0),
        ),
        candidates=(_candidate((*space, length), starts),),
        refused=(),
        screening=(),
        search=SearchPlan(
            seed,
            arm.sampler,
            arm.strategy,
            evaluation_samples=ROWS,
            rungs=rungs() if arm.strategy == "promotion" else (),
            stop="never",
        ),
        goal=Goal(METRIC, "maximize"),
        budget=BudgetPlan(None, seconds, None),
        devices=DevicePlan("simulated", 1, 1, 1, "fp32"),
        checks=(),
        export=ExportPlan((), None, True),
    )


def rungs(eta: int = 3) -> tuple[int, ...]:
    """Return the rungs in samples, ``eta`` apart from the end down; never the first evaluation."""
    epochs = EPOCHS / eta
    found: list[int] = []
    while round(epochs) > 1:
        found.insert(0, round(epochs) * ROWS)
        epochs /= eta
    return tuple(found)


def _candidate(space: tuple[Parameter, ...], starts: Sequence[NDArray[np.float64]]) -> Candidate:
    return Candidate(
        id=CANDIDATE,
        source="folder",
        reference="./network",
        revision=None,
        files=(),
        family="mlp",
        parameters=0,
        license=None,
        language=(),
        max_length=0,
        lengths=None,
        trust_remote_code=False,
        fit=Fit(0, 0, 0),
        space=space,
        portfolio=tuple(configuration(row) for row in starts),
    )
