"""``automl experience``: as a person and as a program reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from automl import cli, documents
from automl.experience import store
from automl.experience.record import Record
from tests.experience import samples

Experience = Callable[..., tuple[int, str, str]]


@pytest.fixture
def experience(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Experience:
    """Run ``automl experience``; return exit code, stdout and stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["automl", "experience", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def records() -> tuple[Record, Record]:
    """Two records in the store, newest first."""
    hub = samples.plan(samples.candidate(source="hub", reference="google/bert"))
    made = samples.record(of=hub, time=2e9, run="b"), samples.record(time=1e9, run="a")
    for record in made:
        store.write(record)
    return made


def test_an_empty_store_is_an_empty_list(experience: Experience):
    code, out, err = experience("list")
    assert (code, out) == (0, "")
    assert "no experience in" in err
    assert experience("list", "--json")[1] == "[]\n"


def test_the_list_names_each_record_on_one_line_of_a_pipe(experience: Experience, records):
    code, out, err = experience("list")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in lines[1:]] == [record.id for record in records]
    assert "google/bert" in lines[1]
    assert "macro_f1 0.9000" in lines[1]
    assert "bert, 0.001M" in lines[2]
    assert "\x1b" not in out


def test_the_list_as_json(experience: Experience, records):
    found = json.loads(experience("list", "--json")[1])
    assert [row["id"] for row in found] == [record.id for record in records]
    assert (found[0]["best"], found[0]["rows"], found[0]["trials"]) == (0.9, 1000, 3)


def test_what_the_store_cannot_read_is_named_on_stderr(experience: Experience, records):
    (store.folder() / "strange.json").write_text("{")
    code, out, err = experience("list")
    assert code == 0
    assert len(out.splitlines()) == 3
    assert err.startswith("warning: experience skipped:")
    assert "strange.json" in err


def test_a_record_is_shown_with_its_data_and_every_trial(experience: Experience, records):
    code, out, _ = experience("show", records[0].id[:10])
    assert code == 0
    for text in ("1,000 for training", "Imaginary", "torch 2", "learning_rate 0.0003", "0.9000"):
        assert text in out


def test_a_record_shown_as_json_is_the_document(experience: Experience, records):
    out = experience("show", records[1].id, "--json")[1]
    assert documents.from_json(Record, out) == records[1]


def test_a_wrong_id_is_refused(experience: Experience, records):
    code, out, err = experience("show", "zzz")
    assert (code, out) == (2, "")
    assert "no experience has an id that begins with 'zzz'" in err


def test_what_is_exported_can_be_imported_elsewhere(
    experience: Experience, records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = str(tmp_path / "carry.json")
    assert experience("export", file)[0] == 0
    monkeypatch.setenv("AUTOML_EXPERIENCE", str(tmp_path / "there"))
    code, _, err = experience("import", file)
    assert code == 0
    assert err.startswith("2 added to ")
    assert {r.id for r in store.read_all().records} == {record.id for record in records}
    taken = json.loads(experience("import", file, "--json")[1])
    assert (len(taken["known"]), taken["added"], taken["skipped"]) == (2, [], [])


def test_an_export_may_be_of_some_records(experience: Experience, records, tmp_path: Path):
    file = tmp_path / "one.json"
    assert experience("export", str(file), records[1].id[:8], records[1].id)[0] == 0
    exported = json.loads(file.read_bytes())["records"]
    assert [record["id"] for record in exported] == [records[1].id]


def test_an_import_says_what_it_skipped(experience: Experience, records, tmp_path: Path):
    file = tmp_path / "f.json"
    experience("export", str(file))
    file.write_text(file.read_text().replace("120.0", "121.0", 1))
    code, _, err = experience("import", str(file))
    assert code == 0
    assert "skipped: " in err
    assert "does not match its id" in err
    assert "1 there already, 1 skipped" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("import", "nowhere.json"), "nowhere.json does not exist"),
        (("export", "out.json"), "no experience in"),
        (("import", "."), "Is a directory"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_refused(
    experience: Experience, arguments: tuple[str, ...], said: str
):
    code, _, err = experience(*arguments)
    assert code == 2
    assert said in err


def test_a_file_that_cannot_be_written_is_refused(experience: Experience, records, tmp_path: Path):
    (tmp_path / "file").write_text("")
    code, _, err = experience("export", str(tmp_path / "file" / "x.json"))
    assert code == 2
    assert "cannot be written" in err
