"""``automl logs`` and ``automl stop``: what a trial said; asking a run to leave."""

from __future__ import annotations

import threading
import time

import pytest

from automl import events
from automl.cli import logs, stop
from automl.errors import InputError, RunFolderError


@pytest.fixture
def trial(rundir):
    folder = rundir.trial(0)
    folder.root.mkdir(parents=True, exist_ok=True)
    folder.metrics.unlink(missing_ok=True)
    events.append(folder.metrics, events.Started(0, 9, "cpu", time=1e9))
    events.append(folder.metrics, events.Progressed(1, 9, 0.1, 1.0, 5.0, time=1e9))
    return folder


def reported(number: int) -> events.Reported:
    return events.Reported(number, 3, 100, {"macro_f1": 0.75}, 1.5, False, time=1e9)


def test_events_come_as_lines_and_then_what_was_printed(capsys, rundir, trial):
    events.append(trial.metrics, reported(1))
    trial.log.write_text("Traceback: something broke\n")
    logs.command(0, rundir.root)
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.endswith("started step=0 total_steps=9 device=cpu processes=1")
    assert "reported evaluation=1 step=3 samples=100 seconds=1.5 macro_f1=0.75" in second
    assert third == "Traceback: something broke"


def test_a_trial_that_is_not_there_is_named_with_those_that_are(rundir, trial):
    with pytest.raises(InputError, match="there is no trial 99; known are 0 to "):
        logs.command(99, rundir.root)


def test_following_ends_with_the_run_and_misses_nothing(capsys, rundir, trial):
    follower = threading.Thread(target=logs.command, args=(0, rundir.root, True))
    with rundir.lock():
        follower.start()
        time.sleep(0.2)
        assert follower.is_alive()
        events.append(trial.metrics, reported(1))
    follower.join(10)
    assert not follower.is_alive()
    assert "reported evaluation=1" in capsys.readouterr().out


def test_following_ends_with_the_trial(capsys, rundir, trial):
    events.append(trial.metrics, events.Finished(9, 3.0, time=1e9))
    with rundir.lock():
        logs.command(0, rundir.root, True)
    assert "finished step=9 seconds=3" in capsys.readouterr().out


def test_stopping_waits_until_the_run_has_left(capsys, rundir):
    asked = []

    def run():
        with rundir.lock():
            held.set()
            while not rundir.asked_to_stop():
                time.sleep(0.01)
            asked.append(rundir.asked_to_stop())

    held = threading.Event()
    holder = threading.Thread(target=run)
    holder.start()
    held.wait(10)
    stop.command(rundir.root, now=True)
    holder.join(10)
    assert asked == [2]
    assert "stopped" in capsys.readouterr().out


def test_a_run_that_is_not_live_cannot_be_stopped(rundir):
    with pytest.raises(RunFolderError, match="no live run"):
        stop.command(rundir.root)


def test_a_request_to_stop_is_meant_for_the_run_that_is_live(rundir):
    rundir.ask_to_stop("save")
    with rundir.lock():
        assert rundir.asked_to_stop() == 0
