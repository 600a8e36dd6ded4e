"""One machine's part in a shared study: joining, agreeing, ending it once. No training."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from automl import documents, membership
from automl.errors import DriftError, InputError, Interrupted, RunFolderError
from automl.events import RunEvent
from automl.membership import Membership, Shared
from automl.plan import BudgetPlan, Plan, SearchPlan
from automl.rundir import RunDir
from automl.search.study import Evaluation, Study
from tests import factories

PLAN = factories.plan(
    factories.candidate("small"), search=SearchPlan(7, "random", "none", 100, stop="never")
)


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    return Shared(f"sqlite:///{tmp_path / 'studies.db'}", str(tmp_path / "seen by all"))


def join(
    shared: Shared,
    folder: Path,
    interrupts: Callable[[], int] = lambda: 0,
    heard: list[RunEvent] | None = None,
) -> Membership:
    folder.mkdir(exist_ok=True)
    listen = heard.append if heard is not None else lambda _: None
    return Membership(shared, PLAN.name, RunDir.at(folder), listen, interrupts)


def study(joined: Membership, plan: Plan = PLAN) -> Study:
    made = Study(joined.log, plan)
    joined.agree(made, plan)
    return made


def finished(joined: Membership) -> Study:
    """A study with one trial at its end, and its model where all see it."""
    made = study(joined)
    with made.turn():
        made.ask()
        made.attempt(0)
        made.report(0, Evaluation(1, 100, 0.7), 1.0)
        made.tell(0, "complete")
    return made


def write_bundle(rundir: RunDir, text: str = "bundle") -> None:
    for folder in (rundir.bundle, rundir.finish):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "content").write_text(text)


def test_a_run_folder_keeps_its_name_among_the_machines(shared: Shared, tmp_path: Path):
    first = join(shared, tmp_path / "a").log.box
    assert join(shared, tmp_path / "a").log.box == first
    assert join(shared, tmp_path / "b").log.box != first


def test_a_run_folder_with_a_study_of_its_own_is_not_overwritten(shared: Shared, tmp_path: Path):
    (tmp_path / "a").mkdir()
    Study(RunDir.at(tmp_path / "a").study, PLAN)
    before = RunDir.at(tmp_path / "a").study.read_bytes()
    with pytest.raises(RunFolderError, match="a study of its own"):
        join(shared, tmp_path / "a")
    assert RunDir.at(tmp_path / "a").study.read_bytes() == before


def test_a_run_folder_of_another_database_is_refused(shared: Shared, tmp_path: Path):
    join(shared, tmp_path / "a")
    other = replace(shared, storage=f"sqlite:///{tmp_path / 'other.db'}")
    with pytest.raises(RunFolderError, match="belongs to the study"):
        join(other, tmp_path / "a")


def test_a_machine_with_another_recipe_is_refused_while_others_are_at_work(
    shared: Shared, tmp_path: Path
):
    first, second = join(shared, tmp_path / "a"), join(shared, tmp_path / "b")
    study(first)
    longer = replace(PLAN, budget=BudgetPlan(50, None, None))
    elsewhere = replace(PLAN, versions={"torch": "9"})
    with first.presence():
        study(second, elsewhere)
        with pytest.raises(DriftError, match=r"budget\.trials"):
            study(second, longer)
    study(second, longer)
    assert documents.from_json(Plan, Study(first.log, PLAN).attribute("plan")) == longer


def test_other_data_is_refused_whoever_is_at_work(shared: Shared, tmp_path: Path):
    study(join(shared, tmp_path / "a"))
    other = replace(PLAN, data=replace(PLAN.data, fingerprint="1" * 64))
    with pytest.raises(DriftError, match="others run"):
        study(join(shared, tmp_path / "b"), other)


def test_a_file_is_the_same_on_all_machines(shared: Shared, tmp_path: Path):
    first, second = join(shared, tmp_path / "a"), join(shared, tmp_path / "b")
    paths = [tmp_path / name / "starts.json" for name in "ab"]
    paths[0].write_text("of the first")
    paths[1].write_text("of the second")
    first.agree_on_file(study(first), "starts", paths[0])
    second.agree_on_file(study(second), "starts", paths[1])
    assert [path.read_text() for path in paths] == ["of the first"] * 2


def test_a_study_is_concluded_by_one_machine_and_the_others_get_what_came_of_it(
    shared: Shared, tmp_path: Path
):
    joined = [join(shared, tmp_path / name) for name in "abc"]
    finished(joined[0])
    concluded: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def conclude(one: Membership) -> None:
        concluded.append(one.log.box)
        begun.set()
        go_on.wait(10)
        write_bundle(one._rundir)

    def end(one: Membership, fetch: bool) -> None:
        with one.presence():
            one.finish(study(one), lambda: conclude(one), fetch)

    threads = [threading.Thread(target=end, args=(joined[0], True))]
    threads[0].start()
    assert begun.wait(10)
    threads += [threading.Thread(target=end, args=(joined[n], n == 1)) for n in (1, 2)]
    for thread in threads[1:]:
        thread.start()
    threads[1].join(1.0)
    assert threads[1].is_alive(), "it did not wait for the other"
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert concluded == [joined[0].log.box]
    assert (tmp_path / "b" / "bundle" / "content").read_text() == "bundle"
    assert (tmp_path / "c" / "finish" / "content").exists()
    assert not (tmp_path / "c" / "bundle").exists()


def test_another_machine_concludes_when_the_first_one_dies_over_it(shared: Shared, tmp_path: Path):
    first, second = join(shared, tmp_path / "a"), join(shared, tmp_path / "b")
    made = finished(first)

    def die() -> None:
        raise SystemExit

    with pytest.raises(SystemExit), first.presence():
        first.finish(made, die, True)
    second.finish(study(second), lambda: write_bundle(second._rundir, "second"), True)
    first.finish(study(first), lambda: write_bundle(first._rundir, "again"), True)
    assert (tmp_path / "a" / "bundle" / "content").read_text() == "second"


def test_a_study_that_went_on_is_concluded_again(shared: Shared, tmp_path: Path):
    joined = join(shared, tmp_path / "a")
    made = finished(joined)
    concluded: list[int] = []

    def conclude() -> None:
        concluded.append(len(made.trials))
        write_bundle(joined._rundir)

    joined.finish(made, conclude, True)
    joined.finish(made, conclude, True)
    with made.turn():
        made.ask()
        made.tell(1, "failed", "crash", "for the test")
    joined.finish(made, conclude, True)
    assert concluded == [1, 2]


def test_waiting_for_another_machine_can_be_interrupted(shared: Shared, tmp_path: Path):
    first = join(shared, tmp_path / "a")
    second = join(shared, tmp_path / "b", interrupts=lambda: 1)
    made = finished(first)

    def meanwhile() -> None:
        with pytest.raises(Interrupted):
            second.finish(study(second), lambda: None, True)
        write_bundle(first._rundir)

    with first.presence():
        first.finish(made, meanwhile, True)


def test_a_look_from_outside_changes_nothing(shared: Shared, tmp_path: Path):
    with pytest.raises(InputError, match="there are: none"):
        membership.look(shared.storage, PLAN.name)
    with sqlite3.connect(tmp_path / "studies.db") as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == []
    joined = join(shared, tmp_path / "a")
    finished(joined)
    with joined.presence():
        seen = membership.look(shared.storage, PLAN.name)
    assert seen.machines == (joined.log.box,)
    assert [trial.state for trial in seen.history.trials] == ["complete"]
    assert not seen.finished
    assert membership.look(shared.storage, PLAN.name).machines == ()
    with pytest.raises(InputError, match=f"there are: {PLAN.name}"):
        membership.look(shared.storage, "another")
