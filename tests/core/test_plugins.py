"""A directory listing is the registry."""

from __future__ import annotations

import pytest

from automl import executors, exporters, plugins, tasks


def test_modules_are_names_and_shared_pieces_are_not():
    assert {"inline", "local"} <= set(executors.names())
    assert "text-classification" in tasks.names()
    assert not any(name.startswith("-") or "processes" in name for name in executors.names())
    assert "safetensors" in exporters.formats()


def test_unknown_plug_in_lists_the_known():
    with pytest.raises(KeyError, match="inline, local"):
        plugins.load("automl.executors", "cloud", "EXECUTOR")
