"""Every sampler by its name: what it draws, what it needs, how it goes on after a restart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from automl.plan import Configuration, Goal, Parameter, Plan, SearchPlan
from automl.search import strategies
from automl.search.study import Evaluation, Study
from tests import factories
from tests.search.test_study import score

SIZES = Parameter("batch_size", "choice", 16, choices=(8, 16, 32))
TURNS = Parameter("epochs", "int", 2, 1, 3)


def plan(sampler: str, strategy: str = "none", also: bool = False) -> Plan:
    goal = Goal("macro_f1", "maximize", also={"latency_ms": "minimize"} if also else {})
    return factories.plan(search=SearchPlan(7, sampler, strategy, 100), goal=goal)


def play(study: Study, count: int) -> list[Configuration]:
    drawn = []
    for _ in range(count):
        trial = study.ask()
        if trial is None:
            break
        rated = "learning_rate" in trial.configuration.hyperparameters
        value = score(trial.configuration) if rated else 0.5
        costs = {"latency_ms": float(trial.number % 3)}
        study.report(trial.number, Evaluation(1, 100, value), 1.0, costs)
        study.tell(trial.number, "complete")
        drawn.append(trial.configuration)
    return drawn


@pytest.mark.parametrize("also", [False, True], ids=["one objective", "two objectives"])
@pytest.mark.parametrize(
    "sampler",
    ["tpe", "random", "nsga2", "cmaes", pytest.param("gp", marks=pytest.mark.slow)],
)
def test_draws_are_new_configurations_inside_the_spaces(tmp_path: Path, sampler: str, also: bool):
    drawn = play(Study(tmp_path / "j", plan(sampler, also=also)), 24)
    assert len({json.dumps([c.candidate, dict(c.hyperparameters)]) for c in drawn}) == 24
    assert {c.candidate for c in drawn} == {"small", "large"}
    for each in drawn:
        assert 1e-5 <= float(each.hyperparameters["learning_rate"]) <= 1e-3


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsga2", "grid"])
@pytest.mark.parametrize("strategy", ["promotion", "none"])
def test_an_interrupted_study_draws_what_the_undisturbed_one_draws(
    tmp_path: Path, sampler: str, strategy: str
):
    made = plan(sampler, strategy)
    if sampler == "grid":
        made = replace(made, candidates=(factories.candidate("small", space=(SIZES, TURNS)),))
    undisturbed = play(Study(tmp_path / "one", made), 24)
    resumed = []
    for _ in range(4):
        resumed += play(Study(tmp_path / "two", made), 6)
    assert resumed == undisturbed


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid", "nsga2"])
def test_a_finite_space_is_tried_whole_and_nothing_twice(tmp_path: Path, sampler: str):
    finite = factories.candidate("small", space=(SIZES, TURNS))
    drawn = play(Study(tmp_path / "j", replace(plan(sampler), candidates=(finite,))), 50)
    assert len(drawn) == 9
    assert len({tuple(each.hyperparameters.values()) for each in drawn}) == 9


def test_a_grid_over_endless_spaces_is_objected_to():
    found = strategies.objection(plan("grid"))
    assert found is not None
    assert "./small" in found
    finite = factories.candidate("small", space=(SIZES, TURNS))
    assert strategies.objection(replace(plan("grid"), candidates=(finite,))) is None


@pytest.mark.parametrize("sampler", ["tpe", "random", "gp", "cmaes", "nsga2"])
def test_other_samplers_search_any_space(sampler: str):
    assert strategies.objection(plan(sampler)) is None


def test_most_draws_are_near_the_best_and_some_look_around(tmp_path: Path):
    study = Study(tmp_path / "j", plan("tpe", "promotion"))
    drawn = play(study, 60)
    rates = [abs(float(c.hyperparameters["learning_rate"]) - 3e-4) for c in drawn[30:]]
    assert max(rates) > 3e-4
    assert sum(rate < 2e-4 for rate in rates) > 15


def test_what_is_refused_is_not_tried_now_but_may_be_later(tmp_path: Path):
    study = Study(tmp_path / "j", plan("tpe"))
    first = study.ask(lambda each: each.candidate == "large")
    assert first is not None
    assert first.configuration.candidate == "large"
    assert study.ask(lambda _: False) is None
    second = study.ask()
    assert second is not None
    assert (second.number, second.configuration.candidate) == (1, "small")
