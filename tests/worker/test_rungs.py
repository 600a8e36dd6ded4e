"""A trial at a rung: it asks, waits, and does as it is told, as if it had never stood still."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from automl.events import Finished, Paused, Progressed, Reported, Saved, Started, Stopped, Tail
from automl.jobs import Parent
from automl.worker import conduct

from . import together
from .test_continuing import weights
from .test_processes import until

pytestmark = pytest.mark.slow


def nothing() -> None:
    """No answer."""


@contextmanager
def parent(trial, *answers, after=0.0) -> Iterator[list[Reported]]:
    """Answer the trial's questions from its first on, and yield them as they come."""
    asked: list[Reported] = []
    over = threading.Event()

    def listen() -> None:
        tail, left = Tail(trial.metrics), list(answers)
        while not over.wait(0.01):
            for event in tail.read():
                if isinstance(event, Reported) and event.rung:
                    asked.append(event)
                    time.sleep(after)
                    answer = left.pop(0)
                    answer() if callable(answer) else trial.request(answer)

    thread = threading.Thread(target=listen)
    thread.start()
    try:
        yield asked
    finally:
        over.set()
        thread.join()


def equal(bench, trial, unbroken):
    # A report that is repeated because it asks again counts once.
    return list(dict.fromkeys(map(repr, bench.scores(trial)))) == [
        repr(score) for score in bench.scores(unbroken)
    ] and weights(trial) == weights(unbroken)


def test_a_trial_that_is_told_to_continue_ends_as_one_without_rungs(bench, unbroken):
    trial = bench.trial(rungs=(40, 86))
    with parent(trial, "continue", "continue") as asked:
        assert bench.run(trial) == 0
    assert [event.samples for event in asked] == [43, 86]
    assert equal(bench, trial, unbroken)
    assert trial.requested() is None
    assert [event.rung for event in bench.events(trial, Reported)] == [True, True, False]
    assert not bench.events(trial, Saved)


def test_nothing_is_asked_at_the_end(bench):
    trial = bench.trial(rungs=(87, 129, 1000))
    assert bench.run(trial) == 0
    assert isinstance(bench.events(trial)[-1], Finished)
    assert not any(event.rung for event in bench.events(trial, Reported))


def test_two_rungs_before_one_evaluation_are_one_question(bench):
    trial = bench.trial(rungs=(10, 43, 44))
    with parent(trial, "continue", "continue") as asked:
        assert bench.run(trial) == 0
    assert [event.samples for event in asked] == [43, 86]


def test_a_trial_paused_at_its_rung_goes_on_from_there_without_asking_again(bench, unbroken):
    trial = bench.trial(rungs=(43,))
    with parent(trial, "pause"):
        assert bench.run(trial) == 0
    assert bench.events(trial)[-1].step == 6
    assert isinstance(bench.events(trial)[-1], Paused)
    bench.respec(trial, rungs=())
    assert bench.run(trial) == 0
    assert [event.step for event in bench.events(trial, Started)] == [0, 6]
    assert bench.scores(trial) == bench.scores(unbroken)
    assert weights(trial) == weights(unbroken)


def test_a_trial_stopped_at_its_rung_leaves_for_good(bench):
    trial = bench.trial(rungs=(43,))
    with parent(trial, "stop"):
        assert bench.run(trial) == 0
    assert isinstance(bench.events(trial)[-1], Stopped)
    assert not trial.checkpoints.exists()


def test_a_trial_whose_parent_dies_meanwhile_saves_and_asks_the_next_one(bench, unbroken):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other:
        created = psutil.Process(other.pid).create_time()
        trial = bench.trial(rungs=(43,), parent=Parent(other.pid, created))
        with parent(trial, other.kill):
            assert bench.run(trial) == 0
    assert bench.events(trial, Paused)[-1].reason == "parent_gone"
    bench.respec(trial, rungs=(43,))
    with parent(trial, nothing, "continue") as asked:
        assert bench.run(trial) == 0
    assert [event.step for event in bench.events(trial, Started)] == [0, 6]
    assert [event.step for event in asked] == [6, 6]
    assert equal(bench, trial, unbroken)


def test_a_worker_killed_while_it_waits_asks_again_until_it_is_told(bench, unbroken):
    trial = bench.trial(rungs=(43,), checkpoint_seconds=0.0)
    worker = together.alone(trial)
    until(lambda: any(event.rung for event in bench.events(trial, Reported)))
    until(lambda: bench.events(trial, Saved))
    worker.kill()
    worker.wait()
    with parent(trial, nothing, "continue") as asked:
        assert bench.run(trial) == 0
    assert [event.step for event in bench.events(trial, Started)] == [0, 6]
    assert [event.step for event in asked] == [6, 6]
    assert equal(bench, trial, unbroken)


def test_a_waiting_that_was_lost_with_its_checkpoint_is_made_up_for(bench, unbroken):
    trial = bench.trial(rungs=(86,), checkpoint_seconds=1e9)
    worker = together.alone(trial)
    until(lambda: any(event.rung for event in bench.events(trial, Reported)))
    worker.kill()
    worker.wait()
    with parent(trial, nothing, "continue") as asked:
        assert bench.run(trial) == 0
    assert [event.evaluation for event in asked] == [2, 2]
    assert [event.evaluation for event in bench.events(trial, Reported)] == [1, 2, 2, 3]
    assert equal(bench, trial, unbroken)


def test_a_rung_that_is_no_longer_listed_is_passed(bench, unbroken):
    trial = bench.trial(rungs=(43,), checkpoint_seconds=1e9)
    worker = together.alone(trial)
    until(lambda: bench.events(trial, Reported))
    worker.kill()
    worker.wait()
    bench.respec(trial, rungs=(), checkpoint_seconds=1e9)
    assert bench.run(trial) == 0
    assert len(bench.events(trial, Reported)) == 3
    assert equal(bench, trial, unbroken)


def test_waiting_is_neither_silence_nor_work(bench, monkeypatch):
    monkeypatch.setattr(conduct, "WAITING_SECONDS", 0.5)
    trial = bench.trial(rungs=(43,), hyperparameters={"epochs": 20})
    with parent(trial, "continue", after=3.0):
        assert bench.run(trial) == 0
    told = bench.events(trial)
    first = next(event for event in told if isinstance(event, Reported))
    alive = [event for event in told if isinstance(event, Progressed) and event.step == first.step]
    assert len(alive) >= 4
    spent = told[-1].time - told[0].time
    assert spent - 3.5 < told[-1].seconds < spent - 2.5
    speeds = [e.samples_per_second for e in told if isinstance(e, Progressed) and e.step > 6]
    assert all(speed > 43 / 3 for speed in speeds)


def test_a_request_to_pause_is_heard_while_an_old_answer_lies_there(bench):
    trial = bench.trial()
    trial.request("continue")
    assert trial.take_request() == "continue"
    trial.request("continue")
    trial.request("pause")
    assert trial.take_request() == "pause"
    assert trial.take_request() is None


def test_two_processes_wait_together(bench):
    unbroken = bench.trial("unbroken", processes=2)
    assert together.run(unbroken) == [0, 0], unbroken.log.read_text()
    trial = bench.trial(processes=2, rungs=(43, 86))
    with parent(trial, "continue", "pause", after=1.0):
        assert together.run(trial) == [0, 0], trial.log.read_text()
    assert bench.events(trial)[-1].step == 12
    trial.clear_request()
    bench.respec(trial, processes=2, rungs=())
    assert together.run(trial) == [0, 0], trial.log.read_text()
    assert [event.step for event in bench.events(trial, Started)] == [0, 12]
    assert equal(bench, trial, unbroken)
