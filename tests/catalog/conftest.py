"""Fixtures of the catalog tests: recipes that name one model, and folders to break."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from automl.recipe.load import load
from automl.recipe.loaded import LoadedRecipe
from tests.hub_server import hub

__all__ = ["hub"]
TINY = Path(__file__).parent.parent / "fixtures" / "tiny-bert"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache folder, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "automl"


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., LoadedRecipe]:
    """A function from models (as YAML flow text) to a loaded recipe that names them."""

    def write(*models: str) -> LoadedRecipe:
        lines = ["recipe: 1", "name: t", "task: text-classification", "data: {train: rows.csv}"]
        text = "\n".join([*lines, "models:", *(f"  - {model}" for model in models), ""])
        (tmp_path / "recipe.yaml").write_text(text)
        return load(tmp_path / "recipe.yaml")

    return write


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A copy of tiny-bert beside the recipe, to be broken."""
    return Path(shutil.copytree(TINY, tmp_path / "tiny"))
