"""Uploading a bundle, against a hub on loopback."""

from __future__ import annotations

import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from automl import documents
from automl.bundle import INFO, BundleInfo, Check
from automl.errors import AutoMLError, ChecksMissed
from automl.exporters._hub import Push, preview
from automl.exporters._hub import push as upload
from tests.exporters.test_every_exporter import contents


def push(folder, repository, *, private):
    return upload(Push(folder, repository, private))


def test_the_repository_holds_the_bundle_after_a_push(hub, bundle):
    address = push(bundle, "acme/support-tickets", private=True)
    assert address == f"{hub.url}/acme/support-tickets"
    held = hub.files("acme/support-tickets")
    assert {path: held[path] for path in contents(bundle)} == contents(bundle)
    assert hub.repositories[("models", "acme/support-tickets")].facts["private"] is True


def test_a_second_push_goes_to_the_same_repository(hub, bundle):
    push(bundle, "acme/support-tickets", private=False)
    push(bundle, "acme/support-tickets", private=False)
    assert len(hub.repositories) == 1


def test_without_a_token_it_says_how_to_log_in(hub, bundle, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(AutoMLError, match="hf auth login"):
        push(bundle, "acme/support-tickets", private=True)


def test_what_the_hub_objects_to_is_passed_on(hub, bundle):
    hub.add_model("acme/support-tickets", {"README.md": b""}, branch="other")
    with pytest.raises(AutoMLError, match="the hub answered 404") as caught:
        push(bundle, "acme/support-tickets", private=True)
    assert "Invalid rev id" in str(caught.value)


def test_a_branch_is_made_from_main(hub, bundle):
    upload(Push(bundle, "acme/support-tickets", revision="v2"))
    repository = hub.repositories[("models", "acme/support-tickets")]
    assert set(contents(bundle)) <= set(repository.commits[repository.names["v2"]])
    assert "automl.json" not in hub.files("acme/support-tickets")


def test_a_broken_connection_is_begun_again_and_sends_no_large_file_twice(hub, bundle, monkeypatch):
    said = []
    monkeypatch.setattr("automl.exporters._hub.FIRST_WAIT", 0.0)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    hub.cuts = {"/commit/": 1000, "PUT /lfs/": 1000}
    upload(Push(bundle, "acme/support-tickets"), said.append)
    assert {p: hub.files("acme/support-tickets")[p] for p in contents(bundle)} == contents(bundle)
    assert len(said) == 1
    assert "the upload broke off" in said[0]
    large = [path for verb, path in hub.requests if verb == "PUT"]
    assert len(large) == len(set(large)) + 1, "the one that was cut, and no other"


def test_a_hub_that_stays_away_is_given_up_on(hub, bundle, monkeypatch):
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    monkeypatch.setattr("automl.patience.time.sleep", lambda _: None)
    hub.answers += [("/api/repos/create", 429, {"Retry-After": "1"})] * 99
    with pytest.raises(AutoMLError, match=r"the hub answered 429(.|\n)*wait some minutes"):
        upload(Push(bundle, "acme/support-tickets"))


@pytest.fixture
def missed(bundle, tmp_path):
    folder = Path(shutil.copytree(bundle, tmp_path / "missed"))
    info = documents.read(BundleInfo, folder / INFO)
    documents.write(folder / INFO, replace(info, checks=(Check("accuracy >= 0.99", 0.913, False),)))
    return folder


def test_a_bundle_that_missed_a_check_is_refused_unless_forced(hub, missed):
    with pytest.raises(ChecksMissed, match=r"accuracy >= 0.99 \(it is 0.913\)(.|\n)*--force"):
        upload(Push(missed, "acme/support-tickets"))
    assert hub.requests == []
    upload(Push(missed, "acme/support-tickets", force=True))
    assert "automl.json" in hub.files("acme/support-tickets")


def test_a_preview_changes_nothing_and_tells_all(hub, bundle, missed):
    first = preview(Push(bundle, "acme/support-tickets"))
    assert (first.exists, first.private, first.card, first.missed) == (False, True, (), ())
    assert {each.path for each in first.files} == set(contents(bundle))
    assert {each.state for each in first.files} == {"new"}
    assert first.bytes == sum(map(len, contents(bundle).values()))
    assert hub.repositories == {}
    hub.add_model("acme/support-tickets", {**contents(bundle), "notes.txt": b"mine"})
    second = preview(Push(missed, "acme/support-tickets", revision="v2"))
    assert [each.path for each in second.files if each.state == "changed"] == ["automl.json"]
    assert (second.exists, second.private, second.branch_exists) == (True, False, False)
    assert second.stays == ("notes.txt",)
    assert second.missed
    assert not [path for verb, path in hub.requests if verb != "GET" and "validate" not in path]


def test_what_the_validator_has_against_the_card_is_told(hub, bundle):
    hub.answers.append(("/api/validate-yaml", 400, {}))
    assert preview(Push(bundle, "acme/support-tickets")).card


def test_without_a_network_it_says_that_the_bundle_is_complete(hub, bundle, monkeypatch):
    from huggingface_hub import constants

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", nowhere)
    with pytest.raises(AutoMLError, match="cannot be reached") as caught:
        push(bundle, "acme/support-tickets", private=True)
    assert f"automl push {bundle} acme/support-tickets" in str(caught.value)


def test_a_name_that_is_no_repository_is_refused(hub, bundle):
    with pytest.raises(AutoMLError, match="owner/name"):
        push(bundle, "acme/support/tickets", private=True)
