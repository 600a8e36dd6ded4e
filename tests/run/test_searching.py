"""A whole search at its defaults: rungs, probe, repeats, several objectives, experience."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from automl.rundir import RunDir
from automl.search.history import read
from tests.run.conftest import Automl

pytestmark = pytest.mark.slow
RECIPE = """\
recipe: 1
name: weather
task: text-classification
data: {train: weather.csv, validation: 0.2, test: 0.2}
models: [{path: tiny}, {path: other}]
search:
  seed: 3
  evaluations_per_epoch: 2
  repeats: 1
  space: {epochs: [2, 6], batch_size: 8, keep_layers: [1, 2]}
objective: {maximize: macro_f1, minimize: latency_ms, subject_to: [latency_ms <= 10000]}
budget: {trials: 8}
devices: {threads: 1, precision: fp32}
"""


@pytest.fixture
def search(project: Path) -> Path:
    shutil.copytree(project / "tiny", project / "other")
    config = json.loads((project / "other" / "config.json").read_text())
    (project / "other" / "config.json").write_text(json.dumps({**config, "note": "another"}))
    (project / "weather.yaml").write_text(RECIPE)
    return project


def test_a_search_at_its_defaults_ends_with_everything_told(automl: Automl, search: Path):
    done = automl("run", "weather.yaml")
    assert done.returncode == 0, done.stderr
    rundir = RunDir.at(search / "runs" / "weather")
    trials = read(rundir.study).trials
    searched = [trial for trial in trials if trial.repeat_of is None]
    repeats = [trial for trial in trials if trial.repeat_of is not None]
    assert len(searched) == 8
    assert len(repeats) == 1
    assert repeats[0].seed != 3
    assert all(trial.state in ("complete", "pruned") for trial in trials), "all were told"
    assert {trial.configuration.candidate for trial in trials} == {"tiny", "other"}
    assert [trial.probes for trial in searched[:3]] == [True, True, False]
    assert all(trial.costs["latency_ms"] > 0 for trial in trials)
    assert not list(rundir.trials.glob("*/checkpoint/*")), "nothing can be continued any more"
    assert (rundir.bundle / "plots" / "pareto.png").exists()
    assert "latency_ms" in (rundir.bundle / "README.md").read_text()

    again = automl("run", "weather.yaml")
    assert again.returncode == 0, again.stderr
    assert "finished" in again.stderr
    assert read(rundir.study).trials == trials


def test_a_study_leaves_experience_that_the_next_one_starts_from(automl: Automl, search: Path):
    small = RECIPE.replace(", {path: other}", "").replace("trials: 8", "trials: 3")
    small = small.replace("repeats: 1", "repeats: 0\n  soup: false").replace(
        "{epochs: [2, 6]", "{epochs: 2"
    )
    small = small.replace("  space: {", "  space: {method: full, ")
    (search / "weather.yaml").write_text(small)
    assert automl("run", "weather.yaml").returncode == 0
    store = Path(os.environ["AUTOML_EXPERIENCE"])
    (record,) = store.glob("*.json")
    text = record.read_text()
    assert "rain" not in text
    assert str(search) not in text
    listed = automl("experience", "list", "--json")
    assert json.loads(listed.stdout)

    second = automl("run", "weather.yaml", "--run-dir", "elsewhere")
    assert second.returncode == 0, second.stderr
    assert "starting points from similar studies" in second.stderr
