"""Runs are compared where that is fair, and otherwise it is said why not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from automl import documents, finish
from automl.jobs import Interval
from automl.plan import Goal, Plan
from automl.reporting import comparison
from automl.reporting.comparison import compare, names, read
from automl.reporting.side_by_side import write
from tests.commands import automl
from tests.reporting.pages import Page
from tests.reporting.runs import HOSTILE


@pytest.fixture
def runs(many, two):
    """Two runs over the same rows with the same metric."""
    found = read(many, "many"), read(two, "two")
    plan = replace(found[1].plan, goal=found[0].plan.goal)
    return found[0], replace(found[1], plan=plan)


def scored(run: comparison.Run, value: float, half: float) -> comparison.Run:
    test = run.test
    made = replace(
        test,
        metrics={**test.metrics, "macro_f1": value},
        intervals={**test.intervals, "macro_f1": Interval(value - half, value + half)},
    )
    score = replace(run.finish.score, splits={**run.finish.score.splits, "test": made})
    return replace(run, finish=replace(run.finish, score=score))


def test_equal_rows_and_metric_are_compared(runs):
    found = compare(runs)
    assert found.comparable
    assert found.sections[0].title == "On the same test rows"
    assert found.sections[0].rows[0][0] == "macro_f1 (the goal)"


@pytest.mark.parametrize(
    ("value", "half", "said"),
    [
        (0.95, 0.01, "0.0500 better than many in macro_f1; their 95% intervals do not overlap."),
        (0.91, 0.05, "0.0100 better than many in macro_f1; their 95% intervals overlap"),
        (0.80, 0.01, "0.1000 worse than many in macro_f1; their 95% intervals do not overlap."),
        (0.90, 0.01, "as good as many in macro_f1."),
    ],
)
def test_differences_are_told_with_what_they_are_worth(runs, value, half, said):
    found = compare([scored(runs[0], 0.9, 0.01), scored(runs[1], value, half)])
    assert said in found.remarks[0]


def test_for_a_loss_less_is_better(runs):
    goal = Goal("macro_f1", "minimize")
    low = [replace(run, plan=replace(run.plan, goal=goal)) for run in runs]
    found = compare([scored(low[0], 0.9, 0.01), scored(low[1], 0.8, 0.01)])
    assert "0.1000 better than many" in found.remarks[0]


def test_other_test_rows_are_not_compared(runs):
    data = runs[1].plan.data
    other = replace(data, split=replace(data.split, hash="99" * 32))
    moved = replace(runs[1], plan=replace(runs[1].plan, data=other))
    found = compare([runs[0], moved])
    assert not found.comparable
    assert "was tested on other rows than many" in found.objections[0]
    assert found.remarks == ()
    assert all(section.title != "On the same test rows" for section in found.sections)


def test_equal_test_tables_are_compared_whatever_the_training_rows(runs):
    data = runs[1].plan.data
    other = replace(data, split=replace(data.split, hash="99" * 32))
    moved = replace(runs[1], plan=replace(runs[1].plan, data=other), test_rows="ab")
    assert compare([replace(runs[0], test_rows="ab"), moved]).comparable


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"goal": Goal("accuracy", "maximize")}, "another metric decided"),
        ({"task": "text-regression"}, "another task"),
    ],
)
def test_another_metric_or_task_is_not_compared(runs, change, said):
    other = replace(runs[1], plan=replace(runs[1].plan, **change))
    assert said in compare([runs[0], other]).objections[0]


def test_a_run_that_was_not_scored_is_said(runs, stopped):
    found = compare([runs[0], read(stopped, "stopped")])
    assert "stopped has not been scored on its test split yet" in found.objections


def test_only_differing_settings_are_listed(runs):
    titles = {section.title: dict(section.rows) for section in compare(runs).sections}
    assert "Recipe: what differs" not in titles
    other = replace(runs[1], recipe={**runs[1].recipe, "search.seed": "8"})
    titles = {section.title: dict(section.rows) for section in compare([runs[0], other]).sections}
    assert titles["Recipe: what differs"] == {"search.seed": ("–", "8")}


def test_names_are_as_long_as_they_must_be():
    assert names([Path("/a/one"), Path("/a/two")]) == ("one", "two")
    assert names([Path("/a/run"), Path("/b/run")]) == ("a/run", "b/run")
    assert names([Path("/a/run"), Path("/a/run")]) == ("run (1)", "run (2)")


def test_a_page_of_hostile_names_is_harmless(runs, tmp_path):
    named = replace(runs[0], name=HOSTILE)
    text = write(compare([named, runs[1]]), tmp_path / "page.html").read_text()
    page = Page(text)
    assert HOSTILE not in text
    assert page.tags["script"] == 0
    assert page.tags["svg"] == 2


def test_the_command_prints_a_table_a_page_or_json(many, two, tmp_path):
    folders = str(many.root), str(two.root)
    plan = documents.read(Plan, two.plan)
    assert plan.goal.also  # the first objective is the same, and so it is comparable
    done = automl("compare", *folders, "-o", "page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "macro_f1 (the goal)" in done.stdout
    Page((tmp_path / "page.html").read_text())
    facts = json.loads(automl("compare", *folders, "--json", cwd=tmp_path).stdout)
    assert facts["comparable"]
    assert facts["runs"][0]["metrics"] == dict(finish.read(many).score.splits["test"].metrics)


def test_one_run_is_too_few(many, tmp_path):
    done = automl("compare", str(many.root), cwd=tmp_path)
    assert done.returncode == 2
    assert "hint: automl compare" in done.stderr
