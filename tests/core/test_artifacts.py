"""Folders that several machines share: replaced whole, verified, tried again."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from automl import artifacts
from automl.artifacts import Artifacts, Changing
from automl.errors import InputError, StorageLost


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artifacts:
    monkeypatch.setattr(artifacts, "FIRST_WAIT", 0.01)
    return Artifacts(str(tmp_path / "place"))


def folder(path: Path, **files: str) -> Path:
    for name, text in files.items():
        file = path / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return path


def content(path: Path) -> dict[str, str]:
    return {
        file.relative_to(path).as_posix(): file.read_text()
        for file in path.rglob("*")
        if file.is_file()
    }


def test_what_is_put_comes_back_whole_and_replaces_what_was_there(place: Artifacts, tmp_path: Path):
    place.put("trials/0001/best", folder(tmp_path / "a", weights="one", deep__config="x"))
    target = folder(tmp_path / "b", old="gone after")
    assert place.get("trials/0001/best", target)
    assert content(target) == {"weights": "one", "deep/config": "x"}
    place.put("trials/0001/best", folder(tmp_path / "c", weights="two"))
    assert place.get("trials/0001/best", target)
    assert content(target) == {"weights": "two"}
    assert len(list((tmp_path / "place" / "trials" / "0001").iterdir())) == 2


def test_what_is_not_there_is_said_and_leaves_the_folder_alone(place: Artifacts, tmp_path: Path):
    target = folder(tmp_path / "a", mine="x")
    assert not place.get("nothing", target)
    assert content(target) == {"mine": "x"}


def test_deleting_leaves_nothing_and_may_be_done_twice(place: Artifacts, tmp_path: Path):
    place.put("x", folder(tmp_path / "a", weights="one"))
    place.delete("x")
    place.delete("x")
    assert not place.get("x", tmp_path / "b")
    assert list((tmp_path / "place").iterdir()) == []


def test_what_begins_with_a_dot_stays_here(place: Artifacts, tmp_path: Path):
    source = folder(tmp_path / "a", weights="one")
    folder(source / ".half", torn="x")
    place.put("x", source)
    assert place.get("x", tmp_path / "b")
    assert content(tmp_path / "b") == {"weights": "one"}


def test_what_is_there_already_is_not_carried_again(
    place: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source = folder(tmp_path / "a", weights="one")
    place.put("x", source)
    carried: list[str] = []
    monkeypatch.setattr(place, "_upload", lambda *_: carried.append("up"))
    monkeypatch.setattr(place, "_download", lambda *_: carried.append("down"))
    place.put("x", source)
    assert place.get("x", source)
    assert carried == []


def test_a_folder_that_changes_while_it_is_read_is_not_put(
    place: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source = folder(tmp_path / "a", weights="one")
    upload = place._upload

    def meanwhile(file: Path, name: str) -> None:
        upload(file, name)
        (source / "weights").write_text("two")

    monkeypatch.setattr(place, "_upload", meanwhile)
    with pytest.raises(Changing):
        place.put("x", source)
    assert not place.get("x", tmp_path / "b")
    assert list((tmp_path / "place").iterdir()) == []


def test_a_file_that_is_damaged_is_not_taken(place: Artifacts, tmp_path: Path):
    place.put("x", folder(tmp_path / "a", weights="one"))
    stored = next((tmp_path / "place").glob("x.*/weights"))
    stored.write_text("0ne")
    target = folder(tmp_path / "b", mine="x")
    with pytest.raises(StorageLost, match="is not what was written"):
        place.get("x", target)
    assert content(target) == {"mine": "x"}


def test_a_store_that_fails_now_and_then_is_tried_again(
    place: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    upload, failures = place._upload, iter([OSError("reset by peer"), TimeoutError()])

    def flaky(*given: Any) -> None:
        for failure in failures:
            raise failure
        upload(*given)

    monkeypatch.setattr(place, "_upload", flaky)
    place.put("x", folder(tmp_path / "a", weights="one"))
    assert place.get("x", tmp_path / "b")


def test_a_store_that_keeps_failing_is_lost(
    place: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(place, "_upload", broken)
    with pytest.raises(StorageLost, match="no route to host"):
        place.put("x", folder(tmp_path / "a", weights="one"))


def test_readers_find_one_state_or_the_other_while_it_is_replaced(place: Artifacts, tmp_path: Path):
    sources = [folder(tmp_path / f"s{n}", a=str(n), b=str(n), c=str(n)) for n in range(2)]
    place.put("x", sources[0])
    done = threading.Event()

    def replace() -> None:
        for turn in range(30):
            place.put("x", sources[turn % 2])
        done.set()

    writer = threading.Thread(target=replace)
    writer.start()
    while not done.is_set():
        target = tmp_path / "target"
        assert place.get("x", target)
        assert len(set(content(target).values())) == 1
        shutil.rmtree(target)
    writer.join()


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for url in (str(tmp_path / "file" / "below"), "nonsense://x"):
        with pytest.raises(InputError, match="cannot be used"):
            Artifacts(url)


def test_a_store_in_memory_does_as_well(tmp_path: Path):
    place = Artifacts("memory://bucket/prefix")
    place.put("x", folder(tmp_path / "a", weights="one"))
    place.put("x", folder(tmp_path / "c", weights="two"))
    assert place.get("x", tmp_path / "b")
    assert content(tmp_path / "b") == {"weights": "two"}
