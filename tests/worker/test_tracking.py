"""Trackers hear of each evaluation once, whatever happens to the trial, and never hurt it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from automl import documents
from automl.events import Failed, Finished, Paused, Reported, Warned
from automl.jobs import Tracking
from automl.rundir import TrackDir
from automl.worker import tracking
from automl.worker.trackers import tensorboard as board

from . import together
from .test_continuing import until_finished, weights
from .test_processes import until
from .test_rungs import parent

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrackDir:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_PROJECT", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    return TrackDir(tmp_path / "track")


def followed(bench: Any, folder: TrackDir, *trackers: str, **changes: Any) -> Any:
    """A trial that these trackers are told of."""
    for name in trackers:
        pytest.importorskip(name, reason=f"{name} is not installed: pip install 'automl[{name}]'")
    return bench.trial(tracking=Tracking("sms", trackers, str(folder.root)), **changes)


def expected(bench: Any, trial: Any) -> dict[str, list[tuple[int, float]]]:
    """Metric → (samples, value) of every evaluation, as the trial has reported them."""
    found: dict[str, list[tuple[int, float]]] = {}
    reports = {event.evaluation: event for event in bench.events(trial, Reported)}
    for event in reports.values():
        for name, value in event.metrics.items():
            found.setdefault(f"validation/{name}", []).append((event.samples, value))
        found.setdefault("train/loss", []).append((event.samples, event.loss))
    return found


def on_the_board(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder)).Reload()
    return {
        tag: [(each.step, each.value) for each in read.Scalars(tag)]
        for tag in read.Tags()["scalars"]
        if "/" in tag
    }


def same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether points are the same but for what float32 rounds off."""
    return {name: [step for step, _ in points] for name, points in found.items()} == {
        name: [step for step, _ in points] for name, points in wanted.items()
    } and all(
        value == pytest.approx(other, rel=1e-6)
        for name in wanted
        for (_, value), (_, other) in zip(found[name], wanted[name], strict=True)
    )


def test_nothing_of_a_tracker_is_imported_where_none_is_asked_for(bench):
    trial = bench.trial()
    code = (
        "import json, sys; from pathlib import Path; from automl.worker.run import run\n"
        f"assert run(Path({str(trial.spec)!r})) == 0\n"
        "print(json.dumps([m for m in ('tensorboard', 'mlflow', 'wandb') if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []
    assert not list(trial.root.glob("tracked-*"))


@pytest.mark.parametrize(
    ("fault_wish", "changes"),
    [
        ("", {}),
        ("pause@step=3;pause@step=6;pause@step=14", {}),
        ("crash@step=14,once", {"checkpoint_seconds": 1e9}),
    ],
    ids=["unbroken", "paused three times", "crashed and begun anew"],
)
def test_tensorboard_has_each_evaluation_once(bench, folder, fault, fault_wish, changes):
    trial = followed(bench, folder, "tensorboard", **changes)
    fault(fault_wish)
    if "crash" in fault_wish:
        assert bench.run(trial) == 1
    until_finished(bench, trial)
    assert len(bench.events(trial, Reported)) == 3
    assert same(on_the_board(folder.tensorboard(0)), expected(bench, trial))
    assert all(event.loss > 0 for event in bench.events(trial, Reported))


def test_a_pause_does_not_change_the_training_loss_that_is_told(bench, unbroken, fault):
    paused = bench.trial("paused")
    fault("pause@step=3;pause@step=6;pause@step=14")
    until_finished(bench, paused)
    losses = [[e.loss for e in bench.events(t, Reported)] for t in (unbroken, paused)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-9)


def test_what_a_tracker_missed_is_told_by_the_next_attempt(bench, folder, fault):
    trial = followed(bench, folder, "tensorboard")
    folder.root.write_text("in the way")
    fault("pause@step=14,once")
    assert bench.run(trial) == 0
    assert isinstance(bench.events(trial)[-1], Paused)
    folder.root.unlink()
    assert bench.run(trial) == 0
    assert len(expected(bench, trial)["train/loss"]) == 3
    assert same(on_the_board(folder.tensorboard(0)), expected(bench, trial))


def test_a_tracker_that_breaks_is_said_once_and_the_trial_goes_on(
    bench, unbroken, folder, monkeypatch, capfd
):
    trial = followed(bench, folder, "tensorboard", rungs=(43,))

    def breaks(*_: object) -> None:
        raise ConnectionError("the server\nis gone")

    def go_on_once_it_broke() -> None:
        until(lambda: all(each.name != "track-tensorboard" for each in threading.enumerate()))
        trial.request("continue")

    monkeypatch.setattr(board._Run, "log", breaks)
    with parent(trial, go_on_once_it_broke):
        assert bench.run(trial) == 0
    assert isinstance(bench.events(trial)[-1], Finished)
    said = "tensorboard is told no more: ConnectionError: the server is gone"
    assert capfd.readouterr().err.count(said) == 1
    assert [event.message for event in bench.events(trial, Warned)] == [said]
    assert bench.scores(trial) == bench.scores(unbroken)
    assert weights(trial) == weights(unbroken)


def test_a_tracker_that_hangs_is_not_waited_for(bench, folder, monkeypatch, capfd):
    trial = followed(bench, folder, "tensorboard")
    monkeypatch.setattr(tracking, "PARTING_SECONDS", 0.3)
    monkeypatch.setattr(board._Run, "log", lambda *_: time.sleep(5))
    began = time.monotonic()
    assert bench.run(trial) == 0
    assert time.monotonic() - began < 5
    assert "tensorboard does not answer" in capfd.readouterr().err


def test_mlflow_keeps_one_run_a_trial_with_settings_points_and_its_end(bench, folder, fault):
    trial = followed(bench, folder, "mlflow")
    fault("pause@step=3;pause@step=14")
    assert until_finished(bench, trial) == 3
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder.mlflow / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("sms")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("sms/trial-0000", "FINISHED")
    assert run.data.tags["state"] == "complete"
    assert run.data.params["learning_rate"] == "0.005"
    points = {
        name: [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
        if "/" in name
    }
    assert same(points, expected(bench, trial))
    assert not Path("mlruns").exists()


def test_trials_at_once_share_the_store_of_mlflow(bench, folder):
    trials = [
        followed(bench, folder, "mlflow", name=f"trial-{number}", number=number)
        for number in range(2)
    ]
    running = [together.alone(trial) for trial in trials]
    for trial, process in zip(trials, running, strict=True):
        assert process.wait() == 0
        assert "mlflow" not in trial.log.read_text()
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder.mlflow / 'mlflow.db'}")
    (experiment,) = [each for each in client.search_experiments() if each.name == "sms"]
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.run_name for run in runs} == {f"sms/trial-000{number}" for number in range(2)}
    assert all(run.data.tags["state"] == "complete" for run in runs)


