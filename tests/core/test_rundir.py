"""The run folder: one holder at a time, let go of by the kernel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from automl.errors import RunFolderError
from automl.rundir import RunDir, TrialDir

HOLD = """
import sys, time
from pathlib import Path
from automl.rundir import RunDir
with RunDir.at(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_second_holder_is_refused_with_the_firsts_pid(tmp_path: Path):
    rundir = RunDir.at(tmp_path / "run")
    with (
        rundir.lock(),
        pytest.raises(RunFolderError, match=f"pid {os.getpid()}"),
        RunDir.at(tmp_path / "run").lock(),
    ):
        pass
    assert rundir.holder() is None


def test_killed_holder_lets_go(tmp_path: Path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    rundir = RunDir.at(tmp_path / "run")
    assert rundir.holder() == process.pid
    process.kill()
    process.communicate()
    assert rundir.holder() is None
    with rundir.lock():
        assert rundir.root.exists()


def test_requests_are_seen_and_forgotten(tmp_path: Path):
    trial = TrialDir(tmp_path)
    assert trial.requested() is None
    trial.request("pause")
    assert trial.requested() == "pause"
    trial.request("stop")
    assert trial.requested() == "stop"
    trial.clear_request()
    assert trial.requested() is None


def test_relative_run_folder_is_made_absolute(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert RunDir.at(Path("runs/a")).study == tmp_path / "runs" / "a" / "study.journal"
