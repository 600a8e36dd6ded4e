"""Several machines at one study: schedulers of their own, one log, a folder they all see."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from automl import events
from automl.artifacts import Artifacts
from automl.errors import StorageLost
from automl.executors import Slot
from automl.executors._carried import Carrier
from automl.plan import Plan, SearchPlan
from automl.rundir import RunDir
from automl.scheduler import Limits, Outcome, Scheduler
from automl.search import rungs, shared
from automl.search.shared import Database, SharedLog
from automl.search.study import Study, StudyTrial
from tests import factories
from tests.database import Postgres, serving
from tests.scheduler.scripted import Scripted
from tests.scheduler.test_scheduler import specify

LEASE = 1.5


class Box:
    """One machine: a run folder, an executor, a scheduler on a thread."""

    def __init__(
        self,
        name: str,
        folder: Path,
        url: str,
        behaviour: Callable[[int, int], str],
        limits: Limits,
        slots: int = 1,
        **plan: Any,
    ) -> None:
        self.rundir = RunDir.at(folder / name)
        self.rundir.root.mkdir(exist_ok=True)
        plan.setdefault("search", SearchPlan(7, "random", "none", 100, stop="never"))
        self.plan: Plan = factories.plan(factories.candidate("small"), **plan)
        self.scripted = Scripted(behaviour)
        self.carrier = Carrier(self.scripted, Artifacts(str(folder / "seen by all")))
        self.log = SharedLog(Database(url), "study", name, self.rundir.study, LEASE)
        self.study = Study(self.log, self.plan)
        self.heard: list[events.RunEvent] = []
        self.presses = 0
        self.scheduler = Scheduler(
            self.study,
            self.carrier,
            tuple(Slot(index, (), 1, 1) for index in range(slots)),
            self.rundir,
            limits,
            self.specify,
            self.heard.append,
            lambda: self.presses,
            remove=self.carrier.remove,
        )
        self.outcome: Outcome | None = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run)

    def specify(self, trial: StudyTrial, slot: Slot) -> Any:
        from dataclasses import replace

        return replace(specify(trial, slot), rungs=rungs.ahead(trial, self.plan))

    def _run(self) -> None:
        try:
            self.outcome = self.scheduler.run()
        except BaseException as error:
            self.error = error

    def start(self) -> Box:
        self.thread.start()
        return self

    def die(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Fall silent at once, as a machine without power does: nothing more is written."""

        def gone(*_: Any, **__: Any) -> Any:
            raise SystemExit

        def silent(*_: Any, **__: Any) -> Any:
            raise shared._Broken("no power")

        self.carrier.artifacts.put = gone  # type: ignore[method-assign]
        self.log.database.connect = gone  # type: ignore[method-assign]
        self.log.database.transaction = silent  # type: ignore[method-assign]
        for handle in self.scripted.handles:
            handle.kill()
        self.thread.join(20)

    def join(self, seconds: float = 60) -> None:
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "a machine did not come to its end"
        if self.error is not None:
            raise self.error

    def trials(self) -> tuple[StudyTrial, ...]:
        self.study.open()
        return self.study.trials

    def started(self) -> list[int]:
        return [e.trial for e in self.heard if isinstance(e, events.TrialStarted)]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'studies.db'}"


def test_a_budget_of_trials_is_shared_and_no_trial_is_made_twice(url: str, tmp_path: Path):
    boxes = [
        Box(name, tmp_path, url, lambda t, a: "evals=2:0.5,sleep=0.1", Limits(trials=9)).start()
        for name in "abc"
    ]
    for box in boxes:
        box.join()
    assert [box.outcome for box in boxes] == ["trials"] * 3
    trials = boxes[0].trials()
    assert [trial.state for trial in trials] == ["complete"] * 9
    assert sorted(n for box in boxes for n in box.started()) == list(range(9))
    assert all(box.started() for box in boxes)
    assert len({str(trial.configuration) for trial in trials}) == 9


