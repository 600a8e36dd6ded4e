"""Paths of this machine are found where they are, and only there."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from automl.exporters._paths import Leak, hide, leaks, machine_paths

PATHS = {"/home/ada/runs/tickets": "…", "/home/ada": "~", "/srv": "."}


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("see /home/ada/runs/tickets/log.txt", "see …/log.txt"),
        ("path: /home/ada", "path: ~"),
        ("file:///home/ada/x", "file://~/x"),
        ("/home/adam/x", "/home/adam/x"),
        ("https://example.com/srv/x", "https://example.com/srv/x"),
        ("/srv-old/x", "/srv-old/x"),
    ],
)
def test_the_deepest_path_is_hidden_and_lookalikes_are_not(text, hidden):
    assert hide(text, PATHS) == hidden


def test_a_leak_names_its_file_and_path(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "config.json").write_text(json.dumps({"from": "/home/ada/model"}))
    (tmp_path / "clean.json").write_text("{}")
    assert leaks(tmp_path, PATHS) == [Leak("sub/config.json", "/home/ada")]


def test_a_short_path_may_be_a_token(tmp_path):
    (tmp_path / "vocab.txt").write_text("the\n/srv\n")
    assert leaks(tmp_path, PATHS) == []
    (tmp_path / "tokenizer.json").write_text('{"made_in": "/home/ada/x"}')
    assert leaks(tmp_path, PATHS) == [Leak("tokenizer.json", "/home/ada")]


def test_of_weights_only_the_header_is_read(tmp_path):
    header = json.dumps({"__metadata__": {"format": "pt"}}).encode()
    weights = struct.pack("<Q", len(header)) + header + b"/home/ada by chance"
    (tmp_path / "model.safetensors").write_bytes(weights)
    assert leaks(tmp_path, PATHS) == []
    header = json.dumps({"__metadata__": {"from": "/home/ada/x"}}).encode()
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    assert leaks(tmp_path, PATHS) == [Leak("model.safetensors", "/home/ada")]


def test_links_are_followed_to_what_they_stand_for(delivery, tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("HOME", str(tmp_path / "link"))
    found = machine_paths(delivery, tmp_path / "bundle")
    assert {str(tmp_path / "link"), str(tmp_path / "real"), str(Path.cwd())} <= set(found)


def test_the_root_folder_is_no_secret(delivery, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/")
    assert "/" not in machine_paths(delivery, tmp_path / "bundle")


def test_folders_that_the_recipe_names_from_the_root_are_hidden(delivery, tmp_path):
    recipe = "data: {train: /mnt/team/tickets.csv}\nmodels: [{path: ../models/small}]\n"
    paths = machine_paths(replace(delivery, recipe=recipe), tmp_path / "bundle")
    assert hide("from /mnt/team/tickets.csv and ../models/small", paths) == (
        "from …/tickets.csv and ../models/small"
    )
