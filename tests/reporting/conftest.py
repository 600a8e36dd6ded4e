"""Runs that many tests look at and none changes."""

from __future__ import annotations

import pytest

from automl.rundir import RunDir
from tests.reporting.runs import make_run


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A finished study with every kind of trial, and hostile names."""
    return make_run(tmp_path_factory.mktemp("many") / "run", candidates=3)


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A finished study of two objectives."""
    return make_run(tmp_path_factory.mktemp("two") / "run", also=True, count=16)


@pytest.fixture(scope="session")
def one(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A study of one trial, finished."""
    folder = tmp_path_factory.mktemp("one") / "run"
    return make_run(folder, count=1, candidates=1, failures=False)


@pytest.fixture(scope="session")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A study that was stopped before anything was scored."""
    return make_run(tmp_path_factory.mktemp("stopped") / "run", count=9, finished=False)
