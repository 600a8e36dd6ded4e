"""What is compared: each arm is a plan, differing in sampler, strategy and starting points."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from automl.compiler.rungs import rungs
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
    Scalar,
    SearchPlan,
    SplitRule,
)
from automl.search.feed import Feed
from benchmarks.replay.curves import EPOCHS, SPACE, configuration, draw
from benchmarks.replay.simulation import ROWS

METRIC = "accuracy"
CANDIDATE = "network"


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to search. ``changed`` sets constants of the search: "module.NAME" → value."""

    name: str
    meaning: str
    sampler: str
    strategy: str
    starts: Literal["none", "portfolio", "worst"] = "none"
    by: Literal["optuna", "automl"] = "automl"
    """Whose study and loop: Optuna's alone, or the project's."""
    changed: Mapping[str, Any] = field(default_factory=dict)
    everywhere: bool = True
    """Run under every setting, not only the first number of workers and the highest resume cost."""
    restarts: bool = False
    """Whether a trial that goes on trains from its beginning again."""
    first: int = 1
    """Hyperband's smallest resource, in epochs."""


class PlainFeed(Feed):
    """Shows a sampler what Optuna would: ends, and pruned trials with where they stopped."""

    def __init__(self, plan: Plan, states: Mapping[int, Mapping[str, Any]] | None = None) -> None:
        super().__init__(replace(plan, search=replace(plan.search, strategy="none")), states)


def _without(what: str, meaning: str, **changes: Any) -> Arm:
    made = Arm(f"ours-without-{what}", meaning, "tpe", "promotion", everywhere=False)
    return replace(made, **changes)


_ALL = (
    Arm("random", "random configurations, each trained to its end", "random", "none", by="optuna"),
    Arm("tpe", "Optuna's TPE, each trained to its end", "tpe", "none", by="optuna"),
    Arm("tpe-median", "TPE with Optuna's median pruner", "tpe", "median", by="optuna"),
    Arm("tpe-hyperband", "TPE with Optuna's Hyperband pruner", "tpe", "hyperband", by="optuna"),
    Arm(
        "tpe-hyperband-6",
        "the same, its first resource tuned on these tasks (6 epochs, not 1)",
        "tpe",
        "hyperband",
        by="optuna",
        first=6,
        everywhere=False,
    ),
    Arm(
        "hyperband-here",
        "`strategy: hyperband` of a recipe, with the project's own loop",
        "tpe",
        "hyperband",
        everywhere=False,
    ),
    Arm("promotion-random", "promotion, configurations drawn at random", "random", "promotion"),
    Arm("ours", "promotion and TPE fed from its rungs; no portfolio", "tpe", "promotion"),
    Arm("ours-portfolio", "ours, eight starts from other tasks", "tpe", "promotion", "portfolio"),
    Arm("ours-worst", "ours, starting with the worst eight", "tpe", "promotion", "worst"),
    _without(
        "feed",
        "TPE sees what Optuna would show it: ends, and pruned trials where they stopped",
        changed={"study.Feed": PlainFeed},
    ),
    _without(
        "random", "no configuration is drawn at random", changed={"proposals.RANDOM_SHARE": 0}
    ),
    Arm(
        "ours-from-5",
        "ours, a rung is learnt from once five configurations came to it, not ten",
        "tpe",
        "promotion",
        changed={"feed.ENOUGH": 5},
        everywhere=False,
    ),
    _without("near", "none is a step from the best", changed={"proposals.NEAR_SHARE": 0}),
    _without("continuation", "a promoted trial trains from its beginning again", restarts=True),
)
ARMS = {arm.name: arm for arm in _ALL}


@contextmanager
def in_force(arm: Arm) -> Iterator[None]:
    """Set the arm's constants while it runs."""
    before = []
    try:
        for place, value in arm.changed.items():
            module, _, name = place.rpartition(".")
            found = import_module(f"automl.search.{module}")
            before.append((found, name, getattr(found, name)))
            setattr(found, name, value)
        yield
    finally:
        for found, name, value in before:
            setattr(found, name, value)


def first(seed: int) -> dict[str, Scalar]:
    """Return the configuration that all arms of one seed begin with: a random draw."""
    return configuration(draw(1, seed=random.Random(f"default-{seed}").getrandbits(32))[0])


def plan(arm: Arm, seed: int, seconds: float, starts: Sequence[NDArray[np.float64]]) -> Plan:
    """Return the arm's plan: one candidate whose space is LCBench's.

    The first configuration of a study is the candidate's default; here it is a random draw, so
    that no arm is handed a good one.
    """
    default = first(seed)
    space = tuple(replace(parameter, default=default[parameter.name]) for parameter in SPACE)
    length = Parameter("epochs", "choice", EPOCHS, choices=(EPOCHS,))
    candidates = (_candidate((*space, length), starts),)
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
        candidates=candidates,
        refused=(),
        screening=(),
        search=SearchPlan(
            seed,
            arm.sampler,
            arm.strategy,
            evaluation_samples=ROWS,
            rungs=rungs(candidates, ROWS, ROWS) if arm.strategy == "promotion" else (),
            stop="never",
        ),
        goal=Goal(METRIC, "maximize"),
        budget=BudgetPlan(None, seconds, None),
        devices=DevicePlan("simulated", 1, 1, 1, "fp32"),
        checks=(),
        export=ExportPlan((), None, True),
    )


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
