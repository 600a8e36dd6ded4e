"""What ``automl plan`` prints, of plans made by hand."""

from __future__ import annotations

import pytest

from automl.cli._plan_view import Measured, show
from automl.compiler.timing import Setting
from automl.jobs import BatchCost
from automl.plan import BudgetPlan, Goal, Plan, Prefer, Screened, SearchPlan
from tests import factories

SEARCH = SearchPlan(
    7,
    "tpe",
    "promotion",
    50,
    rungs=(100, 300),
    repeats=2,
    finish_share=0.2,
    soup=True,
    experience=True,
)
STARTS = ({"epochs": 3}, {"epochs": 5})


def made(**changes: object) -> Plan:
    small = factories.candidate("small", portfolio=STARTS)
    return factories.plan(small, **{"search": SEARCH, **changes})


def shown(plan: Plan, capsys: pytest.CaptureFixture[str], costs: object = None) -> str:
    show(plan, costs or {})  # type: ignore[arg-type]
    return " ".join(capsys.readouterr().out.split())


def test_rungs_starts_and_what_follows_the_search_are_said(capsys) -> None:
    said = shown(made(budget=BudgetPlan(10, 600.0, None)), capsys)
    assert "strategy promotion with rungs at 100, 300 samples (about one in 3 goes on)" in said
    assert "scored every 50 samples" in said
    assert "2 different starts, the defaults before all" in said
    assert "2 starts before sampling, experience used and recorded" in said
    assert "the best 2 repeated with new seeds, soup of the best models tried" in said
    assert "ends early when settled" in said
    assert "budget: 10 trials or 600 s (20% of it for repeats)" in said


def test_what_is_off_is_not_promised(capsys) -> None:
    search = SearchPlan(7, "random", "none", 50, stop="never")
    said = shown(made(search=search), capsys)
    assert "search: sampler random, strategy none, scored every 50 samples" in said
    assert "experience off" in said
    for word in ("rungs", "repeated", "soup", "settled"):
        assert word not in said


def test_all_objectives_and_the_choice_among_them_are_said(capsys) -> None:
    goal = Goal(
        "macro_f1",
        "maximize",
        ("disk <= 1GB",),
        {"latency_ms": "minimize"},
        Prefer("latency_ms", 0.01),
    )
    said = shown(made(goal=goal), capsys)
    assert (
        "maximize macro_f1, minimize latency_ms, prefer latency_ms within 0.01, disk <= 1GB" in said
    )


def test_the_ranking_of_frozen_encoders_is_shown_with_reasons(capsys) -> None:
    screening = (
        Screened("acme/first", 1, 0.91, 4, True, "among the best 3"),
        Screened("acme/last", 2, 0.4, 0, False, "ranked below"),
    )
    said = shown(made(screening=screening), capsys)
    assert "1 acme/first 0.910 4 kept among the best 3" in said
    assert "2 acme/last 0.400 embeddings left out ranked below" in said
    assert "frozen encoders" not in shown(made(), capsys)


def test_costs_are_those_measured_here(capsys) -> None:
    setting = Setting(2, "bf16", (BatchCost(16, 0.25, 2_000_000_000, 20),))
    said = shown(made(), capsys, {"small": Measured(setting, 42.0)})
    assert "2.0 GB memory a process, 0.25 s a step of 16 (bf16, 2 threads)" in said
    assert "42 s a trial of the defaults" in said
    assert "seconds a trial not measured yet" in shown(made(), capsys)
