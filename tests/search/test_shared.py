"""A study's log in a database: turns, lost connections, who is alive."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from automl.errors import InputError, StorageLost
from automl.plan import SearchPlan
from automl.search import shared
from automl.search.shared import Database, Overtaken, SharedLog
from automl.search.study import Evaluation, Study
from tests import factories
from tests.database import Postgres, serving

postgres = pytest.fixture(serving, scope="module", name="postgres")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'studies.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.url()


def log(url: str, box: str, folder: Path, lease: float = 30.0) -> SharedLog:
    return SharedLog(Database(url), "study", box, folder / f"{box}.journal", lease)


def entry(text: str) -> dict[str, object]:
    return {"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"text": text}}


def test_each_turn_begins_with_what_others_have_added(url: str, tmp_path: Path):
    mine, theirs = log(url, "a", tmp_path), log(url, "b", tmp_path)
    with mine.turn() as found:
        assert found == []
        mine.append_logs([entry("one"), entry("two")])
    with theirs.turn() as found:
        assert [each["user_attr"]["text"] for each in found] == ["one", "two"]
        theirs.append_logs([entry("three")])
    with mine.turn() as found:
        assert [each["user_attr"]["text"] for each in found] == ["three"]
    assert len(list(mine.read_logs(0))) == len(list(theirs.read_logs(0))) == 3
    lines = (tmp_path / "a.journal").read_text().splitlines()
    assert [json.loads(line)["user_attr"]["text"] for line in lines] == ["one", "two", "three"]


def test_what_an_error_interrupts_has_not_happened(url: str, tmp_path: Path):
    mine, theirs = log(url, "a", tmp_path), log(url, "b", tmp_path)

    def interrupted() -> None:
        with mine.turn():
            mine.append_logs([entry("never")])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    with theirs.turn() as found:
        assert found == []


def test_nothing_is_added_outside_a_turn(url: str, tmp_path: Path):
    with pytest.raises(RuntimeError):
        log(url, "a", tmp_path).append_logs([entry("one")])


def test_only_one_machine_at_a_time_has_its_turn(url: str, tmp_path: Path):
    logs = [log(url, f"box{index}", tmp_path) for index in range(4)]
    inside: list[int] = []
    most: list[int] = []

    def work(each: SharedLog) -> None:
        for number in range(25):
            with each.turn():
                inside.append(1)
                most.append(len(inside))
                each.append_logs([entry(f"{each.box} {number}")])
                inside.pop()

    threads = [threading.Thread(target=work, args=(each,)) for each in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with logs[0].turn():
        texts = [each["user_attr"]["text"] for each in logs[0].read_logs(0)]
    assert max(most) == 1
    assert sorted(texts) == sorted(f"box{box} {n}" for box in range(4) for n in range(25))


def test_a_machine_that_is_silent_for_its_lease_is_dead(url: str, tmp_path: Path):
    mine, theirs = log(url, "a", tmp_path, 0.6), log(url, "b", tmp_path, 0.6)
    with mine.turn():
        assert not mine.is_alive("b")
        assert mine.is_alone()
    theirs._beat()
    with mine.turn():
        assert mine.is_alive("b")
        assert not mine.is_alone()
    time.sleep(0.8)
    with mine.turn():
        assert not mine.is_alive("b")


def test_a_machine_that_is_present_stays_alive_until_it_leaves(url: str, tmp_path: Path):
    mine, theirs = log(url, "a", tmp_path, 0.6), log(url, "b", tmp_path, 0.6)
    with theirs.presence(False):
        time.sleep(1.0)
        with mine.turn():
            assert mine.is_alive("b")
    with mine.turn():
        assert mine.is_alone()


def test_time_counts_once_however_many_search_and_not_while_none_does(url: str, tmp_path: Path):
    logs = [log(url, name, tmp_path, 0.5) for name in "abc"]
    began = time.monotonic()
    with logs[0].presence(True), logs[1].presence(True):
        time.sleep(0.7)
    searched = time.monotonic() - began
    with logs[2].presence(False):
        time.sleep(1.5)
    with logs[2].turn():
        assert 0.5 < logs[2].seconds < searched + 0.2


@pytest.mark.slow
def test_a_lost_connection_is_made_again_and_nothing_is_added_twice(
    postgres: Postgres, tmp_path: Path
):
    url = postgres.url()
    mine, theirs = log(url, "a", tmp_path), log(url, "b", tmp_path)
    with mine.turn():
        mine.append_logs([entry("before")])
    postgres.cut(url)
    with mine.turn():
        mine.append_logs([entry("after")])
        postgres.cut(url)
    postgres.restart("immediate")
    with theirs.turn() as found:
        assert [each["user_attr"]["text"] for each in found] == ["before", "after"]


@pytest.mark.slow
def test_what_others_write_in_the_meantime_makes_a_lost_turn_void(
    postgres: Postgres, tmp_path: Path
):
    url = postgres.url()
    mine, theirs = log(url, "a", tmp_path), log(url, "b", tmp_path)

    def overtaken() -> None:
        with mine.turn():
            mine.append_logs([entry("mine")])
            postgres.cut(url)
            with theirs.turn():
                theirs.append_logs([entry("theirs")])

    with pytest.raises(Overtaken):
        overtaken()
    mine.forget()
    with mine.turn() as found:
        assert [each["user_attr"]["text"] for each in found] == ["theirs"]


@pytest.mark.slow
def test_a_commit_whose_answer_was_lost_counts(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    mine = log(postgres.url(), "a", tmp_path)
    write = SharedLog._write

    def write_and_lose(self: SharedLog, connection: object) -> None:
        write(self, connection)
        monkeypatch.undo()
        raise shared._Broken("the answer was lost")

    monkeypatch.setattr(SharedLog, "_write", write_and_lose)
    with mine.turn():
        mine.append_logs([entry("once")])
    with mine.turn() as found:
        assert found == []
    assert len(list(mine.read_logs(0))) == 1


@pytest.mark.slow
def test_patience_ends(postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    mine = log(postgres.url(), "a", tmp_path)
    said: list[str] = []
    mine.database.patience, mine.database.say = 4.0, said.append
    monkeypatch.setattr(mine.database, "connect", _refuse)
    with pytest.raises(StorageLost, match="cannot be reached"), mine.turn():
        pass
    assert said
    assert "again in" in said[0]
    mine.database.gives_up = lambda: True
    began = time.monotonic()
    with pytest.raises(StorageLost), mine.turn():
        pass
    assert time.monotonic() - began < 2.0


def _refuse() -> None:
    raise shared._Broken("connection refused")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("not a url", "is no database URL"),
        ("oracle://me@db/x", "known: postgresql, mysql"),
        ("postgresql://me:secret@127.0.0.1:1/x", "127.0.0.1"),
        ("sqlite:////nowhere/at/all.db", "unable to open"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_without_its_password(url: str, said: str):
    if url.startswith("postgresql"):
        pytest.importorskip("psycopg")
    with pytest.raises(InputError, match=said) as caught:
        Database(url)
    assert "secret" not in str(caught.value)


# -- a study on it ---------------------------------------------------------------------------


def study(url: str, box: str, folder: Path) -> Study:
    plan = factories.plan(factories.candidate("small"), search=SearchPlan(7, "random", "none", 100))
    return Study(log(url, box, folder, 0.6), plan)


def test_two_machines_see_one_study_and_never_claim_the_same(url: str, tmp_path: Path):
    mine, theirs = study(url, "a", tmp_path), study(url, "b", tmp_path)
    with mine.searching(), theirs.searching():
        with mine.turn():
            first = mine.ask()
            assert first is not None
            mine.attempt(first.number)
        with theirs.turn():
            assert theirs.trials[0].box == "a"
            assert theirs.elsewhere() == {0}
            assert theirs.orphan() is None
            second = theirs.ask()
            assert second is not None
            assert second.number == 1
            theirs.attempt(1)
            theirs.report(1, Evaluation(1, 100, 0.7), 1.0)
            theirs.tell(1, "complete")
        with mine.turn():
            assert mine.trials[1].state == "complete"
            best = mine.best()
            assert best is not None
            assert best.number == 1
            assert first.configuration != second.configuration


def test_what_a_dead_machine_was_at_is_an_orphan_and_what_one_releases_too(
    url: str, tmp_path: Path
):
    mine, theirs = study(url, "a", tmp_path), study(url, "b", tmp_path)
    with theirs.searching(), theirs.turn():
        for _ in range(2):
            trial = theirs.ask()
            assert trial is not None
            theirs.attempt(trial.number)
        theirs.release(1)
    with mine.turn():
        assert mine.elsewhere() == frozenset()
        orphan = mine.orphan()
        assert orphan is not None
        assert orphan.number == 0
        mine.attempt(0)
        second = mine.orphan()
        assert second is not None
        assert second.number == 1


def test_the_log_is_an_optuna_journal(url: str, tmp_path: Path):
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    mine = study(url, "a", tmp_path)
    with mine.turn():
        mine.ask()
        mine.report(0, Evaluation(1, 100, 0.7), 1.0)
        mine.tell(0, "complete")
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "a.journal")))
    loaded = optuna.load_study(study_name=None, storage=storage)
    assert loaded.best_value == 0.7
