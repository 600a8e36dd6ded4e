"""Trials of unequal size on the GPUs of one machine, over scripted workers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from automl import events
from automl.compiler.layout import Need
from automl.events import Tail
from automl.executors import Slot
from automl.plan import Configuration, SearchPlan
from automl.scheduler import Limits
from automl.scheduler.attempts import Attempt, end_of, retry
from automl.search.study import StudyTrial
from tests import factories
from tests.scheduler.test_scheduler import Bench

TWO = tuple(Slot(index, (str(index),), 4, 1) for index in range(2))
RANDOM = SearchPlan(3, "random", "none", 100)


def mixed(folder: Path, trials: int) -> Bench:
    """Four small trials share a GPU; a large one takes both."""
    bench = Bench(folder, lambda t, a: "evals=2:0.5,sleep=0.02", limits=Limits(trials=trials))
    small, large = factories.candidate("small"), factories.candidate("large")
    bench.plan = factories.plan(small, large, search=RANDOM)
    bench.slots = TWO
    bench.needs = {"small": Need({"0": 4, "1": 4}), "large": Need({"0": 1, "1": 1}, devices=2)}
    return bench


def most_held(bench: Bench) -> Fraction:
    """The largest share of any GPU that was held at one time, by what was heard."""
    held: dict[int, tuple[list[str], Fraction]] = {}
    most = Fraction(0)
    for event in bench.heard:
        if isinstance(event, events.TrialStarted):
            devices, _, part = event.slot.removeprefix("cuda:").partition(" ")
            held[event.trial] = devices.split(","), Fraction(part or 1)
        elif isinstance(event, events.TrialEnded):
            held.pop(event.trial, None)
        for device in "01":
            most = max(most, sum((s for d, s in held.values() if device in d), Fraction(0)))
    return most


@pytest.mark.slow
def test_small_and_large_trials_all_come_to_their_end_and_no_gpu_is_held_twice(tmp_path: Path):
    bench = mixed(tmp_path / "r", 10)
    assert bench.run() == "trials"
    assert bench.states() == ["complete"] * 10
    assert {trial.configuration.candidate for trial in bench.study.trials} == {"small", "large"}
    slots = {e.candidate: e.slot for e in bench.said(events.TrialStarted)}
    assert slots["large"] == "cuda:0,1"
    assert slots["small"].endswith(" 1/4")
    assert most_held(bench) <= 1
    assert bench.executor.most_at_once > 2


@pytest.mark.slow
def test_a_study_stopped_while_a_trial_waits_for_its_gpus_goes_on_with_it(tmp_path: Path):
    bench = mixed(tmp_path / "r", 8)
    bench.presses = lambda: int(len(bench.said(events.TrialStarted)) >= 3)
    assert bench.run() == "interrupted"
    again = mixed(tmp_path / "r", 8)
    assert again.run() == "trials"
    assert again.states() == ["complete"] * 8


def test_out_of_memory_in_a_part_of_a_gpu_is_answered_with_a_larger_part(tmp_path: Path):
    bench = Bench(
        tmp_path / "r",
        lambda t, a: "evals=1:0.5" + (",end=oom" if a <= 3 else ""),
        limits=Limits(trials=1),
    )
    bench.slots = TWO[:1]
    bench.needs = {"small": Need({"0": 4})}
    bench.run()
    (trial,) = bench.study.trials
    batch = int(trial.configuration.hyperparameters["batch_size"])
    assert (trial.state, trial.attempts, trial.micro_batch) == ("complete", 4, batch // 2)
    said = [event.slot for event in bench.said(events.TrialStarted)]
    assert said == ["cuda:0 1/4", "cuda:0 1/2", "cuda:0", "cuda:0"]
    assert bench.too_many == [batch] * 3


def test_what_no_gpu_that_is_left_has_room_for_fails_and_is_not_waited_for(tmp_path: Path):
    bench = mixed(tmp_path / "r", 6)
    lost = "evals=1:0.5,end=kill"
    bench.executor.behaviour = lambda t, a: lost if (t, a) == (0, 1) else "evals=1:0.5"
    bench.gone = lambda slot: tuple(set(slot.devices) & {"1"})
    bench.needs["small"] = Need({"1": 4})
    assert bench.run() == "no_candidates"
    assert {trial.failure for trial in bench.study.trials} == {"device_lost"}
    assert "no GPU that is left has room" in bench.study.trials[0].message


def test_a_configuration_whose_like_never_fits_is_not_drawn(tmp_path: Path):
    bench = Bench(tmp_path / "r", lambda t, a: "evals=1:0.5", limits=Limits(trials=4))
    bench.possible = lambda each: each.hyperparameters["batch_size"] == 16
    assert bench.run() == "trials"
    drawn = {t.configuration.hyperparameters["batch_size"] for t in bench.study.trials}
    assert drawn == {16}


def test_a_process_that_nccls_watchdog_ended_was_kept_waiting(tmp_path: Path):
    log = tmp_path / "log.txt"
    log.write_text(
        "[rank0]:[E ProcessGroupNCCL.cpp:690] [Rank 0] Watchdog caught collective operation "
        "timeout: WorkNCCL(SeqNum=12, OpType=ALLREDUCE) ran for 600000 milliseconds\n"
        "Signal 6 (SIGABRT) received by PID 12\n"
    )
    trial = StudyTrial(0, Configuration("small", {}))
    several = Attempt(trial, Slot(0, ("0", "1"), 1, 2), None, 8, Tail(tmp_path / "none"), 0, 0)  # type: ignore[arg-type]
    end = end_of(several, 1, log)
    assert (end.kind, end.failure) == ("failed", "hang")
    assert retry(end.failure, 1, 8)
    assert not retry(end.failure, 2, 8)