def test_what_a_dead_machine_was_at_is_continued_from_where_all_see_it(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def slow(trial: int, attempt: int) -> str:
        return "evals=6:0.5,sleep=0.3"

    first = Box("a", tmp_path, url, slow, Limits(trials=1)).start()
    _wait(lambda: bool(first.study.trials and len(first.study.trials[0].evaluations) >= 2))
    first.die(monkeypatch)
    second = Box("b", tmp_path, url, slow, Limits(trials=1)).start()
    second.join()
    trial = second.trials()[0]
    assert trial.state == "complete"
    assert [each.number for each in trial.evaluations] == [1, 2, 3, 4, 5, 6]
    assert trial.attempts == 2
    assert second.started() == [0]


def test_a_trial_that_waits_at_a_rung_goes_on_at_another_machine(url: str, tmp_path: Path):
    search = SearchPlan(7, "random", "promotion", 100, rungs=(100, 300), eta=3)
    behaviour: Callable[[int, int], str] = lambda t, a: f"evals=6:0.{9 - t},sleep=0.1"  # noqa: E731
    first = Box("a", tmp_path, url, behaviour, Limits(trials=2), search=search)
    first.start()
    _wait(lambda: any(trial.paused for trial in first.study.trials))
    first.presses = 1
    first.join()
    paused = [t for t in first.trials() if t.state == "running"]
    assert paused
    assert all(trial.box == "" for trial in paused)
    second = Box("b", tmp_path, url, behaviour, Limits(trials=6), search=search).start()
    second.join()
    trials = second.trials()
    assert all(trial.state != "running" for trial in trials)
    continued = [t.number for t in paused if t.number in second.started()]
    assert continued
    for number in continued:
        numbers = [each.number for each in trials[number].evaluations]
        assert numbers == list(range(1, len(numbers) + 1))


def test_what_cannot_win_or_go_on_is_deleted_where_all_see_it(url: str, tmp_path: Path):
    behaviour: Callable[[int, int], str] = lambda t, a: f"evals=2:0.{t + 1}"  # noqa: E731
    box = Box("a", tmp_path, url, behaviour, Limits(trials=5)).start()
    box.join()
    box.carrier.pool.shutdown()
    place = tmp_path / "seen by all" / "trials"
    left = {path.name.partition(".")[0] for path in place.glob("*/best*.json")}
    assert left == {"best"}
    assert [path.parent.name for path in place.glob("*/best.json")] == ["0004"]
    assert list(place.glob("*/checkpoint.json")) == []


def test_a_machine_that_was_taken_for_dead_ends_what_others_go_on_with(url: str, tmp_path: Path):
    first = Box("a", tmp_path, url, lambda t, a: "evals=40:0.5,sleep=0.2", Limits(trials=1))
    first.start()
    _wait(lambda: bool(first.study.trials and first.study.trials[0].evaluations))
    other = Study(SharedLog(Database(url), "study", "b", tmp_path / "b.journal", LEASE), first.plan)
    with other.searching():
        with other.turn():
            other.attempt(0)
        _wait(lambda: not first.scheduler._running)
        assert all(handle.poll() is not None for handle in first.scripted.handles)
        with other.turn():
            other.tell(0, "failed", "lost", "for the test")
    first.join()
    assert first.trials()[0].state == "failed"


def test_a_database_that_is_gone_for_good_pauses_what_runs(url: str, tmp_path: Path):
    box = Box("a", tmp_path, url, lambda t, a: "evals=40:0.5,sleep=0.2", Limits(trials=1)).start()
    _wait(lambda: bool(box.study.trials and box.study.trials[0].evaluations))
    box.log.database.patience = 0.5

    def refuse() -> Any:
        raise shared._Broken("no route to host")

    box.log.database.connect = refuse  # type: ignore[method-assign]
    with pytest.raises(StorageLost, match="no route to host"):
        box.join()
    said = (box.rundir.trial(0).root / "metrics.jsonl").read_text()
    assert '"paused"' in said
    again = Box("a", tmp_path, url, lambda t, a: "evals=40:0.5", Limits(trials=1)).start()
    again.join()
    trial = again.trials()[0]
    assert (trial.state, len(trial.evaluations)) == ("complete", 40)
    assert trial.attempts == 2


postgres = pytest.fixture(serving, scope="module", name="postgres")


@pytest.mark.slow
def test_eight_machines_while_the_server_is_restarted(postgres: Postgres, tmp_path: Path):
    url = postgres.url()
    boxes = [
        Box(f"box{n}", tmp_path, url, lambda t, a: "evals=3:0.5,sleep=0.2", Limits(trials=40))
        for n in range(8)
    ]
    for box in boxes:
        box.start()
    for how in ("fast", "immediate"):
        time.sleep(1.5)
        postgres.restart(how)
    for box in boxes:
        box.join(120)
    trials = boxes[0].trials()
    assert len(trials) == 40
    assert [trial.state for trial in trials] == ["complete"] * 40
    assert all([e.number for e in trial.evaluations] == [1, 2, 3] for trial in trials)
    assert len({str(trial.configuration) for trial in trials}) == 40
    assert {box.outcome for box in boxes} == {"trials"}


def _wait(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
