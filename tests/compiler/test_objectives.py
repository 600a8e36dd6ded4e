from __future__ import annotations

import pytest

from automl import tasks
from automl.compiler import objectives
from automl.plan import Goal, Prefer

TASK = tasks.get("text-classification")


def goal(recipe, line: str) -> Goal:
    return objectives.goal(recipe(line), TASK)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("objective: {}", Goal("macro_f1", "maximize")),
        ("objective: {minimize: log_loss}", Goal("log_loss", "minimize")),
        (
            "objective: {maximize: [accuracy, macro_f1]}",
            Goal("accuracy", "maximize", also={"macro_f1": "maximize"}),
        ),
        (
            "objective: {minimize: [log_loss, latency_ms], maximize: accuracy}",
            Goal("accuracy", "maximize", also={"log_loss": "minimize", "latency_ms": "minimize"}),
        ),
        (
            "objective: {minimize: [log_loss, disk]}",
            Goal("log_loss", "minimize", also={"disk": "minimize"}),
        ),
        (
            "objective: {maximize: accuracy, minimize: latency_ms, subject_to: [disk <= 1GB], "
            "prefer: {metric: latency_ms, within: 0.01}}",
            Goal(
                "accuracy",
                "maximize",
                ("disk <= 1GB",),
                {"latency_ms": "minimize"},
                Prefer("latency_ms", 0.01),
            ),
        ),
    ],
)
def test_the_first_to_maximise_leads_else_the_first_to_minimise(recipe, line: str, found: Goal):
    assert goal(recipe, line) == found


@pytest.mark.parametrize(
    ("line", "quantities"),
    [
        ("objective: {maximize: accuracy}", set()),
        ("objective: {maximize: accuracy, minimize: log_loss}", set()),
        ("objective: {maximize: accuracy, minimize: latency_ms}", {"latency_ms"}),
        ("objective: {subject_to: [disk <= 1GB, parameters < 9M]}", {"disk", "parameters"}),
    ],
)
def test_costs_are_measured_where_an_objective_or_a_limit_needs_them(recipe, line, quantities):
    found = goal(recipe, line)
    assert objectives.quantities(found) == quantities
    assert objectives.needs_costs(found) == bool(quantities)
