"""Trackers over a whole study: one run a trial, whatever interrupts it; the plan knows of none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from automl.events import Reported, Tail
from automl.rundir import RunDir
from tests.run.conftest import Automl
from tests.run.test_run import LONG, evaluations, rewrite, wait_for

pytestmark = pytest.mark.slow


def reported(rundir: RunDir, trial: int) -> dict[int, float]:
    """Samples → the goal's metric, of all that the trial has reported."""
    said = Tail(rundir.trial(trial).metrics).read()
    return {each.samples: each.metrics["macro_f1"] for each in said if isinstance(each, Reported)}


def told(folder: Path) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    points = EventAccumulator(str(folder)).Reload().Scalars("validation/macro_f1")
    return [(point.step, pytest.approx(point.value, abs=1e-6)) for point in points]


def test_a_study_is_tracked_over_an_interruption_and_a_change_of_trackers(
    automl: Automl, started: Any, project: Path
):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    pytest.importorskip("mlflow", reason="mlflow-skinny is not installed")
    recipe = project / "weather.yaml"
    rewrite(recipe, *LONG)
    with recipe.open("a") as stream:
        stream.write("track: tensorboard\n")
    process = started("run", "weather.yaml")
    wait_for(lambda: (project / "runs/weather/study.journal").exists() and evaluations(project) > 1)
    assert automl("stop", "weather.yaml").returncode == 0
    process.communicate()
    rundir = RunDir.at(project / "runs" / "weather")
    plan = rundir.plan.read_bytes()
    rewrite(recipe, "track: tensorboard", "track: [tensorboard, mlflow]")
    done = automl("run", "weather.yaml")
    assert done.returncode == 0, done.stderr
    assert "told no more" not in done.stderr
    assert rundir.plan.read_bytes() == plan
    for trial in range(2):
        assert told(rundir.track.tensorboard(trial)) == list(reported(rundir, trial).items())
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{rundir.track.mlflow / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("weather").experiment_id])
    names = {run.info.run_name: run for run in runs}
    assert "weather/trial-0001" in names
    history = client.get_metric_history(
        names["weather/trial-0001"].info.run_id, "validation/macro_f1"
    )
    assert {point.step: point.value for point in history} == reported(rundir, 1)
    rewrite(recipe, "track: [tensorboard, mlflow]\n", "")
    rewrite(recipe, "trials: 2", "trials: 3")
    rewrite(recipe, "epochs: 25", "epochs: 1")
    more = automl("run", "weather.yaml")
    assert more.returncode == 0, more.stderr
    assert not rundir.track.tensorboard(2).exists()
