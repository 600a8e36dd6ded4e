"""The live view: what the events add up to, and that it can be drawn at any moment."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from automl import events
from automl.cli._live import Lines, Screen, State
from automl.documents import to_line
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


def test_replaying_the_written_events_gives_the_same_state():
    live, replayed = (State("macro_f1", minimize=False, began=0.0) for _ in range(2))
    for event in (*RUN_EVENTS, *STORY):
        live.take(event)
        replayed.take(events.run_event(to_line(event)))
    live.began = replayed.began
    assert replayed == live
