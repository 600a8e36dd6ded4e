"""The live view: what the events add up to, and that it can be drawn at any moment."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from automl import events
from automl.cli._live import Lines, Screen
from automl.cli._live_state import State
from automl.documents import to_line
from automl.machine import Use
from tests.core.test_events import RUN_EVENTS

STORY = (
    events.StageBegan("data", "reading"),
    events.RunStarted("a", 1, 4, None, 2),
    events.TrialStarted(1, "small", {"learning_rate": 1e-4, "epochs": 3}, 1, "cpu"),
    events.TrialStarted(2, "large", {"learning_rate": 2e-4, "epochs": 2}, 1, "cpu"),
    events.TrialSaid(1, events.Started(0, 100, "cpu")),
    events.TrialSaid(1, events.Progressed(50, 100, 1.5, 0.3, 20.0)),
    events.TrialSaid(1, events.Reported(1, 50, 99, {"macro_f1": 0.7}, 1.0, True)),
    events.TrialSaid(2, events.Reported(1, 50, 99, {"macro_f1": 0.8}, 1.0, True)),
    events.TrialEnded(2, "failed", 0.8, "out of memory"),
    events.TrialEnded(1, "complete", 0.7),
)


def test_state_adds_up():
    state = State("macro_f1", minimize=False)
    for event in STORY[:-2]:
        state.take(event)
    assert state.share() == pytest.approx((1 + 0.5) / 4)
    assert state.best == (2, "large", 0.8)
    for event in STORY[-2:]:
        state.take(event)
    assert state.done == 3
    assert state.running == {}
    assert state.ended == {"failed": 1, "complete": 1}


def test_where_the_data_decides_what_is_optimised_the_run_says_so():
    state = State("spearman", minimize=False)
    began = events.RunStarted("a", 0, 4, None, 1, metric="perplexity", minimize=True)
    state.take(began)
    state.take(events.TrialStarted(1, "small", {}, 1, "cpu"))
    for number, value in enumerate((9.0, 8.0, 8.5), 1):
        said = events.Reported(number, number, number, {"perplexity": value}, 1.0, True)
        state.take(events.TrialSaid(1, said))
    assert state.best == (1, "small", 8.0)


def test_best_of_earlier_runs_stays_the_best_until_it_is_beaten():
    state = State("macro_f1", minimize=False)
    state.take(events.RunStarted("a", 1, 4, None, 1, (0, "small", 0.9)))
    state.take(events.TrialStarted(1, "large", {}, 1, "cpu"))
    state.take(events.TrialSaid(1, events.Reported(1, 1, 1, {"macro_f1": 0.8}, 1.0, True)))
    assert state.best == (0, "small", 0.9)
    state.take(events.TrialSaid(1, events.Reported(2, 2, 2, {"macro_f1": 0.95}, 1.0, True)))
    assert state.best == (1, "large", 0.95)


def test_smaller_is_better_when_minimizing():
    state = State("log_loss", minimize=True)
    state.take(events.TrialStarted(0, "small", {}, 1, "cpu"))
    for value in (0.5, 0.3, 0.4):
        state.take(events.TrialSaid(0, events.Reported(1, 1, 1, {"log_loss": value}, 1.0, True)))
    assert state.best == (0, "small", 0.3)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_screen_can_be_drawn_after_any_event(width: int):
    console = Console(file=StringIO(), width=width, force_terminal=True)
    screen = Screen(console, State("macro_f1", minimize=False))
    for event in (*RUN_EVENTS, *STORY):
        screen(event)
        console.print(screen._picture())
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "trial" in drawn


def test_lines_say_what_matters_and_no_markup_is_lost():
    out = StringIO()
    lines = Lines(Console(file=out, width=200), State("macro_f1", minimize=False))
    for event in STORY:
        lines(event)
    text = out.getvalue()
    assert "data: reading" in text
    assert "trial 2 starts on cpu: large lr 2.0e-04 ep 2" in text
    assert "trial 1 step 50 macro_f1 0.7000" in text
    assert "trial 2 failed macro_f1 0.8000" in text
    assert "out of memory" in text
    assert "search continues after 1: budget 4 trials" in text


def rungs(phase: str, paused: int, when: float, reason: str = "") -> events.SearchProgressed:
    counts = (events.RungCount(800, 4, paused), events.RungCount(2400, 1, 0))
    return events.SearchProgressed(phase, counts, 180_000_000, 60.0, reason, time=when)


PROMOTION = (
    events.RunStarted("a", 0, 8, None, 1),
    events.TrialStarted(0, "small", {"learning_rate": 1e-4}, 1, "cpu"),
    events.TrialSaid(0, events.Progressed(25, 100, 0.2, 0.3, 20.0)),
    events.TrialSaid(0, events.Reported(1, 25, 800, {"macro_f1": 0.7}, 1.0, True, rung=True)),
    rungs("searching", 1, 1000.0),
    events.TrialEnded(0, "paused", 0.7, "at rung 800"),
    rungs("searching", 2, 1001.0),
)


def after(*story: events.RunEvent) -> State:
    state = State("macro_f1", minimize=False)
    for event in story:
        state.take(event)
    return state


def test_a_trial_at_its_rung_waits_until_it_goes_on():
    at_rung = after(*PROMOTION[:4])
    assert at_rung.running[0].waits
    at_rung.take(events.TrialSaid(0, events.Progressed(26, 100, 0.2, 0.3, 20.0)))
    assert not at_rung.running[0].waits


def test_trials_that_wait_count_as_used_budget_but_not_as_done():
    state = after(*PROMOTION)
    assert (state.done, state.paused) == (0, 2)
    assert state.share() == pytest.approx(2 / 8)


def test_repeats_are_counted_apart_from_trials():
    state = after(
        *PROMOTION,
        events.TrialEnded(0, "complete", 0.8),
        rungs("confirming", 0, 1002.0),
        events.TrialStarted(8, "small", {}, 1, "cpu", repeat_of=0),
        events.TrialEnded(8, "complete", 0.79),
    )
    assert (state.done, state.repeats, state.confirming) == (1, 1, True)


def test_time_of_earlier_runs_counts_towards_the_time_budget():
    state = after(events.RunStarted("a", 0, None, 120.0, 1), rungs("searching", 0, 1.0))
    assert state.share() == pytest.approx(0.5, abs=0.05)
    assert state.left() in ("1:00 left", "0:59 left")


def test_screen_shows_rungs_disk_and_phase():
    console = Console(file=StringIO(), width=120, force_terminal=True)
    screen = Screen(console, State("macro_f1", minimize=False))
    for event in (*PROMOTION, rungs("confirming", 2, 1001.0)):
        screen(event)
    console.print(screen._picture())
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "rung 800: 4 came, 2 wait · rung 2,400: 1 came, 0 wait · 180.0 MB" in drawn
    assert "confirming" in drawn


def test_a_narrow_screen_keeps_what_matters_whole():
    console = Console(file=StringIO(), width=80, force_terminal=True)
    screen = Screen(console, State("macro_f1", minimize=False))
    for event in (*PROMOTION[:5], events.TrialStarted(1, "tiny", {"method": "probe"}, 1, "cpu")):
        screen(event)
    console.print(screen._picture())
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "25/100 at rung" in drawn
    assert "frozen, linear head" in drawn
    assert "…" not in drawn


def test_lines_say_phases_and_now_and_then_where_the_rungs_stand():
    out = StringIO()
    lines = Lines(Console(file=out, width=200), State("macro_f1", minimize=False))
    more = (
        rungs("searching", 1, 1100.0),
        rungs("confirming", 0, 1101.0),
        events.TrialStarted(8, "small", {"learning_rate": 1e-4}, 1, "cpu", repeat_of=0),
        events.TrialStarted(0, "small", {"learning_rate": 1e-4}, 2, "cpu"),
        rungs("over", 0, 1102.0, "all 8 trials have been made"),
    )
    for event in (*PROMOTION, *more):
        lines(event)
    text = out.getvalue()
    assert text.count("rung 800: 4 came") == 2
    assert "trial 0 paused macro_f1 0.7000  small lr 1.0e-04: at rung 800" in text
    assert "confirming: the best configurations are trained again with new seeds" in text
    assert "trial 8 starts on cpu: small lr 1.0e-04 (repeat of 0)" in text
    assert "trial 0 continues on cpu" in text
    assert text.rstrip().endswith("search over: all 8 trials have been made")


def test_replaying_the_written_events_gives_the_same_state():
    live, replayed = (State("macro_f1", minimize=False, began=0.0) for _ in range(2))
    for event in (*RUN_EVENTS, *STORY, *PROMOTION):
        live.take(event)
        replayed.take(events.run_event(to_line(event)))
    assert replayed == live


def test_the_screen_shows_what_is_used_of_the_gpus():
    asked = []

    def gauges():
        asked.append(1)
        return (Use("0", 0.87, 31_200_000_000, 80_000_000_000, 61), Use("MIG-3", None, 5, 10, None))

    console = Console(file=StringIO(), width=120, force_terminal=True)
    screen = Screen(console, State("macro_f1", minimize=False), gauges)
    for event in STORY[:6]:
        screen.state.take(event)
    for _ in range(3):
        console.print(screen._picture())
    shown = console.file.getvalue()
    assert "cuda:0  87% busy · 31.2 GB of 80.0 GB · 61 °C" in shown
    assert "cuda:MIG-3  5 bytes of 10 bytes" in shown
    assert len(asked) == 1
