"""Fixtures of the data tests: a recipe over files in a temporary folder, and the hub."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl import tasks
from automl.tasks import Task
from tests.data.samples import MakeRecipe, Write, recipe_in
from tests.hub_server import hub

__all__ = ["hub"]


@pytest.fixture
def recipe(tmp_path: Path) -> MakeRecipe:
    """A maker of recipes that lie in ``tmp_path``."""
    return lambda **data: recipe_in(tmp_path, **data)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A writer of files under ``tmp_path``."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture
def task() -> Task:
    """The real text classification task."""
    return tasks.get("text-classification")
