"""Disks that end: a run folder on a file system that is full, or that can't be written to."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from automl import documents
from automl.plan import Plan
from automl.rundir import RunDir
from automl.search.study import Study

from .conftest import Automl

pytestmark = pytest.mark.slow


@contextmanager
def disk(folder: Path, options: str) -> Iterator[None]:
    """Put a file system of its own, in memory, at ``folder``."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


def study(folder: Path) -> Study:
    rundir = RunDir.at(folder)
    return Study(rundir.study, documents.read(Plan, rundir.plan))


def test_a_disk_that_is_full_ends_the_run_and_with_room_it_goes_on(automl: Automl, project: Path):
    small = project / "small"
    with disk(small, "size=8m"):
        arguments = "run", "weather.yaml", "--run-dir", str(small / "run")
        assert automl("plan", "weather.yaml").returncode == 0  # warms what is kept elsewhere
        filling = small / "filling"
        filling.write_bytes(b"\0" * 7_900_000)  # room for plan and tables, and one model
        full = automl(*arguments)
        assert full.returncode == 4, full.stdout + full.stderr
        assert "is full" in full.stderr
        assert "Traceback" not in full.stderr
        assert "give the same command again" in full.stderr
        filling.unlink()
        remount(small, "size=64m")
        again = automl(*arguments)
        assert again.returncode == 0, again.stderr
        assert (small / "run" / "bundle" / "model.safetensors").exists()
        assert [trial.state for trial in study(small / "run").trials] == ["complete"] * 2


def test_a_folder_that_cannot_be_written_to_is_said_in_a_line(automl: Automl, project: Path):
    fixed = project / "fixed"
    with disk(fixed, "size=8m"):
        remount(fixed, "ro")
        done = automl("run", "weather.yaml", "--run-dir", str(fixed / "run"))
        assert done.returncode == 2
        assert "can't be written to" in done.stderr
        assert "--run-dir" in done.stderr
        assert "Traceback" not in done.stderr
