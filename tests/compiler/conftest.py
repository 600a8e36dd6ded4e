"""Fixtures of the compiler tests: recipes over a small CSV and the tiny model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from automl import processes
from automl.recipe.load import load
from automl.recipe.loaded import LoadedRecipe
from tests.hub_server import hub

__all__ = ["hub"]
GOLDEN = Path(__file__).parent / "golden"
TINY = Path(__file__).parent.parent / "fixtures" / "tiny-bert"
BASE = """\
recipe: 1
name: messages
task: text-classification
data: {train: messages.csv}
models: [{path: tiny}]
"""


@pytest.fixture(scope="package", autouse=True)
def forks() -> Iterator[None]:
    """One process, for all tests here, that has the imports done and that workers start from."""
    with processes.preloaded():
        yield


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder for the whole session: each candidate is loaded by a worker once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(session_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own cache out of the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(session_cache))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with messages.csv and the model ``tiny``."""
    shutil.copy(GOLDEN / "messages.csv", tmp_path)
    shutil.copytree(TINY, tmp_path / "tiny")
    return tmp_path


@pytest.fixture
def recipe(folder: Path) -> Callable[..., LoadedRecipe]:
    """A function from extra recipe lines (replacing BASE's of the same key) to a loaded recipe."""

    def write(*lines: str) -> LoadedRecipe:
        keys = {line.split(":")[0] for line in lines}
        kept = [line for line in BASE.splitlines() if line.split(":")[0] not in keys]
        (folder / "recipe.yaml").write_text("\n".join([*kept, *lines, ""]))
        return load(folder / "recipe.yaml")

    return write
