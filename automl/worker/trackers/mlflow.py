"""MLflow: a run at the server that MLFLOW_TRACKING_URI names, or in a store in the run folder."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl.rundir import TrackDir
from automl.worker.trackers import Run, Subject, Tracker

SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""Unless the environment says otherwise: a server that is gone is given up within seconds, and
statistics of use are not sent."""


@dataclass(slots=True)
class _Run:
    id: str
    client: Any

    def log(self, values: Mapping[str, float], samples: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        points = [Metric(name, value, now, samples) for name, value in values.items()]
        self.client.log_batch(self.id, metrics=points)

    def end(self, state: str, failed: bool) -> None:
        self.client.set_tag(self.id, "state", state)
        self.client.set_terminated(self.id, "FAILED" if failed else "FINISHED")


class _MLflow:
    def prepare(self) -> None:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        import mlflow.tracking

        if "MLFLOW_TRACKING_URI" not in os.environ:
            import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.WARNING)

    def begin(self, subject: Subject, known: str | None) -> Run:
        from mlflow.entities import Param

        client, experiment = _experiment(subject)
        if known is not None:
            client.update_run(known, status="RUNNING")
            return _Run(known, client)
        run = client.create_run(experiment, run_name=subject.name).info.run_id
        settings = [Param(name, str(value)) for name, value in subject.settings.items()]
        client.log_batch(run, params=settings)
        return _Run(run, client)


def _experiment(subject: Subject) -> tuple[Any, str]:
    """Return a client and the id of the study's experiment, made by whichever trial is first."""
    from mlflow.tracking import MlflowClient

    folder = subject.folder.mlflow
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", subject.study)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        client = MlflowClient(uri or f"sqlite:///{folder / 'mlflow.db'}")
        found = client.get_experiment_by_name(name)
        if found is not None:
            return client, found.experiment_id
        return client, client.create_experiment(name, None if uri else _artifacts(subject.folder))


def _artifacts(folder: TrackDir) -> str:
    return (folder.mlflow / "artifacts").as_uri()


TRACKER: Tracker = _MLflow()
