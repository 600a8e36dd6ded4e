"""The store: a shared folder with several writers, and with files that are not ours."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from automl import documents
from automl.errors import InputError
from automl.experience import store
from automl.experience.record import Record, content_id
from tests.experience import samples


def test_the_folder_is_the_variable_or_in_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("AUTOML_EXPERIENCE", str(tmp_path / "team"))
    assert store.folder() == tmp_path / "team"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AUTOML_EXPERIENCE", "~/here")
    assert store.folder() == tmp_path / "here"
    monkeypatch.delenv("AUTOML_EXPERIENCE")
    assert store.folder() == tmp_path / ".automl" / "experience"


def test_what_is_written_is_read_newest_first(tmp_path: Path):
    old, new = samples.record(run="a", time=1.0), samples.record(run="b", time=2.0)
    assert store.write(new, tmp_path).name == f"{new.id}.json"
    store.write(old, tmp_path)
    assert store.read_all(tmp_path) == store.Reading((new, old), ())


def test_no_folder_is_no_experience(tmp_path: Path):
    assert store.read_all(tmp_path / "none") == store.Reading((), ())


def test_a_file_in_the_folder_s_place_is_a_warning(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    reading = store.read_all(tmp_path / "file")
    assert reading.records == ()
    assert "cannot be read" in reading.warnings[0]


def test_a_study_that_ends_again_replaces_its_own_record_only(tmp_path: Path):
    other = samples.record(run="other")
    store.write(other, tmp_path)
    store.write(samples.record(time=1.0), tmp_path)
    again = samples.record(time=2.0)
    store.write(again, tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {other.id, again.id}


def test_of_two_records_of_one_study_the_newer_one_is_read(tmp_path: Path):
    old, new = samples.record(time=1.0), samples.record(time=2.0)
    for record in (old, new):
        documents.write(tmp_path / f"{record.id}.json", record)
    assert store.read_all(tmp_path).records == (new,)


def damaged(record: Record, **changes: object) -> str:
    return json.dumps({**json.loads(documents.to_json(record)), **changes})


def sealed(record: Record, **changes: object) -> str:
    """A changed record with the id of its content: what another version would write."""
    document = json.loads(damaged(record, **changes))
    return json.dumps({**document, "id": content_id(document)})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "not a document of schema"),
        ('{"schema": "somebody/else"}', "not a document of schema"),
        (damaged(samples.record(), seconds=1.0), "does not match its id"),
        (sealed(samples.record(), version=2), "version 2"),
        (sealed(samples.record(), trials="many"), "does not follow"),
        (sealed(samples.record(), models=[]), "a model that it does not list"),
    ],
)
def test_a_file_that_is_no_record_is_skipped_and_named(tmp_path: Path, text: str, said: str):
    mine = samples.record()
    store.write(mine, tmp_path)
    (tmp_path / "foreign.json").write_text(text)
    reading = store.read_all(tmp_path)
    assert reading.records == (mine,)
    assert len(reading.warnings) == 1
    assert "foreign.json" in reading.warnings[0]
    assert said in reading.warnings[0]


def test_bytes_that_are_no_text_and_folders_are_skipped_and_named(tmp_path: Path):
    (tmp_path / "noise.json").write_bytes(b"\xff\xfe\x00{")
    (tmp_path / "folder.json").mkdir()
    reading = store.read_all(tmp_path)
    assert reading.records == ()
    assert [("noise" in w, "folder" in w) for w in reading.warnings] == [
        (False, True),
        (True, False),
    ]


def test_a_record_of_a_later_version_with_more_in_it_is_left_in_place(tmp_path: Path):
    later = tmp_path / "later.json"
    later.write_text(sealed(samples.record(time=1.0), version=2, more=1))
    store.write(samples.record(time=2.0), tmp_path)
    assert later.exists()


def test_a_key_that_this_version_does_not_know_is_ignored(tmp_path: Path):
    (tmp_path / "x.json").write_text(sealed(samples.record(), hint="from a later 1.x"))
    reading = store.read_all(tmp_path)
    assert reading.warnings == ()
    assert len(reading.records) == 1


def test_files_being_written_are_not_read(tmp_path: Path):
    (tmp_path / ".abc.json").write_text("half")
    (tmp_path / "notes.txt").write_text("by hand")
    assert store.read_all(tmp_path) == store.Reading((), ())


def _write_many(folder: str, name: str) -> None:
    for time in range(8):
        store.write(samples.record(run=name, time=float(time)), Path(folder))


def test_several_writers_leave_one_record_a_study(tmp_path: Path):
    names = ("a", "b", "a")
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_many, args=(str(tmp_path), name)) for name in names]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert store.read_all(tmp_path).warnings == ()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert {(r.study, r.time) for r in store.read_all(tmp_path).records} == {
        (samples.record(run=name).study, 7.0) for name in names
    }


def test_a_record_is_found_by_the_beginning_of_its_id():
    records = (samples.record(run="a"), samples.record(run="b"))
    assert store.find(records, records[1].id[:8]) is records[1]
    with pytest.raises(InputError, match="no experience has an id"):
        store.find(records, "zz")
    with pytest.raises(InputError, match="2 records begin with"):
        store.find(records, "")


def test_what_is_exported_is_taken_elsewhere_once(tmp_path: Path):
    records = (samples.record(run="a"), samples.record(run="b"))
    store.export(records, tmp_path / "file.json")
    there = tmp_path / "there"
    first = store.take(tmp_path / "file.json", there)
    assert first == store.Import(tuple(r.id for r in records), (), ())
    again = store.take(tmp_path / "file.json", there)
    assert again == store.Import((), tuple(r.id for r in records), ())
    assert {r.id for r in store.read_all(there).records} == {r.id for r in records}


def test_a_single_record_can_be_taken(tmp_path: Path):
    path = store.write(samples.record(), tmp_path / "here")
    assert store.take(path, tmp_path / "there").added == (samples.record().id,)


def test_taking_skips_what_is_damaged_and_says_which(tmp_path: Path):
    good = samples.record()
    bad = json.loads(damaged(good, seconds=0.5))
    archive = {
        "schema": "automl/experience-archive",
        "version": 1,
        "records": [bad, json.loads(documents.to_json(good)), 7],
    }
    (tmp_path / "f.json").write_text(json.dumps(archive))
    taken = store.take(tmp_path / "f.json", tmp_path / "there")
    assert taken.added == (good.id,)
    assert ["record 1" in taken.skipped[0], "record 3" in taken.skipped[1]] == [True, True]


def test_taking_keeps_the_newer_record_of_a_study(tmp_path: Path):
    old, new = samples.record(time=1.0), samples.record(time=2.0)
    store.write(new, tmp_path / "there")
    store.export([old], tmp_path / "f.json")
    assert (
        "newer record of the same study"
        in store.take(tmp_path / "f.json", tmp_path / "there").skipped[0]
    )
    store.export([replace(new, time=3.0)], tmp_path / "g.json")
    assert "does not match its id" in store.take(tmp_path / "g.json", tmp_path / "there").skipped[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "does not exist"),
        ("{", "not valid JSON"),
        ("7", "holds no experience"),
        ('{"schema": "automl/experience-archive", "records": 7}', "holds no experience"),
        ('{"schema": "automl/experience-archive", "version": 2, "records": []}', "upgrade"),
    ],
)
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, text: str | None, said: str):
    path = tmp_path / "f.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=said):
        store.take(path, tmp_path / "there")
