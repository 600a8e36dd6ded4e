"""The scheduler over scripted workers: what it starts, retries, stops, and what it leaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import psutil
import pytest

from automl import events, machine
from automl.compiler.layout import Need
from automl.executors import Slot
from automl.jobs import DataRef, ModelRef, Parent, TrialSpec
from automl.plan import Configuration, DevicePlan, SearchPlan
from automl.rundir import RunDir
from automl.scheduler import Limits, Outcome, Scheduler, retry
from automl.search import rungs
from automl.search.forecast import Predict, unknown
from automl.search.study import Study, StudyTrial
from tests import factories
from tests.scheduler.scripted import Scripted


def specify(trial: StudyTrial, slot: Slot) -> TrialSpec:
    me = psutil.Process()
    return TrialSpec(
        trial.number,
        "text-classification",
        ModelRef("small", "/nowhere"),
        trial.configuration.hyperparameters,
        DataRef({}, (), "f", 32),
        "macro_f1",
        "maximize",
        100,
        7,
        "fp32",
        slot.threads,
        slot.processes,
        slot.devices,
        "/nowhere",
        Parent(me.pid, me.create_time()),
        micro_batch=trial.micro_batch,
    )


class Bench:
    """A run folder, its study and what was heard."""

    def __init__(
        self,
        folder: Path,
        behaviour: Callable[[int, int], str],
        slots: int = 1,
        limits: Limits | None = None,
        **plan: Any,
    ) -> None:
        self.rundir = RunDir.at(folder)
        self.rundir.root.mkdir(exist_ok=True)
        plan.setdefault("search", SearchPlan(7, "random", "none", 100))
        self.plan = factories.plan(factories.candidate("small"), **plan)
        self.executor = Scripted(behaviour)
        self.slots = tuple(Slot(i, (), 1, 1) for i in range(slots))
        self.limits = limits or Limits(trials=3)
        self.heard: list[events.RunEvent] = []
        self.presses: Callable[[], int] = lambda: 0
        self.predict: Predict = unknown
        self.clock: Callable[[], float] = time.monotonic
        self.fitting: int | None = None
        self.too_many: list[int] = []
        self.gone: Callable[[Slot], tuple[str, ...]] = lambda _: ()
        self.needs: dict[str, Need] = {}
        self.possible: Callable[[Configuration], bool] = lambda _: True
        self.specs: list[TrialSpec] = []
        self.precision: Literal["fp32", "bf16"] = "fp32"

    def run(self) -> Outcome:
        self.study = Study(self.rundir.study, self.plan)
        scheduler = Scheduler(
            self.study,
            self.executor,
            self.slots,
            self.rundir,
            self.limits,
            self.specify,
            self.heard.append,
            lambda: self.presses(),
            clock=self.clock,
            predict=self.predict,
            does_not_fit=lambda _, rows, slot: self.too_many.append(rows),
            gone=self.gone,
            needs=self.needs,
            possible=self.possible,
        )
        return scheduler.run()

    def specify(self, trial: StudyTrial, slot: Slot) -> TrialSpec:
        spec = replace(
            specify(trial, slot),
            rungs=rungs.ahead(trial, self.plan),
            micro_batch=trial.micro_batch or self.fitting,
            precision="fp32" if trial.full_precision else self.precision,
        )
        self.specs.append(spec)
        return spec

    def clock_of_evaluations(self, seconds: float) -> Callable[[], float]:
        """A clock on which only evaluations take time: no machine is too slow for it."""
        return lambda: (
            seconds
            * sum(isinstance(said.event, events.Reported) for said in self.said(events.TrialSaid))
        )

    def said(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]

    def states(self) -> list[str]:
        return [trial.state for trial in self.study.trials]


def test_runs_exactly_the_trials_of_the_budget(tmp_path: Path):
    bench = Bench(tmp_path / "r", lambda t, a: "evals=2:0.5")
    assert bench.run() == "trials"
    assert bench.states() == ["complete"] * 3
    assert [len(t.evaluations) for t in bench.study.trials] == [2, 2, 2]


def test_finished_budget_starts_nothing(tmp_path: Path):
    Bench(tmp_path / "r", lambda t, a: "evals=1:0.5").run()
    again = Bench(tmp_path / "r", lambda t, a: "evals=1:0.5")
    assert again.run() == "trials"
    assert again.executor.attempts == {}


def test_larger_budget_continues_the_numbering(tmp_path: Path):
    Bench(tmp_path / "r", lambda t, a: "evals=1:0.5").run()
    more = Bench(tmp_path / "r", lambda t, a: "evals=1:0.5", limits=Limits(trials=5))
    more.run()
    assert more.executor.attempts == {3: 1, 4: 1}
    assert more.states() == ["complete"] * 5


def test_slots_are_filled_and_never_overfilled(tmp_path: Path):
    bench = Bench(
        tmp_path / "r", lambda t, a: "evals=2:0.5,sleep=0.2", slots=2, limits=Limits(trials=5)
    )
    bench.run()
    assert bench.executor.most_at_once == 2
    assert bench.states() == ["complete"] * 5


@pytest.mark.parametrize(
    ("end", "attempts", "state", "failure"),
    [
        ("crash", 2, "failed", "crash"),
        ("exit", 2, "failed", "crash"),
        ("kill", 4, "failed", "lost"),
        ("nan", 1, "failed", "not_a_number"),
        ("bad", 1, "failed", "bad_candidate"),
        ("oom", 5, "failed", "out_of_memory"),
    ],
)
def test_each_failure_is_retried_by_its_policy(
    tmp_path: Path, end: str, attempts: int, state: str, failure: str
):
    bench = Bench(tmp_path / "r", lambda t, a: f"evals=1:0.5,end={end}", limits=Limits(trials=1))
    bench.run()
    trial = bench.study.trials[0]
    assert (bench.executor.attempts[0], trial.state, trial.failure) == (attempts, state, failure)
    assert trial.message


@pytest.mark.parametrize(("wanted", "attempts"), [("auto", ["bf16", "fp32"]), ("bf16", ["bf16"])])
def test_what_is_no_number_in_fewer_bits_is_tried_in_full_precision_unless_asked_for(
    tmp_path: Path, wanted: Any, attempts: list[str]
):
    bench = Bench(
        tmp_path / "r",
        lambda t, a: "evals=2:0.5" + (",end=nan" if a == 1 else ""),
        limits=Limits(trials=1),
        devices=DevicePlan("local", 1, 1, None, wanted),
    )
    bench.precision = "bf16"
    bench.run()
    assert [spec.precision for spec in bench.specs] == attempts
    assert bench.states() == ["complete" if len(attempts) == 2 else "failed"]
    assert Study(bench.rundir.study, bench.plan).trials[0].full_precision is (len(attempts) == 2)


def test_crash_message_carries_what_the_worker_printed(tmp_path: Path):
    bench = Bench(tmp_path / "r", lambda t, a: "evals=0:0,end=exit", limits=Limits(trials=1))
    bench.run()
    assert "exit code 7" in bench.study.trials[0].message


def test_trial_that_fails_once_is_not_lost(tmp_path: Path):
    bench = Bench(
        tmp_path / "r",
        lambda t, a: "evals=2:0.5" + (",end=kill" if a == 1 else ""),
        limits=Limits(trials=2),
    )
    bench.run()
    assert bench.states() == ["complete"] * 2
    assert bench.study.trials[0].attempts == 2


def test_three_failures_retire_the_only_candidate(tmp_path: Path):
    bench = Bench(tmp_path / "r", lambda t, a: "evals=0:0,end=bad", limits=Limits(trials=9))
    assert bench.run() == "no_candidates"
    assert bench.states() == ["failed"] * 3
    assert [type(e) for e in bench.heard].count(events.CandidateRetired) == 1


def test_out_of_memory_halves_the_micro_batch(tmp_path: Path):
    bench = Bench(
        tmp_path / "r",
        lambda t, a: "evals=1:0.5" + (",end=oom" if a <= 2 else ""),
        limits=Limits(trials=1),
    )
    bench.run()
    trial = bench.study.trials[0]
    batch = int(trial.configuration.hyperparameters["batch_size"])
    assert (trial.state, trial.micro_batch) == ("complete", batch // 4)
    assert bench.too_many == [batch, batch // 2]


def test_out_of_memory_halves_what_was_really_taken_at_once(tmp_path: Path):
    bench = Bench(
        tmp_path / "r",
        lambda t, a: "evals=1:0.5" + (",end=oom" if a == 1 else ""),
        limits=Limits(trials=1),
    )
    bench.fitting = 4
    bench.run()
    assert bench.study.trials[0].micro_batch == 2
    assert bench.too_many == [4]


def test_a_worker_that_the_kernel_ended_for_want_of_memory_gets_half_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    bench = Bench(
        tmp_path / "r",
        lambda t, a: "evals=2:0.5" + (",end=kill" if a == 1 else ""),
        limits=Limits(trials=1),
    )
    counted = iter([7, 8])
    monkeypatch.setattr(machine, "oom_kills", lambda: next(counted, 8))
    bench.run()
    trial = bench.study.trials[0]
    batch = int(trial.configuration.hyperparameters["batch_size"])
    assert (trial.state, trial.micro_batch) == ("complete", batch // 2)
    assert any("want of memory" in end.message for end in bench.said(events.TrialEnded))


def test_a_trial_that_is_put_aside_makes_room_and_goes_on_when_it_is_released(tmp_path: Path):
    bench = Bench(tmp_path / "r", lambda t, a: f"evals=3:0.5,sleep={0.5 if t == 0 else 0}")

    def hold_the_first() -> int:
        if any(said.trial == 0 for said in bench.said(events.TrialSaid)):
            bench.rundir.hold(0, wanted=True)
        return 0

    bench.presses = hold_the_first
    assert bench.run() == "trials"
    assert bench.states() == ["running", "complete", "complete"]
    assert [end.message for end in bench.said(events.TrialEnded) if end.trial == 0] == [
        "put aside by `automl pause`"
    ]
    assert bench.study.ended.endswith("without trial 0, put aside by `automl pause`")
    again = Bench(tmp_path / "r", lambda t, a: "evals=3:0.5")
    assert again.run() == "trials"
    assert again.executor.attempts == {}
    again = Bench(tmp_path / "r", lambda t, a: "evals=3:0.5")
    again.rundir.hold(0, wanted=False)
    again.run()
    assert again.states() == ["complete"] * 3
    assert again.study.trials[0].attempts == 2


def test_a_full_disk_ends_the_run_and_no_trial(tmp_path: Path):
    bench = Bench(tmp_path / "r", lambda t, a: f"evals=2:0.5,end={'full' if t == 1 else 'finish'}")
    assert bench.run() == "disk_full"
    assert bench.states() == ["complete", "running"]
    again = Bench(tmp_path / "r", lambda t, a: "evals=2:0.5")
    assert again.run() == "trials"
    assert again.states() == ["complete"] * 3


def test_a_worker_that_could_not_say_that_the_disk_is_full_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(machine, "free_bytes", lambda _: 5000)
    bench = Bench(tmp_path / "r", lambda t, a: "evals=0:0,end=exit", limits=Limits(trials=1))
    assert bench.run() == "disk_full"
    assert bench.states() == ["running"]
    assert "no room is left" in bench.said(events.TrialEnded)[0].message


def test_silent_worker_is_killed_and_retried(tmp_path: Path):
    bench = Bench(
        tmp_path / "r",
        lambda t, a: "evals=1:0.5" + (",end=hang" if a == 1 else ""),
        limits=Limits(trials=1, hang_seconds=3.0),
    )
    bench.run()
    assert bench.states() == ["complete"]
    assert bench.executor.attempts == {0: 2}


def test_trial_over_its_time_is_failed_as_timeout(tmp_path: Path):
    bench = Bench(
        tmp_path / "r",
        lambda t, a: "evals=50:0.5,sleep=0.1",
        limits=Limits(trials=1, trial_seconds=0.5),
    )
    bench.run()
    assert (bench.study.trials[0].state, bench.study.trials[0].failure) == ("failed", "timeout")


def test_worker_deaf_to_requests_is_killed_after_the_grace(tmp_path: Path):
    bench = Bench(
        tmp_path / "r",
        lambda t, a: "evals=1:0.5,end=deaf",
        limits=Limits(trials=1, trial_seconds=0.4, grace_seconds=0.4),
    )
    bench.run()
    assert bench.study.trials[0].failure == "timeout"


def test_time_budget_pauses_what_runs(tmp_path: Path):
    bench = Bench(
        tmp_path / "r", lambda t, a: "evals=100:0.5,sleep=0.2", slots=2, limits=Limits(seconds=1.5)
    )
    bench.clock = bench.clock_of_evaluations(0.2)
    assert bench.run() == "time"
    assert bench.states() == ["running", "running"]
    assert bench.study.best() is not None
    assert bench.study.seconds == pytest.approx(1.6, abs=0.5)


def test_time_budget_waits_for_the_first_evaluation(tmp_path: Path):
    bench = Bench(tmp_path / "r", lambda t, a: "evals=9:0.5,sleep=0.6", limits=Limits(seconds=0.1))
    assert bench.run() == "time"
    assert len(bench.study.trials[0].evaluations) == 1


def test_first_interrupt_saves_and_the_next_run_continues(tmp_path: Path):
    bench = Bench(tmp_path / "r", lambda t, a: "evals=6:0.5,sleep=0.15", limits=Limits(trials=2))
    bench.presses = lambda: int(
        any(
            isinstance(e, events.TrialSaid) and isinstance(e.event, events.Reported)
            for e in bench.heard
        )
    )
    assert bench.run() == "interrupted"
    assert bench.states() == ["running"]
    seen = len(bench.study.trials[0].evaluations)
    again = Bench(tmp_path / "r", lambda t, a: "evals=6:0.5", limits=Limits(trials=2))
    assert again.run() == "trials"
    assert again.states() == ["complete"] * 2
    assert 0 < seen < 6
    assert [e.number for e in again.study.trials[0].evaluations] == [1, 2, 3, 4, 5, 6]


def test_second_interrupt_leaves_at_once_and_no_process_behind(tmp_path: Path):
    bench = Bench(tmp_path / "r", lambda t, a: "evals=1:0.5,end=deaf", limits=Limits(trials=2))
    bench.presses = lambda: 2 if any(isinstance(e, events.TrialSaid) for e in bench.heard) else 0
    began = time.monotonic()
    assert bench.run() == "interrupted"
    assert time.monotonic() - began < 5
    assert all(handle.poll() is not None for handle in bench.executor.handles)
    again = Bench(tmp_path / "r", lambda t, a: "evals=2:0.5", limits=Limits(trials=2))
    again.run()
    assert again.states() == ["complete"] * 2


def test_trial_that_finished_after_its_parent_died_is_not_run_again(tmp_path: Path):
    bench = Bench(tmp_path / "r", lambda t, a: "evals=1:0.5", limits=Limits(trials=1))
    study = Study(bench.rundir.study, bench.plan)
    study.ask()
    folder = bench.rundir.trial(0)
    folder.root.mkdir(parents=True)
    for event in (
        events.Started(0, 2, "cpu"),
        events.Reported(1, 1, 100, {"macro_f1": 0.7}, 1.0, True),
        events.Finished(2, 2.0),
    ):
        events.append(folder.metrics, event)
    bench.run()
    assert bench.executor.attempts == {}
    assert bench.study.trials[0].state == "complete"
    assert bench.study.trials[0].value("maximize") == 0.7


def test_only_the_best_model_is_kept(tmp_path: Path):
    bench = Bench(tmp_path / "r", lambda t, a: f"evals=1:0.{[3, 7, 5][t]}")
    bench.run()
    kept = [n for n in range(3) if bench.rundir.trial(n).best.exists()]
    assert kept == [1]


def test_pruned_trial_is_told_pruned(tmp_path: Path):
    bench = Bench(
        tmp_path / "r",
        lambda t, a: f"evals=4:{0.9 if t < 5 else 0.1},sleep=0.05",
        limits=Limits(trials=6),
        search=SearchPlan(7, "random", "median", 100),
    )
    bench.run()
    assert bench.states() == ["complete"] * 5 + ["pruned"]
    assert len(bench.study.trials[5].evaluations) < 4


@pytest.mark.parametrize(
    ("kind", "failures", "rows", "expected"),
    [
        ("crash", 1, 16, True),
        ("crash", 2, 16, False),
        ("out_of_memory", 1, 16, True),
        ("out_of_memory", 2, 1, False),
        ("not_a_number", 1, 4, False),
    ],
)
def test_retry_policy(kind: Any, failures: int, rows: int, expected: bool):
    assert retry(kind, failures, rows) == expected


def test_worker_that_dies_while_an_interrupt_is_answered_keeps_its_trial(tmp_path: Path):
    bench = Bench(tmp_path / "r", lambda t, a: "evals=2:0.5,end=deaf", limits=Limits(trials=1))

    def press_and_lose_the_worker() -> int:
        if not any(isinstance(e, events.TrialSaid) for e in bench.heard):
            return 0
        folder = bench.rundir.trial(0)
        if not any(isinstance(e, events.TrialEnded) for e in bench.heard):
            events.append(folder.metrics, events.Failed("crash", "lost its disk"))
            bench.executor.handles[0].process.kill()
        return 1

    bench.presses = press_and_lose_the_worker
    assert bench.run() == "interrupted"
    assert bench.states() == ["running"]
    again = Bench(tmp_path / "r", lambda t, a: "evals=2:0.5", limits=Limits(trials=1))
    again.run()
    assert again.states() == ["complete"]


def test_a_trial_whose_gpu_is_gone_goes_on_at_another_and_the_slot_is_used_no_more(tmp_path: Path):
    bench = Bench(
        tmp_path / "r",
        lambda t, a: "evals=3:0.5,sleep=0.1" + (",end=crash,at=end" if (t, a) == (0, 1) else ""),
        limits=Limits(trials=4),
    )
    bench.slots = tuple(Slot(index, (str(index),), 1, 1) for index in range(2))
    bench.gone = lambda slot: ("0",) if slot.index == 0 else ()
    assert bench.run() == "trials"
    assert bench.states() == ["complete"] * 4
    assert bench.study.trials[0].attempts == 2
    ended = [e for e in bench.said(events.TrialEnded) if e.state == "paused"]
    assert any("the GPU 0 is there no more" in e.message for e in ended)
    first, *later = [e.slot for e in bench.said(events.TrialStarted)]
    assert first == "cuda:0"
    assert set(later[1:]) == {"cuda:1"}


def test_with_its_last_gpu_gone_the_run_ends_and_continues_when_there_is_one(tmp_path: Path):
    def behaviour(trial: int, attempt: int) -> str:
        return "evals=3:0.5" + (",end=kill" if attempt == 1 else "")

    bench = Bench(tmp_path / "r", behaviour, limits=Limits(trials=1))
    bench.slots = (Slot(0, ("0",), 1, 1),)
    bench.gone = lambda slot: slot.devices
    assert bench.run() == "device_lost"
    assert bench.states() == ["running"]
    again = Bench(tmp_path / "r", lambda t, a: "evals=3:0.5", limits=Limits(trials=1))
    assert again.run() == "trials"
    assert again.states() == ["complete"]
