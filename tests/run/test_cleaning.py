"""A run that was cleaned goes on and is exported as one that was not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from automl.rundir import RunDir, bytes_below
from automl.search.history import read
from tests.run.conftest import Automl
from tests.run.test_run import LONG, evaluations, rewrite, wait_for

pytestmark = pytest.mark.slow


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def told(project: Path) -> list[tuple[Any, ...]]:
    """What the journal says of each trial, but for times."""
    trials = read(RunDir.at(project / "runs" / "weather").study).trials
    return [(trial.number, trial.configuration, trial.state, trial.evaluations) for trial in trials]


def test_a_cleaned_run_is_continued_with_a_larger_budget_and_exported(
    automl: Automl, project: Path
):
    assert automl("run", "weather.yaml").returncode == 0
    rundir = RunDir.at(project / "runs" / "weather")
    bundle, trials = contents(rundir.bundle), told(project)
    shown = json.loads(automl("clean", "weather.yaml", "--dry-run", "--json").stdout)
    before = bytes_below(rundir.root)
    cleaned = automl("clean", "runs/weather")
    assert cleaned.returncode == 0, cleaned.stderr
    # The lock's file says who holds it, for as long as it is held.
    assert before - bytes_below(rundir.root) == pytest.approx(shown["run"]["freed_bytes"], abs=200)
    assert not rundir.tokens.exists()
    again = automl("run", "weather.yaml")
    assert again.returncode == 0, again.stderr
    assert "on the test split" not in again.stderr
    assert (contents(rundir.bundle), told(project)) == (bundle, trials)
    automl("clean", "runs/weather")
    rewrite(project / "weather.yaml", "trials: 2", "trials: 4")
    more = automl("run", "weather.yaml")
    assert more.returncode == 0, more.stderr
    assert "continues after 2" in more.stderr
    assert told(project)[:2] == trials
    assert [trial[2] for trial in told(project)] == ["complete"] * 4
    automl("clean", "runs/weather", "--finished")
    shutil.rmtree(rundir.bundle)
    exported = automl("export", "runs/weather", "--to", "taken")
    assert exported.returncode == 0, exported.stderr
    assert (project / "taken" / "model.safetensors").exists()


def test_trials_that_were_cut_short_begin_anew_where_their_checkpoints_were_given_up(
    automl: Automl, started: Any, project: Path
):
    rewrite(project / "weather.yaml", *LONG)
    process = started("run", "weather.yaml")
    wait_for(lambda: (project / "runs/weather/study.journal").exists() and evaluations(project) > 1)
    assert automl("clean", "weather.yaml").returncode == 2
    assert automl("stop", "weather.yaml").returncode == 0
    process.communicate()
    rundir = RunDir.at(project / "runs" / "weather")
    (interrupted,) = (trial for trial in told(project) if trial[2] == "running")
    assert automl("clean", "weather.yaml").returncode == 0
    assert list(rundir.trial(interrupted[0]).checkpoints.glob("step-*"))
    assert automl("clean", "weather.yaml", "--finished").returncode == 2
    assert automl("export", "weather.yaml").returncode == 0
    assert automl("clean", "weather.yaml", "--finished").returncode == 0
    assert not rundir.trial(interrupted[0]).checkpoints.exists()
    done = automl("run", "weather.yaml")
    assert done.returncode == 0, done.stderr
    after = told(project)[interrupted[0]]
    assert after[2] == "complete"
    assert after[3][: len(interrupted[3])] == interrupted[3]
