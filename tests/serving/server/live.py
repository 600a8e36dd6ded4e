"""Servers for tests: the real one on a free port of this machine, in a thread of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn

from automl.serving.predict import Predictor
from automl.serving.server.app import create_app
from automl.serving.server.run import Server
from automl.serving.server.service import Service
from automl.serving.server.settings import Settings
from automl.tasks import Task, _loading
from tests.tasks import bundles
from tests.tasks.samples import sample


@contextmanager
def live(
    bundle: Path, settings: Settings | None = None, load: Callable[[], Predictor] | None = None
) -> Iterator[tuple[str, Service]]:
    """Serve the bundle; yield its address and the service, once it is ready."""
    with served(bundle, load or (lambda: Predictor(bundle, "cpu")), settings) as (url, service):
        until(lambda: service.loaded or service.fault is not None)
        if service.fault is not None:
            raise service.fault
        yield url, service


@contextmanager
def served(
    bundle: Path, load: Callable[[], Predictor], settings: Settings | None = None
) -> Iterator[tuple[str, Service]]:
    """Serve the bundle; yield its address and the service at once."""
    service = Service(bundle, settings or Settings(drain=0))
    config = uvicorn.Config(create_app(service), log_level="error", access_log=False)
    server = Server(config, service)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    service.start(load)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        until(lambda: server.started)
        yield url, service
    finally:
        server.should_exit = True
        thread.join()
        service.batcher.stop()


def until(holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until it holds; AssertionError where it does not."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def bundle_of(task: Task, folder: Path, *roles: str) -> Path:
    """Write a bundle of the task's small model, trained (as it says) on its sample's columns."""
    made = sample(task)
    (folder / "model").mkdir(parents=True)
    columns = {role: role for role in roles or made.columns}
    model = made.model(folder / "model")
    found = bundles.write(task.name, folder / "bundle", made.labels, columns, model)
    if task.adapt is not None:
        processor, _ = _loading.adapted(task, str(model), False, lambda: made.columns)
        processor.save_pretrained(found)
    return found


def post(url: str, body: object, **more: object) -> httpx.Response:
    """Ask."""
    return httpx.post(f"{url}/", json=body, timeout=60, **more)  # type: ignore[arg-type]
