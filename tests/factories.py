"""Small, valid plans for tests that need one and do not care about data or models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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

LEARNING_RATE = Parameter("learning_rate", "float", 1e-4, 1e-5, 1e-3, log=True, prior=1e-4)
EPOCHS = Parameter("epochs", "int", 3, 1, 5)
BATCH = Parameter("batch_size", "choice", 16, choices=(16, 32))
WEIGHT_DECAY = Parameter("weight_decay", "float", 0.01, 1e-5, 0.1, log=True)


def candidate(name: str = "small", **changes: Any) -> Candidate:
    made = Candidate(
        id=name,
        source="folder",
        reference=f"./{name}",
        revision=None,
        files=(),
        family="bert",
        parameters=1000,
        license=None,
        language=(),
        max_length=32,
        lengths=None,
        trust_remote_code=False,
        fit=Fit(1, 1, 1),
        space=(LEARNING_RATE, EPOCHS, BATCH, WEIGHT_DECAY),
    )
    return replace(made, **changes)


def plan(*candidates: Candidate, **changes: Any) -> Plan:
    made = Plan(
        name="study",
        task="text-classification",
        recipe_sha256="0" * 64,
        data=DataPlan(
            sources=(),
            columns={"text": "text", "label": "label"},
            labels=("a", "b"),
            rows={"train": 100, "validation": 20, "test": 20},
            fingerprint="f" * 64,
            split=SplitRule(0, 0.1, 0.1, "label", None, "e" * 64),
            profile=Profile({}, {"p50": 10, "p95": 20, "max": 30}, 0, 0),
        ),
        candidates=candidates or (candidate("small"), candidate("large")),
        refused=(),
        screening=(),
        search=SearchPlan(7, "tpe", "median", 100),
        goal=Goal("macro_f1", "maximize"),
        budget=BudgetPlan(10, None, None),
        devices=DevicePlan("local", 1, 1, None, "auto"),
        checks=(),
        export=ExportPlan(("safetensors",), None, True),
        versions={},
    )
    return replace(made, **changes)
