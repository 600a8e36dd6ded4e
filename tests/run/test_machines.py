"""``automl run`` and ``automl worker`` at one study: PostgreSQL, a folder that both see."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.database import Postgres, serving
from tests.run.conftest import RECIPE

pytestmark = pytest.mark.slow


postgres = pytest.fixture(serving, scope="module", name="postgres")


@pytest.fixture
def machines(project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two machines' folders, each with the project, and one that both see."""
    other = tmp_path_factory.mktemp("other")
    seen = tmp_path_factory.mktemp("seen")
    text = RECIPE.replace("trials: 2", "trials: 6").replace("epochs: 2", "epochs: 6")
    text = text.replace("seed: 3", "seed: 3\n  stop: never")
    text += f'storage: "${{env:STORAGE}}"\nartifacts: {seen}\n'
    (project / "weather.yaml").write_text(text)
    shutil.copytree(project, other, dirs_exist_ok=True)
    return project, other


def begin(folder: Path, environment: dict[str, str], *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "automl", *words, "--json"]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=(folder / "out.txt").open("w"),
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def said(folder: Path, kind: str) -> list[dict[str, Any]]:
    lines = (folder / "out.txt").read_text().splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    return [event for event in events if event["type"] == kind]


def test_a_machine_that_dies_is_stood_in_for_and_the_study_ends_once(
    machines: tuple[Path, Path],
    environment: dict[str, str],
    postgres: Postgres,
):
    first, second = machines
    environment = {**environment, "STORAGE": postgres.url()}
    one = begin(first, environment, "run", "weather.yaml")
    two = begin(second, environment, "worker", "weather.yaml")
    deadline = time.monotonic() + 120
    while len(said(second, "trial_started")) < 2:
        assert two.poll() is None, (second / "out.txt").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    lost = said(second, "trial_started")[-1]["trial"]
    for process in psutil.Process(two.pid).children(recursive=True):
        process.kill()
    os.killpg(two.pid, signal.SIGKILL)
    two.wait()
    assert one.wait(240) == 0, (first / "out.txt").read_text()
    taken = [e["trial"] for e in said(first, "trial_started")]
    ended = [e["trial"] for f in machines for e in said(f, "trial_ended") if e["state"] != "paused"]
    assert lost in taken
    assert sorted(ended) == sorted(set(ended))
    assert (first / "runs" / "weather" / "bundle" / "model.safetensors").exists()

    late = begin(second, environment, "worker", "weather.yaml")
    assert late.wait(120) == 0, (second / "out.txt").read_text()
    assert said(second, "trial_started") == []
    assert not [e for e in said(second, "stage_began") if e["stage"] == "score"]
    look = begin(second, environment, "status", "weather.yaml")
    assert look.wait(60) == 0
    facts = json.loads((second / "out.txt").read_text())
    assert facts["state"] == "finished"
    assert facts["states"].get("complete", 0) >= 6
