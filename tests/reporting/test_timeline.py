"""The time line: who held which slot, also where a run was killed or two slots share a name."""

from __future__ import annotations

import pytest

from automl.documents import to_line
from automl.events import RunEnded, RunStarted, TrialEnded, TrialStarted
from automl.reporting.timeline import LOST, RUNNING, Timeline, read


def began(time: float) -> str:
    return to_line(RunStarted("study", 0, 4, None, 2, None, time))


def start(trial: int, time: float, slot: str = "cpu", attempt: int = 1) -> str:
    return to_line(TrialStarted(trial, "minilm", {}, attempt, slot, time))


def end(trial: int, time: float, state: str = "complete") -> str:
    return to_line(TrialEnded(trial, state, 0.5, "", time))


def over(time: float) -> str:
    return to_line(RunEnded("finished", 0, 0.5, None, time))


def bars(found: Timeline) -> list[tuple[str, int, float, float, str]]:
    return [(s.lane, s.trial, s.start, s.end, s.outcome) for s in found.spans]


def test_slots_of_one_name_get_a_lane_each():
    found = read([began(10), start(0, 10), start(1, 11), end(0, 20), start(2, 21), end(1, 30),
                  end(2, 31), over(31)], None)  # fmt: skip
    assert bars(found) == [
        ("cpu #1", 0, 0, 10, "complete"),
        ("cpu #2", 1, 1, 20, "complete"),
        ("cpu #1", 2, 11, 21, "complete"),
    ]
    assert found.lanes == ("cpu #1", "cpu #2")
    assert found.busy("cpu #1") == pytest.approx(20 / 21)


def test_devices_with_one_trial_at_a_time_keep_their_name():
    found = read(
        [began(0), start(0, 0, "cuda:0"), start(1, 0, "cuda:1"), end(0, 5), end(1, 5)], None
    )
    assert found.lanes == ("cuda:0", "cuda:1")


def test_time_between_two_runs_is_left_out():
    lines = [began(0), start(0, 0), end(0, 10, "paused"), over(10), began(5000), start(0, 5002),
             end(0, 5012)]  # fmt: skip
    found = read(lines, None)
    assert [(s.start, s.end) for s in found.spans] == [(0, 10), (12, 22)]
    assert found.joints == (10,)


def test_a_killed_run_leaves_a_bar_that_is_cut_off_at_its_last_word():
    lines = [
        began(0),
        start(0, 0),
        '{"type": "trial_said", "time": 7.0}',
        began(100),
        start(0, 101),
    ]
    assert bars(read(lines, None)) == [
        ("cpu", 0, 0, 7, LOST),
        ("cpu", 0, 8, 8, LOST),
    ]


def test_what_runs_reaches_to_now():
    assert bars(read([began(0), start(0, 1)], 9.0)) == [("cpu", 0, 1, 9, RUNNING)]


@pytest.mark.parametrize(
    "line", ["", "{", "[]", '{"type": "run_started"}', '{"type": 3, "time": "x"}', "null"]
)
def test_lines_that_are_no_events_are_passed_over(line):
    assert len(read([began(0), line, start(0, 1), end(0, 2)], None).spans) == 1


def test_a_run_without_trials_has_no_time_line():
    assert read([began(0), over(3)], None) == Timeline(ended="finished")
    assert read([], None) == Timeline()


def test_what_the_last_run_ended_as_is_kept():
    failed = to_line(RunEnded("failed", None, None, None, 3))
    assert read([began(0), failed], None).ended == "failed"
    assert read([began(0), failed, began(5)], None).ended == ""
