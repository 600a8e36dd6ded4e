"""The page: complete, escaped, self-contained, and honest about what is not known."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace

import pytest

from automl import documents, events, finish, reporting
from automl.events import RunEnded, RunStarted, TrialStarted
from automl.plan import Plan
from automl.reporting import figures
from automl.reporting.figures._chart import NARROW, WIDE
from automl.reporting.page import render
from automl.reporting.story import gather
from automl.rundir import RunDir
from tests.reporting.pages import Page
from tests.reporting.runs import BEGAN, HOSTILE, make_run

NOW = BEGAN + 100_000


def page_of(rundir: RunDir) -> tuple[str, Page]:
    text = render(gather(rundir, NOW), NOW, "1.0")
    return text, Page(text)


@pytest.mark.parametrize("name", ["many", "two", "one", "stopped"])
def test_every_page_is_well_formed_and_its_names_are_unique(name, request):
    _, page = page_of(request.getfixturevalue(name))
    assert all(count == 1 for count in page.ids.values())
    assert page.tags["svg"] == page.classes["wide"] + page.classes["narrow"]
    assert page.classes["wide"] == page.classes["narrow"] > 0


@pytest.mark.parametrize("name", ["many", "stopped"])
def test_a_page_loads_nothing_and_allows_no_script_but_its_own(name, request):
    text, page = page_of(request.getfixturevalue(name))
    assert all(link.startswith(("#", "data:,")) for link in page.loads)
    assert "url(" not in text
    assert "@import" not in text
    assert (len(page.scripts), page.handlers) == (1, [])
    digest = base64.b64encode(hashlib.sha256(page.scripts[0].encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}';" in policy


def test_names_that_are_markup_are_harmless(many):
    text, page = page_of(many)
    assert HOSTILE not in text
    assert f"recall[{HOSTILE}] >= 1" in page.text
    assert "support & tickets" in page.text
    assert page.tags["b"] == 1  # the page's own, none of a candidate's name


def test_no_path_of_this_machine_is_on_the_page(many):
    text, _ = page_of(many)
    for secret in ("/home/ada", "secret", str(many.root)):
        assert secret not in text
    assert "…/transformers/trainer.py" in text
    assert "\x1b" not in text


def test_every_trial_has_a_row_and_failures_have_their_log(many):
    text, page = page_of(many)
    assert len(re.findall(r"<tr data-t=", text)) == 24
    assert page.tags["details"] == 3
    assert page.text.count("Traceback (most recent call last):") == 3


def test_the_head_tells_the_result_its_floor_and_missed_checks(many):
    _, page = page_of(many)
    for said in ("Checks missed", "macro_f1 on 500 test rows", "95% interval", "baseline 0.732"):
        assert said in page.text
    assert "1 of 2 checks missed" in page.text


def test_a_score_of_what_no_longer_leads_is_not_shown_as_the_result(tmp_path):
    rundir = make_run(tmp_path / "run", count=6, failures=False)
    ended = finish.read(rundir)
    documents.write(rundir.finish / "finish.json", replace(ended, evaluations=1))
    story = gather(rundir, NOW)
    assert story.result is None
    assert "has not been scored on the test split yet" in Page(render(story, NOW, "1.0")).text


def test_a_finished_study_that_was_continued_and_killed_is_stopped(tmp_path):
    rundir = make_run(tmp_path / "run", count=6, failures=False)
    assert gather(rundir, NOW).state == "checks missed"
    events.append(rundir.events, RunStarted("s", 6, 9, None, 2, None, NOW))
    events.append(rundir.events, TrialStarted(6, "minilm", {}, 1, "cpu", NOW + 1))
    story = gather(rundir, NOW)
    assert story.state == "stopped"
    assert story.result is not None


def test_an_average_is_told_by_its_members(many):
    story = gather(many, NOW)
    both = replace(story, result=replace(story.result, members=(1, 8)))
    assert "The average of trials 1, 8, tiny." in Page(render(both, NOW, "1.0")).text


def test_a_stopped_run_says_that_nothing_was_scored(stopped):
    _, page = page_of(stopped)
    assert "Stopped" in page.text
    assert "What leads has not been scored on the test split yet." in page.text
    assert "results" not in page.ids


def test_a_live_run_is_shown_as_running_whatever_ended_before(tmp_path):
    rundir = make_run(tmp_path / "run", count=5)
    with rundir.lock():
        story = gather(rundir, NOW)
    assert story.state == "running"
    assert gather(rundir, NOW).state == "checks missed"


def test_a_search_that_does_not_beat_the_floor_is_warned_of(tmp_path):
    rundir = make_run(tmp_path / "run", count=3, failures=False, finished=False)
    story = gather(rundir, NOW)
    _, good = page_of(rundir)
    assert "Nothing tried so far beats" not in good.text
    lost = Page(render(replace(story, floor=0.99), NOW, "1.0"))
    assert "Nothing tried so far beats the baseline" in lost.text


def test_a_run_whose_trials_have_all_failed_has_a_page(tmp_path):
    rundir = make_run(tmp_path / "run", count=6, finished=False)
    story = gather(rundir, NOW)
    failed = tuple(replace(t, state="failed", evaluations=()) for t in story.trials)
    tables = tuple(replace(t, value=None, curve=(), state="failed") for t in story.tables)
    bare = replace(story, trials=failed, tables=tables, best=None, importance=None)
    page = Page(render(bare, NOW, "1.0"))
    assert "No trial has a value yet." in page.text
    assert "6 trials begun, 0 with a value" in page.text


def test_a_run_that_failed_says_why(tmp_path):
    rundir = make_run(tmp_path / "run", count=3, finished=False)
    events.append(rundir.events, RunEnded("failed", None, None, None, NOW))
    _, page = page_of(rundir)
    assert "Failed · text classification" in " ".join(page.text.split())
    assert "The run failed: all 3 trials have been made." in page.text


def test_a_run_before_its_first_trial_has_a_page(tmp_path, many):
    rundir = RunDir.at(tmp_path / "new")
    documents.write(rundir.plan, documents.read(Plan, many.plan))
    text, page = page_of(rundir)
    assert "0 trials begun" in page.text
    assert "<tbody>\n</tbody>" in text


@pytest.mark.parametrize(
    ("name", "drawn"),
    [
        ("many", "history curves rungs importance parallel devices"),
        ("two", "history pareto curves rungs importance parallel devices"),
        ("one", "history curves rungs devices"),
    ],
)
def test_figures_are_drawn_where_there_is_something_to_show(name, drawn, request):
    story = gather(request.getfixturevalue(name), NOW)
    found = [one.figure.name for one in figures.drawn(story) if one.wide]
    if name == "two":  # too few came equally far
        drawn = drawn.replace(" importance", "") if story.importance is None else drawn
    assert found == drawn.split()


@pytest.mark.parametrize("name", ["many", "two", "one", "stopped"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_nothing_is_drawn_outside_its_figure(name, width, request):
    story = gather(request.getfixturevalue(name), NOW)
    for figure in figures.FIGURES:
        frame = figure.draw(story, width)
        if frame is None:
            continue
        svg = frame.drawing.render("a", "b", "c", "d")
        assert "nan" not in svg
        assert "inf" not in svg
        across = [float(x) for x in re.findall(r'\b(?:cx|x|x1|x2)="([-\d.]+)"', svg)]
        down = [float(y) for y in re.findall(r'\b(?:cy|y|y1|y2)="([-\d.]+)"', svg)]
        for path in re.findall(r'\bd="([^"]*)"', svg):
            places = [float(number) for number in re.findall(r"-?[\d.]+", path)]
            across += places[::2]
            down += places[1::2]
        assert min(across) >= 0
        assert max(across) <= width
        assert min(down) >= 0
        assert max(down) <= frame.drawing.height


def test_the_command_writes_where_it_is_told(many, tmp_path):
    written = reporting.write(many, tmp_path / "deep" / "page.html")
    assert written == tmp_path / "deep" / "page.html"
    assert not many.report.exists()
    Page(written.read_text())


def test_minimised_metrics_are_told_the_other_way_round(tmp_path):
    rundir = make_run(tmp_path / "run", count=6, failures=False, finished=False)
    story = gather(rundir, NOW)
    goal = replace(story.plan.goal, direction="minimize")
    other = replace(story, plan=replace(story.plan, goal=goal))
    assert other.better(0.1, 0.2)
    Page(render(other, NOW, "1.0"))
