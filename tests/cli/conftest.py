"""A run folder with a study in every state a trial can be in, and no models."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl import documents
from automl.plan import Goal, Plan, SearchPlan
from automl.rundir import RunDir
from automl.search.rungs import Outlook
from automl.search.study import Evaluation, Study
from tests import factories

COSTS = {"latency_ms": 6.13, "parameters": 22_713_216.0, "disk": 90_868_376.0}
SLOW = {**COSTS, "latency_ms": 31.0, "parameters": 66_000_000.0}


@pytest.fixture
def plan() -> Plan:
    return factories.plan(
        search=SearchPlan(7, "random", "promotion", 100, (200, 600), repeats=2),
        goal=Goal("macro_f1", "maximize", ("latency_ms <= 20",), {"latency_ms": "minimize"}),
    )


@pytest.fixture
def rundir(tmp_path: Path, plan: Plan) -> RunDir:
    """Trial 0 complete and repeated as 5, 1 slow, 2 waits at 200 samples, 3 failed, 4 pruned."""
    folder = RunDir.at(tmp_path / "run")
    folder.root.mkdir()
    documents.write(folder.plan, plan)
    study = Study(folder.study, plan)
    _trained(study, (0.5, 0.7, 0.80), COSTS)
    study.tell(0, "complete")
    _trained(study, (0.6, 0.8, 0.85), SLOW)
    study.tell(1, "complete")
    waits = study.ask()
    assert waits is not None
    study.attempt(2)
    for number, value in enumerate((0.4, 0.45), start=1):
        verdict = study.report(
            2, Evaluation(number, 100 * number, value), 9.0 * number, COSTS, Outlook()
        )
    assert verdict == "pause"
    study.ask()
    study.attempt(3)
    study.tell(3, "failed", "not_a_number", "loss is not a number at step 12")
    _trained(study, (0.3,), COSTS)
    study.tell(4, "pruned")
    study.repeat(0)
    _run(study, 5, (0.5, 0.72, 0.78), COSTS)
    study.tell(5, "complete")
    study.spend(123.4)
    return folder


def _trained(study: Study, values: tuple[float, ...], costs: dict[str, float]) -> None:
    trial = study.ask()
    assert trial is not None
    _run(study, trial.number, values, costs)


def _run(study: Study, number: int, values: tuple[float, ...], costs: dict[str, float]) -> None:
    study.attempt(number)
    for index, value in enumerate(values, start=1):
        study.report(number, Evaluation(index, 100 * index, value), 10.0 * index, costs)
