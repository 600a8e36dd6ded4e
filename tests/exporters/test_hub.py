"""Uploading a bundle, against a hub on loopback."""

from __future__ import annotations

import socket

import pytest

from automl.errors import AutoMLError
from automl.exporters._hub import push
from tests.exporters.test_every_exporter import contents


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


def test_without_a_network_it_says_that_the_bundle_is_complete(hub, bundle, monkeypatch):
    from huggingface_hub import constants

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", nowhere)
    with pytest.raises(AutoMLError, match="cannot be reached") as caught:
        push(bundle, "acme/support-tickets", private=True)
    assert f"hf upload acme/support-tickets {bundle}" in str(caught.value)


def test_a_name_that_is_no_repository_is_refused(hub, bundle):
    with pytest.raises(AutoMLError, match="owner/name"):
        push(bundle, "acme/support/tickets", private=True)