def test_a_failed_trial_and_a_server_that_is_not_there_are_said(
    bench, folder, fault, monkeypatch, capfd
):
    trial = followed(bench, folder, "mlflow", "tensorboard")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    fault("crash@step=8")
    assert bench.run(trial) == 1
    assert isinstance(bench.events(trial)[-1], Failed)
    assert capfd.readouterr().err.count("mlflow is told no more") == 1
    assert len(on_the_board(folder.tensorboard(0))["train/loss"]) == 1


def test_wandb_offline_writes_its_folder_and_continues_its_run(bench, folder, fault, monkeypatch):
    trial = followed(bench, folder, "wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    fault("pause@step=14,once")
    assert until_finished(bench, trial) == 2
    runs = sorted((folder.root / "wandb").glob("offline-run-*"))
    known = documents.read(tracking.Tracked, trial.tracked("wandb"))
    assert len(runs) == 2
    assert {run.name.rpartition("-")[2] for run in runs} == {known.run}
    assert known.evaluation == 3


def test_a_probe_is_tracked_as_well(bench, folder):
    trial = followed(
        bench, folder, "tensorboard", hyperparameters={"method": "probe"}, metric="macro_f1"
    )
    assert bench.run(trial) == 0
    (report,) = bench.events(trial, Reported)
    points = on_the_board(folder.tensorboard(0))
    assert points["validation/macro_f1"] == [(43, pytest.approx(report.metrics["macro_f1"]))]
    assert "train/loss" not in points


def test_of_several_processes_the_first_one_tells(bench, folder):
    trial = followed(bench, folder, "tensorboard", processes=2)
    assert together.run(trial) == [0, 0], trial.log.read_text()
    (_,) = folder.tensorboard(0).iterdir()
    assert same(on_the_board(folder.tensorboard(0)), expected(bench, trial))


def test_every_tracker_is_called_as_the_package_it_needs():
    from automl import plugins

    for name in plugins.names(tracking.PACKAGE):
        assert importlib.util.find_spec(name) is None or plugins.is_installed(name)
        assert callable(plugins.load(tracking.PACKAGE, name, "TRACKER").begin)
