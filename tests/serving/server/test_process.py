"""A container's ``automl serve`` as a process: comes up, drains, leaves with 0."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx
import pytest

from automl.errors import InputError
from automl.serving import container
from automl.serving.server.run import serve
from automl.serving.server.service import Service
from automl.serving.server.settings import Settings


@contextmanager
def process(bundle, source, *arguments, **environment):
    """Start the command from a copy of its source; yield it and its address, once it listens."""
    command = [sys.executable, "-m", "automl", "serve", str(bundle), "--port", "0", *arguments]
    given = {**os.environ, "PYTHONPATH": str(source), **environment}
    started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=given, cwd="/")
    try:
        said = next(line for line in started.stderr if "listening" in line)
        yield started, said.split()[-1]
    finally:
        started.kill()
        started.wait()
        started.stderr.close()


def ready(url):
    """Wait until it is ready."""
    end = time.monotonic() + 60
    while httpx.get(f"{url}/ready").status_code != 200:
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_what_a_container_holds_serves_alone_and_loses_no_request_at_its_end(bundle, tmp_path):
    container.write(bundle, box := tmp_path / "box")
    how = ("--drain", "0.6", "--device", "cpu")
    with process(box / "bundle", box / "source", *how, AUTOML_TOKEN="secret") as (server, url):
        assert httpx.get(f"{url}/health").status_code == 200
        ready(url)
        assert httpx.post(url, json={"inputs": "x"}).status_code == 401
        answers = []

        def keep_asking():
            headers = {"Authorization": "Bearer secret"}
            with httpx.Client(base_url=url, headers=headers) as client:
                while True:
                    try:
                        answers.append(client.post("/", json={"inputs": "x"}).status_code)
                    except (httpx.ConnectError, httpx.RemoteProtocolError):
                        return  # nobody is let in any more, or a connection that was idle is closed

        asking = [threading.Thread(target=keep_asking) for _ in range(4)]
        for each in asking:
            each.start()
        time.sleep(0.3)
        before = len(answers)
        server.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert httpx.get(f"{url}/ready").status_code == 503
        assert server.wait(20) == 0
        for each in asking:
            each.join()
        assert len(answers) > before > 0
        assert set(answers) == {200}


def test_a_model_that_does_not_load_ends_it_with_the_reason(bundle):
    def load():
        raise InputError("its weights are not there")

    with pytest.raises(InputError, match="weights are not there"):
        serve(Service(bundle, Settings(drain=0)), load, "127.0.0.1", 0)
