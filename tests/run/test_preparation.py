"""Starting points of other studies: kept as they were, and left alone when experience is off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from automl import documents, machine, preparation
from automl.executors import Slot
from automl.plan import Configuration
from automl.preparation import Starts
from automl.rundir import RunDir
from tests import factories


def test_experience_that_is_off_is_neither_read_nor_left(tmp_path: Path):
    plan = factories.plan()
    plan = replace(plan, search=replace(plan.search, experience=False))
    rundir, said = RunDir.at(tmp_path), []
    assert preparation.starts(plan, rundir, said.append) == ()
    assert not rundir.starts.exists()
    assert not said


def test_starting_points_stay_those_the_study_began_with(tmp_path: Path):
    plan = factories.plan()
    plan = replace(plan, search=replace(plan.search, experience=True))
    rundir = RunDir.at(tmp_path)
    kept = (Configuration(plan.candidates[0].id, {"learning_rate": 1e-4}),)
    documents.write(rundir.starts, Starts(kept))
    assert preparation.starts(plan, rundir, lambda _: None) == kept


def test_a_gpu_that_the_machine_has_no_more_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine, "gpus", lambda: (machine.Gpu("1", "H200", 10**11),))
    assert preparation._gone(Slot(0, ("0", "1"), 4, 2)) == ("0",)
    assert preparation._gone(Slot(1, ("1",), 4, 1)) == ()
    assert preparation._gone(Slot(2, (), 4, 1)) == ()
