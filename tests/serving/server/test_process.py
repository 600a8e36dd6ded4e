"""``automl serve`` as a process: it comes up, drains when it is told to end, and leaves with 0."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx
import pytest

from automl.serving import container
from tests.conftest import ROOT


@contextmanager
def process(bundle, *arguments, source=ROOT, **environment):
    """Start the command; yield the process and its address, once it listens."""
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
def test_it_drains_and_no_request_is_lost(bundle, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    how = ("--token-file", str(tmp_path / "token"), "--drain", "0.6", "--device", "cpu")
    with process(bundle, *how) as (server, url):
        ready(url)
        statuses, answers = [], []
        stop = threading.Event()

        def keep_asking():
            headers = {"Authorization": "Bearer secret"}
            with httpx.Client(base_url=url, headers=headers) as client:
                while not stop.is_set():
                    try:
                        answers.append(client.post("/", json={"inputs": "x"}).status_code)
                    except httpx.ConnectError:
                        return  # nobody is let in any more
                    except httpx.RemoteProtocolError:
                        return  # a connection that was idle is closed

        asking = [threading.Thread(target=keep_asking) for _ in range(4)]
        for each in asking:
            each.start()
        time.sleep(0.3)
        server.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        statuses.append(httpx.get(f"{url}/ready").status_code)
        assert server.wait(20) == 0
        stop.set()
        for each in asking:
            each.join()
        assert statuses == [503]
        assert len(answers) > 4
        assert set(answers) == {200}


@pytest.mark.slow
def test_what_a_container_holds_serves_without_anything_else(bundle, tmp_path):
    container.write(bundle, tmp_path / "box")
    box = tmp_path / "box"
    shutil.rmtree(box / "bundle" / "plots", ignore_errors=True)
    environment = {"AUTOML_TOKEN": "secret", "HF_HUB_OFFLINE": "1"}
    with process(box / "bundle", source=box / "source", **environment) as (server, url):
        ready(url)
        assert httpx.post(url, json={"inputs": "x"}).status_code == 401
        headers = {"Authorization": "Bearer secret"}
        assert httpx.post(url, json={"inputs": "x"}, headers=headers).status_code == 200
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0


@pytest.mark.slow
def test_a_model_that_does_not_load_ends_it_with_the_reason(bundle, tmp_path):
    broken = shutil.copytree(bundle, tmp_path / "broken")
    (broken / "config.json").write_text("{}")
    command = [sys.executable, "-m", "automl", "serve", str(broken), "--port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert "error" in ended.stderr.lower()
