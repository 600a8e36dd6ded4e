"""Events: every kind round-trips; a growing, torn file is read without loss."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automl import events
from automl.documents import to_line

TRIAL_EVENTS = (
    events.Started(0, 10, "cpu", 2, 1.0),
    events.Progressed(1, 10, 0.1, 0.5, 20.0, 7, 1.0),
    events.Progressed(1, 10, 0.1, None, 20.0),
    events.Reported(1, 5, 100, {"macro_f1": 0.5}, 2.0, True),
    events.Saved(5, "checkpoint/step-00000005", 9),
    events.Paused(5, "parent_gone"),
    events.Stopped(5),
    events.Finished(10, 3.0),
    events.Failed("out_of_memory", "no"),
)
RUN_EVENTS = (
    events.RunStarted("a", 0, 3, None, 1),
    events.TrialStarted(
        0, "small", {"epochs": 3, "learning_rate": 1e-4, "schedule": "x"}, 1, "cpu"
    ),
    *(events.TrialSaid(0, event) for event in TRIAL_EVENTS),
    events.TrialEnded(0, "pruned", 0.5),
    events.CandidateRetired("small", "why"),
    events.StageBegan("score"),
    events.SearchProgressed("searching", (events.RungCount(300, 4, 1),), 10**8, 12.5),
    events.SearchProgressed("over", reason="all 3 trials have been made"),
    events.RunEnded("finished", 0, 0.5, "bundle"),
)


@pytest.mark.parametrize("event", TRIAL_EVENTS, ids=lambda e: e.type)
def test_what_a_worker_says_round_trips(event):
    assert events.trial_event(to_line(event)) == event


@pytest.mark.parametrize("event", RUN_EVENTS, ids=lambda e: e.type)
def test_what_a_run_says_round_trips(event):
    assert events.run_event(to_line(event)) == event


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_tail_reads_everything_once_however_the_file_grows(tmp_path_factory, seed: int, cut: int):
    path = tmp_path_factory.mktemp("tail") / "metrics.jsonl"
    data = "".join(to_line(event) for event in TRIAL_EVENTS).encode()
    draw, tail, found, position = random.Random(seed), events.Tail(path), [], 0
    while position < len(data):
        step = draw.randint(1, cut * 3)
        with path.open("ab") as stream:
            stream.write(data[position : position + step])
        position += step
        found += list(tail.read())
    assert found == list(TRIAL_EVENTS)
    assert list(tail.read()) == []


def test_line_torn_by_a_kill_is_skipped_and_the_next_is_heard(tmp_path: Path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"type": "rep\n' + to_line(events.Finished(1, 1.0)))
    assert list(events.Tail(path).read()) == [events.Finished(1, 1.0)]


def test_missing_file_says_nothing(tmp_path: Path):
    assert list(events.Tail(tmp_path / "none").read()) == []
